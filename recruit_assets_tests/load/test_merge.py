"""The specification of merging, on real DuckDB."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.catalogue import UNPARSED, Attribute, Endpoint, Kind
from recruit_assets.errors import DatabaseChanged, DatabaseProblem
from recruit_assets.extract.arrow import as_json
from recruit_assets.extract.jsonapi import Record
from recruit_assets.extract.records import RecordTable
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.digest import digest
from recruit_assets.load.memory import bounded_memory
from recruit_assets.load.merge import MergeCounts
from recruit_assets.load.schema import columns_of
from recruit_assets.load.stage import FILES_PER_PART, ROWS_PER_FILE, Stage
from recruit_assets_tests import lakes
from recruit_assets_tests.extract.test_records import JSON_VALUES, THINGS, rows
from recruit_assets_tests.load.merging import prepare_and_merge

SMALL = Endpoint(
    "small",
    group="tests",
    description="It's small.",
    attributes=(
        Attribute("name", "What it's called", Kind.TEXT),
        Attribute("tags", "", Kind.TEXTS),
        Attribute("url", "", Kind.TEXT, volatile=True),
    ),
)


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with lakes.connect(":memory:") as connection:
        yield connection


def sync(
    database: duckdb.DuckDBPyConnection,
    *records: dict[str, Any],
    endpoint: Endpoint = SMALL,
    run: str = "run",
    refresh_volatile: bool = False,
) -> MergeCounts:
    """Merge records given as attributes with an `id`."""
    record_table = RecordTable(endpoint, columns_of(database, endpoint))
    found = [
        Record(id=each["id"], attributes={k: v for k, v in each.items() if k != "id"})
        for each in records
    ]
    with Stage() as stage:
        stage.add(record_table.table(found), record_table.columns, range(len(found)))
        with transaction(database):
            return prepare_and_merge(
                database, endpoint, stage, run, refresh_volatile=refresh_volatile
            )


def table(
    database: duckdb.DuckDBPyConnection, columns: str = "id, name", name: str = "small"
) -> list[tuple[Any, ...]]:
    return database.execute(f"SELECT {columns} FROM recruit.{name} ORDER BY id").fetchall()


def test_an_empty_table_takes_all(database: duckdb.DuckDBPyConnection) -> None:
    merged = sync(database, {"id": "1", "name": "a"}, {"id": "2"})
    assert merged == MergeCounts(inserted=2)
    assert table(database) == [("1", "a"), ("2", None)]


def test_only_what_differs_is_written(database: duckdb.DuckDBPyConnection) -> None:
    sync(database, {"id": "1", "name": "a"}, {"id": "2", "name": "b"}, run="first")
    before = dict(table(database, "id, _loaded_at"))
    merged = sync(
        database,
        {"id": "1", "name": "a"},
        {"id": "2", "name": "B"},
        {"id": "3", "name": "c"},
        run="second",
    )
    assert merged == MergeCounts(inserted=1, updated=1, unchanged=1)
    assert table(database, "id, name, _run_id") == [
        ("1", "a", "first"),
        ("2", "B", "second"),
        ("3", "c", "second"),
    ]
    after = dict(table(database, "id, _loaded_at"))
    assert after["1"] == before["1"]
    assert after["2"] > before["2"]


def test_rows_that_fill_several_files_are_merged_as_one(
    database: duckdb.DuckDBPyConnection,
) -> None:
    latest = FILES_PER_PART
    record_table = RecordTable(SMALL)
    with Stage() as stage:
        for answer in range(latest, -1, -1):
            attributes = {"name": "late", "new": "x"} if answer == latest else {"name": "early"}
            records = [Record(str(number), attributes) for number in range(ROWS_PER_FILE)]
            positions = range(answer * ROWS_PER_FILE, (answer + 1) * ROWS_PER_FILE)
            stage.add(record_table.table(records), record_table.columns, positions)
        with transaction(database):
            merged = prepare_and_merge(database, SMALL, stage, "run")
        assert len(list(stage.parts())) == 2
    assert merged == MergeCounts(inserted=ROWS_PER_FILE, repeated=latest * ROWS_PER_FILE)
    assert set(table(database, "name, new")) == {("late", "x")}


@pytest.mark.only_files("a lake takes more memory, with which the merge is tried again")
@pytest.mark.ring(2)
@pytest.mark.parametrize(("threads", "width"), [(2, 1), (2, 6_000), (16, 1), (16, 1_000)])
def test_little_memory_is_enough_for_many_threads_and_wide_rows(
    tmp_path: Path, threads: int, width: int
) -> None:
    rows = 6_000
    path, config = str(lakes.database_at(tmp_path / "x.duckdb")), {"threads": threads}
    texts = [f"{number:08} " * (width // 9) for number in range(rows)]
    records = [Record(str(number), {"name": text}) for number, text in enumerate(texts)]
    record_table = RecordTable(SMALL)
    with Stage() as stage, connection(path, config, 0) as database:
        stage.add(record_table.table(records), record_table.columns, range(rows))
        with bounded_memory(database, rows, stage.size), transaction(database):
            assert prepare_and_merge(database, SMALL, stage, "run").inserted == rows


def test_rows_that_did_not_come_stay(database: duckdb.DuckDBPyConnection) -> None:
    sync(database, {"id": "1"}, {"id": "2"})
    assert sync(database, {"id": "2"}) == MergeCounts(unchanged=1)
    assert sync(database) == MergeCounts()


def test_of_two_answers_for_one_id_the_later_counts(database: duckdb.DuckDBPyConnection) -> None:
    merged = sync(
        database, {"id": "1", "name": "a"}, {"id": 1, "name": "b"}, {"id": "1", "name": "c"}
    )
    assert merged == MergeCounts(inserted=1, repeated=2)
    assert table(database) == [("1", "c")]


def test_a_volatile_value_is_no_change(database: duckdb.DuckDBPyConnection) -> None:
    sync(database, {"id": "1", "url": "old"}, {"id": "2", "url": 1})
    assert sync(database, {"id": "1", "url": "new"}, {"id": "2", "url": 2}).unchanged == 2
    assert table(database, "id, url") == [("1", "old"), ("2", None)]


def test_volatile_values_are_refreshed_on_demand(database: duckdb.DuckDBPyConnection) -> None:
    sync(database, {"id": "1", "url": "old"}, {"id": "2", "url": "same"}, run="first")
    merged = sync(
        database,
        {"id": "1", "url": "new"},
        {"id": "2", "url": "same"},
        run="second",
        refresh_volatile=True,
    )
    assert merged == MergeCounts(unchanged=2, refreshed=1)
    assert table(database, "id, url, _run_id") == [
        ("1", "new", "first"),
        ("2", "same", "first"),
    ]


def test_what_does_not_fit_is_refreshed_with_the_volatile_values(
    database: duckdb.DuckDBPyConnection,
) -> None:
    steps: list[tuple[dict[str, Any], tuple[str | None, str]]] = [
        ({"url": 5}, (None, '{"name":3,"url":5}')),
        ({"url": "new"}, ("new", '{"name":3}')),
        ({"url": 6}, (None, '{"name":3,"url":6}')),
    ]
    for step, (attributes, stored) in enumerate(steps):
        record = {"id": "1", "name": 3, **attributes}
        merged = sync(database, record, refresh_volatile=True)
        assert (merged.inserted, merged.refreshed) == ((1, 0) if step == 0 else (0, 1))
        assert table(database, "url, _unparsed") == [stored]


def test_one_more_volatile_attribute_changes_no_digest(
    database: duckdb.DuckDBPyConnection,
) -> None:
    kinds = {"id": Kind.KEY, "a": Kind.TEXT, UNPARSED: Kind.JSON}
    row = "SELECT 'x' AS id, NULL AS a, NULL AS _unparsed"
    digests = [
        database.execute(f"SELECT {digest(kinds, volatile)} FROM ({row})").fetchall()
        for volatile in (set(), {"a"}, {"a", "b"})
    ]
    assert digests[0] == digests[1] == digests[2]


def test_a_column_of_somebodys_own_is_left_alone(database: duckdb.DuckDBPyConnection) -> None:
    sync(database, {"id": "1", "name": "a"})
    database.execute("ALTER TABLE recruit.small ADD COLUMN mine INTEGER DEFAULT 7")
    sync(database, {"id": "1", "name": "a"})
    assert table(database, "id, mine") == [("1", 7)]


def test_an_attribute_that_meets_a_column_of_somebodys_own_is_a_sentence(
    database: duckdb.DuckDBPyConnection,
) -> None:
    sync(database, {"id": "1", "name": "a"})
    database.execute("ALTER TABLE recruit.small ADD COLUMN Mine INTEGER")
    with pytest.raises(DatabaseProblem, match=r"that somebody else added.* rename or drop it"):
        sync(database, {"id": "1", "mine": "x"})
    assert table(database) == [("1", "a")]


def test_a_column_that_the_catalogue_learned_later(database: duckdb.DuckDBPyConnection) -> None:
    database.execute("CREATE SCHEMA recruit")
    database.execute("CREATE TABLE recruit.small (id VARCHAR, _row_hash VARCHAR)")
    database.execute("ALTER TABLE recruit.small ADD COLUMN _loaded_at TIMESTAMPTZ")
    database.execute("ALTER TABLE recruit.small ADD COLUMN _run_id VARCHAR")
    database.execute("ALTER TABLE recruit.small ADD COLUMN _deleted_at TIMESTAMPTZ")
    database.execute("ALTER TABLE recruit.small ADD COLUMN _unparsed JSON")
    sync(database, {"id": "1", "name": "a"})
    assert database.execute(
        "SELECT comment FROM duckdb_columns() "
        "WHERE column_name = 'name' AND schema_name = 'recruit'"
    ).fetchall() == [("What it's called",)]


def test_a_new_attribute_becomes_a_column_and_changes_nobody_else(
    database: duckdb.DuckDBPyConnection,
) -> None:
    sync(database, {"id": "1"}, {"id": "2"})
    merged = sync(database, {"id": "1"}, {"id": "2", "size": 1.5})
    assert merged == MergeCounts(updated=1, unchanged=1)
    assert table(database, "id, size") == [("1", None), ("2", 1.5)]


def test_a_value_that_does_not_fit_is_stored_and_counts_as_change(
    database: duckdb.DuckDBPyConnection,
) -> None:
    sync(database, {"id": "1", "name": "a"})
    assert sync(database, {"id": "1", "name": 5}).updated == 1
    assert sync(database, {"id": "1", "name": 6}).updated == 1
    assert sync(database, {"id": "1", "name": 6}).unchanged == 1
    assert table(database, "id, name, _unparsed") == [("1", None, '{"name":6}')]


def test_lists_that_read_alike_differ(database: duckdb.DuckDBPyConnection) -> None:
    sync(database, {"id": "1", "tags": ["a, b"]})
    assert sync(database, {"id": "1", "tags": ["a", "b"]}).updated == 1
    assert sync(database, {"id": "1", "tags": []}).updated == 1
    assert sync(database, {"id": "1"}).updated == 1


def test_a_failure_leaves_the_table_as_it_was(database: duckdb.DuckDBPyConnection) -> None:
    sync(database, {"id": "1", "name": "a"})
    record_table = RecordTable(SMALL)
    with Stage() as stage:
        stage.add(
            record_table.table([Record(id="1", attributes={"new": 1})]), record_table.columns, [0]
        )
        stage.flush()
        Path(stage.files[0]).unlink()
        with pytest.raises(duckdb.Error), transaction(database):
            prepare_and_merge(database, SMALL, stage, "run")
    assert table(database) == [("1", "a")]
    assert "new" not in columns_of(database, SMALL)


def test_a_column_that_another_run_made_meanwhile(database: duckdb.DuckDBPyConnection) -> None:
    record_table = RecordTable(SMALL, columns_of(database, SMALL))
    with Stage() as stage:
        stage.add(
            record_table.table([Record(id="1", attributes={"new": 1})]), record_table.columns, [0]
        )
        sync(database, {"id": "2", "new": "text"})
        with (
            pytest.raises(DatabaseChanged, match=r"small\.new .* run it again") as raised,
            transaction(database),
        ):
            prepare_and_merge(database, SMALL, stage, "run")
    assert raised.value.retryable
    assert table(database, "id, new") == [("2", "text")]


def test_digests_stay_the_same_from_version_to_version(
    database: duckdb.DuckDBPyConnection,
) -> None:
    row = (
        "SELECT 'x' AS id, 1.5::DOUBLE AS number, true AS boolean, DATE '2025-01-02' AS day, "
        "TIMESTAMPTZ '2025-01-02 03:04:05+01' AS moment, ['a'] AS texts, 7::BIGINT AS integer"
    )
    kinds = {
        "id": Kind.KEY,
        "number": Kind.NUMBER,
        "boolean": Kind.BOOLEAN,
        "day": Kind.DATE,
        "moment": Kind.TIMESTAMP,
        "texts": Kind.TEXTS,
        "integer": Kind.INTEGER,
    }
    found = database.execute(f"SELECT {digest(kinds, set())} FROM ({row})").fetchall()
    assert found == [("a8f8fc8de2c29124256979266a4d4bf4",)]


IDS = st.sampled_from(["1", "2", "3", "4"])
RECORDS = st.fixed_dictionaries(
    {"id": IDS},
    optional={
        "name": st.sampled_from(["a", "b", "", 1]),
        "tags": st.lists(st.sampled_from(["a", "b"]), max_size=2),
        "url": st.text(max_size=2),
        "new": st.sampled_from(["x", 1, True, None, [1]]),
    },
)


@given(st.lists(st.lists(RECORDS, max_size=6), max_size=4))
def test_after_any_syncs_the_table_is_the_last_answer_for_each_id(
    syncs: list[list[dict[str, Any]]],
) -> None:
    expected: dict[str, str] = {}
    with lakes.connect(":memory:") as database:
        for number, records in enumerate(syncs):
            last = {record["id"]: record for record in records}
            merged = sync(database, *records, run=str(number))
            assert merged.inserted + merged.updated + merged.unchanged == len(last)
            assert merged.repeated == len(records) - len(last)
            assert merged.inserted == len(set(last) - set(expected))
            written = dict(table(database, "id, _run_id"))
            assert merged.inserted + merged.updated == list(written.values()).count(str(number))
            for key, record in last.items():
                counts = {k: v for k, v in record.items() if k != "url" and v is not None}
                changed = expected.get(key) != as_json(counts)
                assert (written[key] == str(number)) == changed
                expected[key] = as_json(counts)
            assert [key for (key,) in table(database, "id")] == sorted(expected)
            assert len(table(database)) == len(expected)


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from(THINGS.attributes), JSON_VALUES, max_size=3)),
        min_size=1,
        max_size=3,
    ),
    st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=2),
)
def test_nothing_that_came_is_lost_on_the_way_to_the_table(
    known: list[tuple[dict[Attribute, Any]]], unknown: dict[str, Any]
) -> None:
    records = [
        {**unknown, **{each.name: value for each, value in values.items()}, "id": str(number)}
        for number, (values,) in enumerate(known)
    ]
    with lakes.connect(":memory:") as database:
        database.execute("SET TimeZone = 'UTC'")
        sync(database, *records, endpoint=THINGS)
        columns = columns_of(database, THINGS)
        record_table = RecordTable(THINGS, columns)
        for record in records:
            attributes = {k: v for k, v in record.items() if k != "id"}
            (row,) = rows(record_table, Record(id=record["id"], attributes=attributes))
            (stored,) = (
                database.sql("SELECT * FROM recruit.things WHERE id = ?", params=[record["id"]])
                .to_arrow_table()
                .to_pylist()
            )
            for column in [*columns, UNPARSED]:
                assert as_json(stored[column]) == as_json(row.get(column))
