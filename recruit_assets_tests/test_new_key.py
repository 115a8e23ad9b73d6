"""A key that was replaced: what is known of a long list is kept if the new key confirms it."""

import logging
from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from recruit_assets.catalogue import Rolling
from recruit_assets.errors import ConfirmationRequired
from recruit_assets.extract.report import Proof, Verdict
from recruit_assets.options import Mode
from recruit_assets.result import SyncResult
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.rings import first
from recruit_assets_tests.test_rolling_syncs import SIZE, current, known, listed, pass_time, ranges

pytestmark = pytest.mark.ring(2)

PAGES = 20
COLUMN = {"todos": "value", "candidates": "first-name"}


@pytest.fixture
def long(project: Project, name: str) -> Project:
    """A project that has read twenty pages of a list, an hour ago, and whose key was replaced."""
    known(project, name, PAGES * SIZE)
    project.sandbox.rules.key = "rotated"
    project.settings = {"key": "rotated"}
    project.sandbox.clear_requests()
    return project


def synced(project: Project, name: str, **options: Any) -> SyncResult:
    """Sync with the new key; the table must be the list."""
    result = project.sync(name, rolling=Rolling.always, **options)
    assert current(project, name) == listed(project, name)
    return result


def must_be_whole(result: SyncResult) -> None:
    assert (result.mode, result.report.verdict) == (Mode.full, Verdict.COMPLETE)
    assert result.report.proof is Proof.READ


@pytest.mark.parametrize("name", ["todos", "candidates"])
def test_a_key_that_shows_the_same_reads_a_tenth(
    long: Project, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = long.sandbox.world
    gone = sorted(listed(long, name), key=int)[5]
    world.remove(name, gone)
    world.change(name, sorted(listed(long, name), key=int)[50])
    with caplog.at_level(logging.INFO):
        result = synced(long, name)
    assert (result.mode, result.report.proof) == (Mode.incremental, Proof.COUNTED)
    assert (result.gone, result.merged.updated) == ([gone], 0 if name == "todos" else 1)
    assert "so the others are not read again" in caplog.text
    # The tenth; the search of one deletion; the record by its id; changes, and a refused filter.
    assert len(long.sandbox.requests) <= 2 * (PAGES // 10) + 12 < PAGES
    caplog.clear()
    pass_time(long)
    assert synced(long, name).mode is Mode.incremental
    assert "was replaced" not in caplog.text


def see_less(project: Project, name: str) -> None:
    """Let the new key see five records of six."""
    world = project.sandbox.world
    for id_ in sorted(listed(project, name), key=int)[::6]:
        world.remove(name, id_)


def see_another_company(project: Project, name: str) -> None:
    world = project.sandbox.world
    for id_ in sorted(listed(project, name), key=int)[:100]:
        world.remove(name, id_)
    for _ in range(100):
        world.add(name)


def see_other_records(project: Project, name: str) -> None:
    """Let the new key hide 60 records, and show as many that the old one has hidden."""
    world = project.sandbox.world
    hidden = sorted(listed(project, name), key=int)[100:400:5]
    with duckdb.connect(str(project.path)) as database:
        ids = ", ".join(f"'{id_}'" for id_ in hidden)
        database.execute(f"DELETE FROM recruit.{name} WHERE id IN ({ids})")
        database.execute(
            f"UPDATE recruit_meta.syncs SET rows = rows - {len(hidden)}, "
            f"current_rows = current_rows - {len(hidden)} WHERE endpoint = '{name}' AND rows > 0"
        )
    for id_ in sorted(listed(project, name) - set(hidden), key=int)[81:321:4]:
        world.remove(name, id_)


def see_older_times(project: Project, name: str) -> None:
    alter(
        project,
        name,
        lambda attributes: attributes.update(
            {COLUMN[name]: "other", "updated-at": "2020-01-01T00:00:00.000+00:00"}
        ),
    )


def see_other_values(project: Project, name: str) -> None:
    alter(project, name, lambda attributes: attributes.update({COLUMN[name]: "other"}))


def alter(project: Project, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Alter the attributes of each record that the API returns."""

    def altered(document: dict[str, Any]) -> None:
        data = document["data"]
        for record in data if isinstance(data, list) else [data]:
            change(record["attributes"])

    project.sandbox.alter(name, altered)


@pytest.mark.parametrize(
    ("name", "see"),
    first(
        2,
        [
            ("todos", see_less),
            ("candidates", see_another_company),
            ("todos", see_other_records),
            ("candidates", see_older_times),
            ("todos", see_other_values),
            ("candidates", see_other_values),
        ],
    ),
)
def test_a_key_that_shows_something_else_reads_the_whole_list(
    long: Project, name: str, see: Any, caplog: pytest.LogCaptureFixture
) -> None:
    see(long, name)
    with caplog.at_level(logging.INFO):
        result = synced(long, name)
    must_be_whole(result)
    assert f"{name}: the key was replaced" in caplog.text
    assert ranges(long, name) == [(-1, (1 << 63) - 1, result.report.began)]
    pass_time(long)
    assert synced(long, name).mode is Mode.incremental


@pytest.mark.parametrize("name", ["todos"])
def test_a_key_that_shows_no_values_of_a_column_leaves_the_table(long: Project, name: str) -> None:
    before = long.query(f"FROM recruit.{name} ORDER BY id")
    alter(long, name, lambda attributes: attributes.pop(COLUMN[name]))
    with pytest.raises(
        ConfirmationRequired, match=r"may see less .* the key changed\. Nothing was"
    ):
        long.sync(name, rolling=Rolling.always)
    assert long.query(f"FROM recruit.{name} ORDER BY id") == before


@pytest.mark.parametrize("name", ["todos"])
def test_a_key_that_may_not_read_the_list_leaves_nothing_known_of_it(
    long: Project, name: str
) -> None:
    long.sandbox.rules.without = {name: 403}
    assert long.sync(name, rolling=Rolling.always).report.verdict is Verdict.UNAVAILABLE
    assert ranges(long, name) == []
    long.sandbox.rules.without = {}
    must_be_whole(synced(long, name))


@pytest.mark.parametrize("name", ["todos"])
def test_a_short_list_is_read_whole_with_a_new_key(long: Project, name: str) -> None:
    result = long.sync(name)
    assert len(long.sandbox.requests) > PAGES
    must_be_whole(result)
