"""The specification of history: when a version begins, when it ends, and when none does."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from recruit_assets.catalogue import Attribute, DeletionPolicy, Endpoint, Kind
from recruit_assets.extract.jsonapi import Record
from recruit_assets.extract.records import RecordTable
from recruit_assets.load.connection import transaction
from recruit_assets.load.history import write_history
from recruit_assets.load.schema import columns_of
from recruit_assets.load.stage import Stage
from recruit_assets.load.sweep import sweep
from recruit_assets_tests import lakes
from recruit_assets_tests.load.merging import prepare_and_merge
from recruit_assets_tests.rings import sized

TOLD = Endpoint(
    "told",
    group="tests",
    description="It has a story.",
    attributes=(
        Attribute("state", "Where it stands", Kind.TEXT),
        Attribute("moved-at", "When it came there", Kind.TIMESTAMP),
        Attribute("ended-at", "When it ended", Kind.TIMESTAMP),
        Attribute("letter", "", Kind.TEXT, personal=True),
    ),
    history=("state", "moved_at", "ended_at"),
)
BEGUN = datetime(2025, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return BEGUN + timedelta(days=number)


def said(number: float) -> str:
    return day(number).isoformat()


@dataclass
class Story:
    """Syncs of one endpoint, each on the day that it is told."""

    database: duckdb.DuckDBPyConnection
    endpoint: Endpoint = TOLD
    runs: list[str] = field(default_factory=list)

    def sync(
        self,
        today: float,
        *records: dict[str, Any],
        gone: tuple[str, ...] = (),
        deletion_policy: DeletionPolicy = DeletionPolicy.erase,
        keep: bool = True,
        whole: bool = False,
    ) -> None:
        """Merge records given as attributes with an `id`, sweep, and write down."""
        self.runs.append(f"run {len(self.runs)}")
        database, endpoint, run = self.database, self.endpoint, self.runs[-1]
        record_table = RecordTable(endpoint, columns_of(database, endpoint))
        found = [
            Record(id=each["id"], attributes={k: v for k, v in each.items() if k != "id"})
            for each in records
        ]
        with Stage() as stage, time_machine.travel(day(today), tick=False):
            stage.add(record_table.table(found), record_table.columns, range(len(found)))
            with transaction(database, keep=keep):
                prepare_and_merge(database, endpoint, stage, run)
                columns = columns_of(database, endpoint)
                sweep(
                    database, endpoint, gone, run, deletion_policy=deletion_policy, columns=columns
                )
                write_history(database, endpoint, run, gone, columns, whole=whole)

    def told(self, columns: str = "state") -> list[tuple[Any, ...]]:
        """Versions in order: columns, then the days from when to when."""
        since = f"epoch({{}} - TIMESTAMPTZ '{BEGUN.isoformat()}') / 86400"
        found = self.database.execute(
            f"SELECT {columns}, {since.format('valid_from')}, {since.format('valid_to')} "
            "FROM recruit_history.told ORDER BY id, seen_at, valid_from"
        )
        return found.fetchall()


@pytest.fixture
def story() -> Iterator[Story]:
    with lakes.connect(":memory:") as database:
        database.execute("SET TimeZone = 'UTC'")
        yield Story(database)


def test_a_version_ends_where_the_next_begins(story: Story) -> None:
    story.sync(1, {"id": "1", "state": "a"})
    story.sync(2, {"id": "1", "state": "b"})
    assert story.told("id, state, _run_id") == [
        ("1", "a", "run 0", 1, 2),
        ("1", "b", "run 1", 2, None),
    ]


def test_what_does_not_change_is_not_written_again(story: Story) -> None:
    for today in range(3):
        story.sync(today, {"id": "1", "state": "a"}, {"id": "2", "state": None})
    assert story.told() == [("a", 0, None), (None, 0, None)]


def test_what_is_not_tracked_makes_no_version_and_is_not_kept(story: Story) -> None:
    story.sync(1, {"id": "1", "state": "a", "letter": "x"})
    story.sync(2, {"id": "1", "state": "a", "letter": "y", "unheard": "z"})
    assert story.told("COLUMNS(* EXCLUDE (seen_at, valid_from, valid_to))") == [
        ("1", "a", None, None, "run 0", 1, None)
    ]


def test_a_version_begins_at_the_latest_of_its_own_times(story: Story) -> None:
    story.sync(10, {"id": "1", "state": "a", "moved-at": said(3), "ended-at": said(2)})
    story.sync(20, {"id": "1", "state": "b", "moved-at": said(15), "ended-at": said(16)})
    story.sync(30, {"id": "1", "state": "b", "moved-at": said(15), "ended-at": None})
    assert story.told() == [("a", 3, 16), ("b", 16, 30), ("b", 30, None)]


@pytest.mark.parametrize("moved", [2, 3, 21, 1e5])
def test_a_time_before_the_version_before_or_in_the_future_tells_nothing(
    story: Story, moved: float
) -> None:
    story.sync(10, {"id": "1", "state": "a", "moved-at": said(3)})
    story.sync(20, {"id": "1", "state": "b", "moved-at": said(moved)})
    assert story.told() == [("a", 3, 20), ("b", 20, None)]


def test_what_is_gone_ends_and_may_come_back(story: Story) -> None:
    story.sync(10, {"id": "1", "state": "a", "moved-at": said(3)}, {"id": "2"})
    story.sync(20, {"id": "2"}, gone=("1",))
    story.sync(30, {"id": "1", "state": "a", "moved-at": said(3)}, {"id": "2"})
    story.sync(40, {"id": "2"}, gone=("1",))
    story.sync(50, {"id": "1", "state": "b", "moved-at": said(45)}, {"id": "2"})
    assert story.told("id, state") == [
        ("1", "a", 3, 20),
        ("1", "a", 30, 40),
        ("1", "b", 45, None),
        ("2", None, 10, None),
    ]


@pytest.mark.parametrize("deletion_policy", DeletionPolicy)
def test_whatever_is_left_of_a_row_its_versions_stay(
    story: Story, deletion_policy: DeletionPolicy
) -> None:
    story.sync(1, {"id": "1", "state": "a"}, {"id": "2"}, deletion_policy=deletion_policy)
    story.sync(2, {"id": "2"}, gone=("1",), deletion_policy=deletion_policy)
    story.sync(3, {"id": "2"}, deletion_policy=deletion_policy)
    assert story.told() == [("a", 1, 2), (None, 1, None)]
    story.sync(4, {"id": "1", "state": "a"}, deletion_policy=deletion_policy)
    assert story.told() == [("a", 1, 2), ("a", 4, None), (None, 1, None)]


def test_a_clock_that_went_back_ends_nothing_before_it_began(story: Story) -> None:
    story.sync(10, {"id": "1", "state": "a"}, {"id": "2", "state": "a"})
    story.sync(5, {"id": "1", "state": "b"}, gone=("2",))
    assert sorted(story.told("id, state")) == [
        ("1", "a", 10, 10),
        ("1", "b", 10, None),
        ("2", "a", 10, 10),
    ]
    story.sync(20, {"id": "1", "state": "b"}, {"id": "2", "state": "a"})
    story.sync(30, {"id": "1", "state": "c"}, {"id": "2", "state": "b"})
    assert [each for each in story.told("id, state") if each[2] >= 20] == [
        ("1", "c", 30, None),
        ("2", "a", 20, 30),
        ("2", "b", 30, None),
    ]


def test_a_transaction_that_is_not_kept_writes_nothing(story: Story) -> None:
    story.sync(1, {"id": "1", "state": "a"})
    story.sync(2, {"id": "1", "state": "b"}, {"id": "2"}, keep=False)
    assert story.told() == [("a", 1, None)]
    story.sync(3, {"id": "1", "state": "b"})
    assert story.told() == [("a", 1, 3), ("b", 3, None)]


def test_a_table_that_is_older_than_its_history(story: Story) -> None:
    story.endpoint = replace(TOLD, history=())
    story.sync(1, {"id": "1", "state": "a"}, {"id": "2", "moved-at": said(1)}, {"id": "3"})
    story.sync(2, gone=("3",))
    story.endpoint = TOLD
    story.sync(5, {"id": "1", "state": "a"})
    assert story.told("id") == [("1", 5, None), ("2", 1, None)]


def test_a_history_that_was_dropped_begins_anew(story: Story) -> None:
    story.sync(1, {"id": "1", "state": "a"}, {"id": "2"})
    story.database.execute("DROP TABLE recruit_history.told")
    story.sync(2)
    assert story.told("id") == [("1", 2, None), ("2", 2, None)]


def test_a_whole_reading_mends_what_something_else_has_changed(story: Story) -> None:
    story.sync(1, {"id": "1", "state": "a"}, {"id": "2", "state": "b"})
    story.database.execute("UPDATE recruit.told SET state = 'c' WHERE id = '1'")
    story.database.execute("UPDATE recruit.told SET id = '3' WHERE id = '2'")
    story.sync(2)
    assert story.told("id, state") == [("1", "a", 1, None), ("2", "b", 1, None)]
    story.sync(3, whole=True)
    assert story.told("id, state") == [
        ("1", "a", 1, 3),
        ("1", "c", 3, None),
        ("2", "b", 1, 3),
        ("3", "b", 3, None),
    ]


def test_a_row_without_an_id_has_no_version_and_hides_nothing(story: Story) -> None:
    story.sync(1, {"id": "1", "state": "a"}, {"id": "2", "state": "b"})
    story.database.execute("INSERT INTO recruit.told (state) VALUES ('nobody')")
    story.database.execute("DELETE FROM recruit.told WHERE id = '2'")
    for today in (2, 3):
        story.sync(today, whole=True)
    assert story.told("id, state") == [("1", "a", 1, None), ("2", "b", 1, 2)]


def test_a_table_that_was_dropped_ends_what_does_not_come_again(story: Story) -> None:
    story.sync(1, {"id": "1", "state": "a"}, {"id": "2"})
    story.database.execute("DROP TABLE recruit.told")
    story.sync(2, {"id": "1", "state": "a"})
    assert story.told("id") == [("1", 1, None), ("2", 1, 2)]


def test_a_column_that_is_tracked_later_is_no_change(story: Story) -> None:
    story.endpoint = replace(TOLD, history=("state",))
    story.sync(1, {"id": "1", "state": "a", "moved-at": said(1)}, {"id": "2"})
    story.endpoint = TOLD
    story.sync(2, {"id": "1", "state": "a", "moved-at": said(1), "letter": "x"})
    assert story.told("id, moved_at") == [("1", day(1), 1, None), ("2", None, 1, None)]


@pytest.mark.only_files("a lake cannot change this type")
def test_a_table_that_lacks_a_column_or_has_it_in_another_type(story: Story) -> None:
    story.sync(1, {"id": "1", "state": "a"})
    story.database.execute("ALTER TABLE recruit.told DROP COLUMN ended_at")
    story.database.execute("ALTER TABLE recruit.told ALTER moved_at TYPE VARCHAR")
    story.sync(2, {"id": "1", "state": "b", "moved-at": said(1.5)})
    assert story.told() == [("a", 1, 1.5), ("b", 1.5, None)]


def test_all_is_commented(story: Story) -> None:
    story.sync(1, {"id": "1"})
    assert (
        story.database.execute(
            "SELECT column_name FROM duckdb_columns() "
            "WHERE schema_name = 'recruit_history' AND comment IS NULL"
        ).fetchall()
        == []
    )
    assert story.database.execute(
        "SELECT comment FROM duckdb_tables() WHERE schema_name = 'recruit_history'"
    ).fetchall() == [("Versions of the records in recruit.told, since the first sync",)]


RECORDS = st.dictionaries(
    st.sampled_from(["1", "2", "3"]),
    st.fixed_dictionaries(
        {},
        optional={
            "state": st.sampled_from(["a", "b", 1]),
            "moved-at": st.integers(0, 12).map(said),
            "letter": st.sampled_from(["x", "y"]),
        },
    ),
)
DAYS = st.lists(
    st.tuples(st.integers(0, 10), RECORDS, st.sampled_from(DeletionPolicy), st.booleans()),
    max_size=6,
)


@settings(max_examples=sized(5, 12, 100))
@given(DAYS)
def test_after_any_syncs_versions_follow_each_other_and_the_open_ones_are_what_lives(
    syncs: list[tuple[int, dict[str, dict[str, Any]], DeletionPolicy, bool]],
) -> None:
    with lakes.connect(":memory:") as database:
        database.execute("SET TimeZone = 'UTC'")
        story = Story(database)
        story.sync(0)
        for today, records, deletion_policy, keep in syncs:
            gone = tuple({id_ for id_, *_ in current(database)} - records.keys())
            found = [{"id": id_, **attributes} for id_, attributes in records.items()]
            story.sync(today, *found, gone=gone, deletion_policy=deletion_policy, keep=keep)
            assert current(database) == open_versions(database)
            if keep:
                held = story.told()
                story.sync(today + 1, *found, deletion_policy=deletion_policy)
                assert story.told() == held
        must_follow_each_other(database)


def current(database: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return database.execute(
        "SELECT id, state, moved_at FROM recruit.told WHERE _deleted_at IS NULL ORDER BY id"
    ).fetchall()


def open_versions(database: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return database.execute(
        "SELECT id, state, moved_at FROM recruit_history.told WHERE valid_to IS NULL ORDER BY id"
    ).fetchall()


def must_follow_each_other(database: duckdb.DuckDBPyConnection) -> None:
    versions = database.execute(
        "SELECT id, valid_from, valid_to, seen_at FROM recruit_history.told "
        "ORDER BY id, valid_from, valid_to NULLS LAST"
    ).fetchall()
    for id_, since, until, _ in versions:
        assert until is None or since <= until, id_
    for (id_, _, until, _), (next_id, since, _, _) in pairwise(versions):
        assert id_ != next_id or (until is not None and until <= since)
