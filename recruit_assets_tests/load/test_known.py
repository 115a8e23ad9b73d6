"""What is known of a table's current rows: their ids, which are settled, and how many are dated."""

from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.endpoint_table import prepare
from recruit_assets.load.known import KnownIds, count_dated, known_ids

CANDIDATES = next(each for each in ENDPOINTS if each.name == "candidates")
BEFORE = datetime(2026, 3, 1, tzinfo=UTC)
EARLIER, LATER = BEFORE - timedelta(seconds=1), BEFORE
ROWS = "INSERT INTO recruit.candidates (id, created_at, _loaded_at, _deleted_at)"


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with an empty table of candidates."""
    with duckdb.connect() as database:
        prepare(database, CANDIDATES, {})
        yield database


def known(database: duckdb.DuckDBPyConnection) -> KnownIds | None:
    return known_ids(database, CANDIDATES, BEFORE)


def test_they_are_current_and_in_the_order_of_numbers(
    database: duckdb.DuckDBPyConnection,
) -> None:
    for id_, deleted in (("10", None), ("9", None), ("8", LATER), ("100", None)):
        database.execute(f"{ROWS} VALUES (?, ?, ?, ?)", [id_, EARLIER, LATER, deleted])
    assert known(database) == KnownIds(array("q", [9, 10, 100]), 100)


def test_settled_are_those_that_were_created_or_stored_before(
    database: duckdb.DuckDBPyConnection,
) -> None:
    rows = [(EARLIER, LATER, 1), (LATER, EARLIER, 2), (LATER, LATER, 2), (None, LATER, 2)]
    for id_, (created, loaded, settled) in enumerate(rows, 1):
        database.execute(f"{ROWS} VALUES (?, ?, ?, NULL)", [str(id_), created, loaded])
        assert known(database) == KnownIds(array("q", range(1, id_ + 1)), settled)
    database.execute("ALTER TABLE recruit.candidates DROP created_at")
    assert known(database) == KnownIds(array("q", range(1, 5)), 2)


@pytest.mark.parametrize("id_", ["one", "01", "-1", "1.0", "1e3", "", None, "1" + "0" * 18])
def test_an_id_that_is_no_number_makes_the_table_unfit(
    database: duckdb.DuckDBPyConnection, id_: str | None
) -> None:
    database.execute(f"{ROWS} VALUES ('1', NULL, now(), NULL)")
    database.execute(f"{ROWS} VALUES (?, NULL, now(), now())", [id_])
    assert known(database) == KnownIds(array("q", [1]), -1)
    database.execute("UPDATE recruit.candidates SET _deleted_at = NULL")
    assert known(database) is None


def test_an_empty_table_has_none(database: duckdb.DuckDBPyConnection) -> None:
    assert known(database) == KnownIds(array("q"), -1)


@pytest.mark.ring(2)
def test_they_are_all_of_a_large_table(database: duckdb.DuckDBPyConnection) -> None:
    """More than DuckDB returns in one piece."""
    database.execute(f"{ROWS} SELECT i::VARCHAR, NULL, now(), NULL FROM range(300_000) t(i)")
    assert known(database) == KnownIds(array("q", range(300_000)), -1)


def test_rows_are_counted_if_all_that_are_current_are_dated(
    database: duckdb.DuckDBPyConnection,
) -> None:
    assert count_dated(database, CANDIDATES) == 0
    database.execute(f"{ROWS} VALUES ('1', NULL, now(), NULL), ('2', NULL, now(), NULL)")
    assert count_dated(database, CANDIDATES) is None
    database.execute("UPDATE recruit.candidates SET updated_at = now() WHERE id = '1'")
    assert count_dated(database, CANDIDATES) is None
    database.execute("UPDATE recruit.candidates SET _deleted_at = now() WHERE id = '2'")
    assert count_dated(database, CANDIDATES) == 1
