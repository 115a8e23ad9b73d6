"""What the last line of a run says, from the log of syncs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from recruit_assets.load.connection import connection
from recruit_assets.load.run_totals import run_totals
from recruit_assets.load.syncs import add_sync, prepare_syncs


@pytest.fixture
def database(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connection(str(tmp_path / "x.duckdb"), {}, 0) as opened:
        prepare_syncs(opened)
        yield opened


def add(database: duckdb.DuckDBPyConnection, endpoint: str, **values: Any) -> None:
    counts = {"inserted": 1000, "updated": 20, "deleted": 3, "requests": 4}
    row = {"endpoint": endpoint, "run_id": "now", "verdict": "complete"}
    add_sync(database, row | counts | values)


def said(database: duckdb.DuckDBPyConnection) -> str:
    return str(run_totals(database, "now"))


def test_the_syncs_of_a_run_are_summed(database: duckdb.DuckDBPyConnection) -> None:
    add(database, "jobs")
    add(database, "users", verdict="window")
    add(database, "users", run_id="before")
    expected = "2 endpoints synced: 2,000 inserted, 40 updated, 6 deleted, 8 requests"
    assert said(database) == expected


def test_what_is_not_proven_is_named(database: duckdb.DuckDBPyConnection) -> None:
    none = dict.fromkeys(("inserted", "updated", "deleted"))
    add(database, "users", verdict="failed", requests=1, **none)
    add(database, "notes", verdict="failed", requests=0, **none)
    assert said(database) == (
        "0 endpoints synced (failed: notes, users): 0 inserted, 0 updated, 0 deleted, 1 request"
    )
    add(database, "jobs", verdict="incomplete", requests=0)
    add(database, "teams", verdict="unavailable", requests=0, **none)
    assert said(database) == (
        "1 endpoint synced (incomplete: jobs; unavailable: teams; failed: notes, users): "
        "1,000 inserted, 20 updated, 3 deleted, 1 request"
    )


def test_of_two_syncs_of_a_run_the_last_counts(database: duckdb.DuckDBPyConnection) -> None:
    add(database, "jobs", verdict="failed")
    add(database, "jobs")
    assert said(database).startswith("1 endpoint synced: 1,000 inserted")


def test_the_parts_of_a_sync_are_summed(database: duckdb.DuckDBPyConnection) -> None:
    add(database, "jobs", verdict="partial")
    add(database, "jobs", verdict="partial")
    add(database, "jobs")
    assert said(database) == "1 endpoint synced: 3,000 inserted, 60 updated, 9 deleted, 12 requests"


def test_a_run_without_syncs_has_no_totals(database: duckdb.DuckDBPyConnection) -> None:
    add(database, "jobs", run_id="before")
    assert run_totals(database, "now") is None


def test_a_file_without_syncs_has_no_totals(tmp_path: Path) -> None:
    with connection(str(tmp_path / "y.duckdb"), {}, 0) as database:
        assert run_totals(database, "now") is None


def test_rows_that_returned_or_were_rewritten_are_told(database: duckdb.DuckDBPyConnection) -> None:
    add(database, "jobs", undeleted=1)
    add(database, "users", rewritten=1200)
    assert said(database) == (
        "2 endpoints synced: 2,000 inserted, 40 updated, 6 deleted, 1 undeleted, 1,200 rewritten, "
        "8 requests"
    )
