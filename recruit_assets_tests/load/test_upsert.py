"""The specification of merging the rows of any asset, edge cases first, on real DuckDB."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recruit_assets.errors import BadRows, BadSetting, DatabaseProblem
from recruit_assets.load.connection import connection
from recruit_assets.load.merge import MergeCounts
from recruit_assets.load.rows import DICTIONARIES_AT_ONCE
from recruit_assets.load.schema import BOOKKEEPING
from recruit_assets.load.upsert import Target, UpsertResult, upsert_rows
from recruit_assets_tests import lakes
from recruit_assets_tests.rings import FULL, sized

Opened = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
THINGS = Target("mine", "things", "acme/things")
LAST = Target("mine", "things", "acme/things", on_duplicate="last")

pytestmark = pytest.mark.ring(2)


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with lakes.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def upsert(
    database: duckdb.DuckDBPyConnection, rows: object, target: Target = THINGS, run: str = "run"
) -> UpsertResult:
    return upsert_rows(partial(lakes.cursor, database), target, rows, run)


def table(database: duckdb.DuckDBPyConnection, columns: str = "id, a") -> list[tuple[Any, ...]]:
    return database.execute(f"SELECT {columns} FROM mine.things ORDER BY 1").fetchall()


def tables(database: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return database.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()


def test_only_what_differs_is_written(database: duckdb.DuckDBPyConnection) -> None:
    first = upsert(database, [{"id": 1, "a": "x"}, {"id": 2}, {"id": 3, "a": "z"}], run="first")
    assert first == UpsertResult(
        MergeCounts(inserted=3), 3, columns={"id": "BIGINT", "a": "VARCHAR"}
    )
    second = upsert(database, [{"id": 3, "a": None}, {"id": 2}, {"id": 4, "a": ""}], run="second")
    assert second.merged == MergeCounts(inserted=1, updated=1, unchanged=1)
    assert second.current_rows == 4
    assert table(database, "id, a, _run_id") == [
        (1, "x", "first"),
        (2, None, "first"),
        (3, None, "second"),
        (4, "", "second"),
    ]


BATCH = pa.record_batch({"id": [1, 2], "a": ["x", "y"]})
ROWS = BATCH.to_pylist()


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(lambda: ROWS, id="list"),
        pytest.param(lambda: tuple(ROWS), id="tuple"),
        pytest.param(lambda: (row for row in ROWS), id="generator"),
        pytest.param(lambda: BATCH, id="batch"),
        pytest.param(lambda: pa.table(BATCH), id="table"),
        pytest.param(lambda: pa.table(BATCH).to_reader(), id="reader"),
        pytest.param(lambda: [BATCH[:1], pa.table(BATCH[1:])], id="batches"),
        pytest.param(lambda: [BATCH[:1], *ROWS[1:]], id="batch and dictionary"),
        pytest.param(lambda: pl.DataFrame(ROWS), id="polars"),
        pytest.param(lambda: duckdb.from_arrow(pa.table(BATCH)), id="relation"),
    ],
)
def test_rows_of_every_source(
    database: duckdb.DuckDBPyConnection, rows: Callable[[], object]
) -> None:
    assert upsert(database, rows()).merged == MergeCounts(inserted=2)
    assert upsert(database, rows()).merged == MergeCounts(unchanged=2)
    assert table(database) == [(1, "x"), (2, "y")]


@pytest.mark.parametrize(
    "rows",
    [None, [], (), pa.table({}), pa.table({"a": pa.array([], "int64")}), pa.table({"id": []})],
    ids=repr,
)
def test_nothing_creates_nothing(database: duckdb.DuckDBPyConnection, rows: object) -> None:
    assert upsert(database, rows) == UpsertResult()
    assert not tables(database)


def test_an_empty_table_with_the_key_is_created_and_then_changes_nothing(
    database: duckdb.DuckDBPyConnection,
) -> None:
    empty = pa.table({"id": pa.array([], "int64"), "a": pa.array([], "string")})
    created = upsert(database, empty)
    assert created == UpsertResult(MergeCounts(), 0, columns={"id": "BIGINT", "a": "VARCHAR"})
    upsert(database, [{"id": 1, "a": "x"}])
    wider = empty.append_column("b", pa.array([], "int64"))
    assert upsert(database, wider) == UpsertResult(MergeCounts(), 1, columns=created.columns)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("text", "^mine.things: An object of type str has no rows to merge: return an Arrow table"),
        ([{"id": 1}, {"a": 1}, {"id": None}], r"2 of 3 rows have no id: row 2, row 3\. Nothing"),
        ([{"a": 1}] * 5, "None of 5 rows has a value in the key id. The columns are a"),
        ([{"id": 1}, *[{}] * 4], r"4 of 5 rows have no id: row 2, row 3, row 4, …\. Nothing"),
        (
            [{"id": key} for key in [9, 7, 9, 7, 8, 8, 6, 6, 6]],
            r"5 of 9 rows have the same id as a later one: 9, 7, 8, …\. Set on_duplicate to",
        ),
        (
            [{"id": 1}, {"id": "x"}],
            "The key id is of type JSON, or holds values of",
        ),
        ([{"id": [1]}], "The key id is of type JSON"),
        (pa.table({"id": [[1]]}), r"The key id is of type BIGINT\[\]"),
        ([{"id": 1, "A": 1, "a": 2}], "The column A occurs as a too"),
        (pa.table([[1], [2]], ["id", "id"]), "The column id occurs twice"),
        ([{"id": 1, "_Run_Id": 1}], "A column is called _Run_Id, but names that begin with"),
        ([{"id": 1, "_unparsed_2": 1}], "A column is called _unparsed_2, but names that begin"),
        ([{"id": 1, " ": 1}], "A column is called ' ': give it a name"),
        ([{"id": 1, 5: 1}], "A column is called 5, a int: use texts as column names"),
        (
            [{"id": 1, "a": object()}],
            "The column a holds a object, which cannot be stored in a table",
        ),
        (pa.table({"id": [1], "a": pa.array([1], pa.duration("us"))}), r"a is a duration\[us\]"),
        (
            pa.table({"id": [1], "a": pa.array([1001], pa.timestamp("ns", "UTC"))}),
            r"a is a timestamp\[ns, tz=UTC\], which a table cannot hold exactly",
        ),
    ],
)
def test_what_is_refused_is_a_sentence_and_writes_nothing(
    database: duckdb.DuckDBPyConnection, rows: object, message: str
) -> None:
    with pytest.raises(BadRows, match=message):
        upsert(database, rows)
    assert not tables(database)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "x"}, {"id": "2"}], "1 of 2 rows has a value in id that is not of type BIGINT: x"),
        ([{"id": 1.5}], "1 of 1 rows has a value in id that is not of type BIGINT: 1.5"),
        ([{"id": 1, "b": 2}, {"id": "1", "a": "changed"}], "is not of type BIGINT"),
        ([{"id": 2, "a": "changed"}, {"id": 2.0}], "same id as a later one: 2"),
    ],
)
def test_a_key_that_does_not_fit_the_table_leaves_it_as_it_was(
    database: duckdb.DuckDBPyConnection, rows: object, message: str
) -> None:
    upsert(database, [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}])
    before = table(database, "*")
    with pytest.raises(BadRows, match=message):
        upsert(database, rows)
    assert table(database, "*") == before


def test_of_rows_with_one_key_the_last_counts_on_demand(
    database: duckdb.DuckDBPyConnection,
) -> None:
    rows = [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}, {"id": 1, "a": [1]}, {"id": 1, "a": "z"}]
    merged = upsert(database, rows, LAST).merged
    assert merged == MergeCounts(inserted=2, repeated=2)
    assert table(database, "id, a->>'$'") == [(1, "z"), (2, "y")]


def test_new_columns_are_added_and_others_left_alone(database: duckdb.DuckDBPyConnection) -> None:
    upsert(database, [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}])
    upsert(database, [{"id": 1, "b": 1.5}, {"id": 3, "b": None}])
    assert table(database, "id, a, b") == [(1, "x", 1.5), (2, "y", None), (3, None, None)]
    assert upsert(database, [{"id": 1, "b": 1.5}]).merged == MergeCounts(unchanged=1)
    assert upsert(database, [{"id": 1}, {"id": 2}]).merged == MergeCounts(unchanged=2)
    assert upsert(database, [{"id": 2, "b": 2.5}]).merged == MergeCounts(updated=1)
    many = {f"New {number}": number for number in range(30)}
    assert upsert(database, [{"id": 3, **many}]).merged == MergeCounts(updated=1)
    columns = 'id, a, b, "New 29"'
    assert table(database, columns) == [
        (1, "x", 1.5, None),
        (2, "y", 2.5, None),
        (3, None, None, 29),
    ]


def test_a_misfit_of_a_column_that_was_not_delivered_is_kept(
    database: duckdb.DuckDBPyConnection,
) -> None:
    upsert(database, [{"id": 1, "a": "x", "b": 1}])
    unparsed = upsert(database, [{"id": 1, "a": 1.5, "b": "two"}]).unparsed
    assert unparsed == {"b": 1}
    assert table(database, "a, b, _unparsed") == [("1.5", None, '{"b":"two"}')]
    assert upsert(database, [{"id": 1, "a": [1]}]).unparsed == {"a": 1}
    assert table(database, "a, b, _unparsed") == [(None, None, '{"a":[1],"b":"two"}')]
    assert upsert(database, [{"id": 1, "a": [1]}]).merged == MergeCounts(unchanged=1)
    assert upsert(database, [{"id": 1, "b": 5}]).unparsed == {}
    assert table(database, "a, b, _unparsed") == [(None, 5, '{"a":[1]}')]
    upsert(database, [{"id": 1, "a": None}])
    assert table(database, "a, b, _unparsed") == [(None, 5, None)]


def test_a_column_of_nulls_has_no_type_yet(database: duckdb.DuckDBPyConnection) -> None:
    upsert(database, pa.table({"id": [1], "a": pa.nulls(1)}))
    assert table(database, "*")[0][0] == 1
    assert upsert(database, [{"id": 1, "a": None}]).columns == {"id": "BIGINT"}
    upsert(database, [pa.table({"id": [1], "a": pa.nulls(1)}), pa.table({"id": [2], "a": [b"b"]})])
    assert table(database) == [(1, None), (2, b"b")]
    assert upsert(database, pa.table({"id": [2], "a": pa.nulls(1)})).merged.updated == 1
    assert table(database) == [(1, None), (2, None)]


def test_names_and_keys_are_compared_without_case(database: duckdb.DuckDBPyConnection) -> None:
    upsert(database, [{"ID": 1, 'Näme, "x"': "x"}], Target("Mine", "Things", "acme/things", "Id"))
    upsert(database, [{"id": 1, 'näme, "X"': "y"}])
    assert table(database, "*")[0][:2] == (1, "y")
    assert upsert(database, [{"id": 1}]).columns == {"ID": "BIGINT", 'Näme, "x"': "VARCHAR"}


@pytest.mark.parametrize("key", ["present", "deleted", "misfit", "latest", "select", 'a"b', "t"])
def test_a_key_may_have_any_name(database: duckdb.DuckDBPyConnection, key: str) -> None:
    target = Target("mine", "things", "acme/things", key)
    upsert(database, [{key: "1", "id": 1, "a": 1}, {key: "2", "id": 1, "a": 1}], target)
    merged = upsert(database, [{key: "2", "id": 1}, {key: "1", "id": 2}], target).merged
    assert merged == MergeCounts(updated=1, unchanged=1)
    assert table(database, f'"{key.replace(chr(34), chr(34) * 2)}", id, a') == [
        ("1", 2, 1),
        ("2", 1, 1),
    ]


def test_a_deleted_row_that_is_delivered_again_is_undeleted(
    database: duckdb.DuckDBPyConnection,
) -> None:
    upsert(database, [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}])
    database.execute("UPDATE mine.things SET _deleted_at = now()")
    result = upsert(database, [{"id": 1, "a": "x"}])
    assert (result.merged, result.current_rows) == (MergeCounts(undeleted=1), 1)
    assert table(database, "id, _deleted_at IS NULL") == [(1, True), (2, False)]


def test_bookkeeping_that_was_dropped_comes_back(database: duckdb.DuckDBPyConnection) -> None:
    upsert(database, [{"id": 1, "Name": "x"}])
    for name in BOOKKEEPING:
        database.execute(f"ALTER TABLE mine.things DROP COLUMN {name}")
    assert upsert(database, [{"id": 1, "Name": "x"}]).merged == MergeCounts(updated=1)
    assert upsert(database, [{"id": 1, "Name": "x"}]).merged == MergeCounts(unchanged=1)


def test_a_column_of_somebodys_own_keeps_its_values(database: duckdb.DuckDBPyConnection) -> None:
    upsert(database, [{"id": 1, "a": "x"}])
    database.execute("ALTER TABLE mine.things ADD COLUMN mine INTEGER DEFAULT 7")
    upsert(database, [{"id": 1, "a": "y"}])
    assert table(database, "id, a, mine") == [(1, "y", 7)]


@pytest.mark.parametrize("made", ["TABLE {} (id BIGINT)", "VIEW {} AS SELECT 1 AS id"])
def test_a_table_that_is_not_ours_is_refused(
    database: duckdb.DuckDBPyConnection, made: str
) -> None:
    database.execute("CREATE SCHEMA mine")
    database.execute("CREATE " + made.format("mine.things"))
    with pytest.raises(DatabaseProblem, match=r"mine\.things is (not the table of|a view)"):
        upsert(database, [{"id": 1}])


def test_a_table_of_another_asset_is_refused_until_it_is_given(
    database: duckdb.DuckDBPyConnection,
) -> None:
    upsert(database, [{"id": 1}])
    other = Target("mine", "things", "other/things")
    with pytest.raises(DatabaseProblem, match=r"asset other/things .* choose another") as raised:
        upsert(database, [{"id": 2}], other)
    assert table(database, "id") == [(1,)]
    (comment,) = re.findall(r'set its comment to "(.*)"', str(raised.value))
    database.execute(f"COMMENT ON TABLE mine.things IS '{comment}'")
    assert upsert(database, [{"id": 2}], other).current_rows == 2


def test_a_table_that_lost_its_key_is_a_sentence(database: duckdb.DuckDBPyConnection) -> None:
    upsert(database, [{"id": 1}])
    database.execute("ALTER TABLE mine.things RENAME id TO number")
    with pytest.raises(DatabaseProblem, match="has no column id, by which its rows are merged"):
        upsert(database, [{"id": 1}])


@pytest.mark.parametrize(
    "changed",
    [{"on_duplicate": "first"}, {"key": " "}, {"key": "_run_id"}, {"schema": "Recruit_Meta"}],
)
def test_a_target_that_cannot_be_used_is_a_sentence(changed: dict[str, Any]) -> None:
    with pytest.raises(BadSetting):
        Target(**{"schema": "mine", "table": "things", "owner": "things", **changed})


EDGES: dict[str, pa.Array] = {
    "BOOLEAN": pa.array([True, False]),
    "TINYINT": pa.array([-128, 127], pa.int8()),
    "SMALLINT": pa.array([-(2**15), 2**15 - 1], pa.int16()),
    "INTEGER": pa.array([-(2**31), 2**31 - 1], pa.int32()),
    "BIGINT": pa.array([-(2**63), 2**63 - 1], pa.int64()),
    "UTINYINT": pa.array([0, 255], pa.uint8()),
    "UBIGINT": pa.array([0, 2**64 - 1], pa.uint64()),
    "FLOAT": pa.array([-0.0, 3.4028234663852886e38, float("-inf")], pa.float32()),
    "DOUBLE": pa.array([5e-324, 1.7976931348623157e308, float("inf")], pa.float64()),
    "DECIMAL(38,10)": pa.array(
        [Decimal("0." + "0" * 9 + "1"), -Decimal(10**28 - 1)], pa.decimal128(38, 10)
    ),
    "VARCHAR": pa.array(["", " \0\n", "\U0001f600", "x" * 100_000, "NULL", '"']),
    "VARCHAR ": pa.array(["a", "b", "a"]).dictionary_encode(),
    "BLOB": pa.array([b"", b"\x00\xff", b"x" * 100_000]),
    "BLOB ": pa.array([b"ab", b"\x00\xff"], pa.binary(2)),
    "DATE": pa.array([date.min, date.max, date(1970, 1, 1)]),
    "TIME": pa.array([time.min, time.max], pa.time64("us")),
    "TIMESTAMP": pa.array([datetime.min, datetime.max], pa.timestamp("us")),
    "TIMESTAMP_NS": pa.array([-1, 2**62], pa.timestamp("ns")),
    "TIMESTAMP WITH TIME ZONE": pa.array(
        [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)],
        pa.timestamp("us", "Europe/Berlin"),
    ),
    "BIGINT[]": pa.array([[], [None], [1, 2]]),
    "BIGINT[] ": pa.array([[1, 2], [3, None]], pa.list_(pa.int64(), 2)),
    "VARCHAR[]": pa.array([["a, b"], ["a", "b"], [None], ["NULL"], [""], []]),
    "VARCHAR[] ": pa.array([[], []], pa.list_(pa.null())),
    "STRUCT(a BIGINT, b STRUCT(c VARCHAR[]))": pa.array(
        [{"a": None, "b": {"c": ["x"]}}, {"a": 1, "b": None}],
        pa.struct({"a": pa.int64(), "b": pa.struct({"c": pa.list_(pa.string())})}),
    ),
    "MAP(VARCHAR, BIGINT)": pa.array([[], [("a", 1), ("b", None)]], pa.map_("string", "int64")),
    "JSON": pa.array(["{}", "null", "[1]", '{"a": 1}']),
}


LONGEST = max(map(len, EDGES.values()))


def edges(types: Iterable[str], names: Iterable[str]) -> pa.Table:
    """Edge values as columns of one table; short columns, and all at their end, are null."""
    columns, fields = [pa.array(range(LONGEST + 1))], [pa.field("id", "int64")]
    for sql_type, name in zip(types, names, strict=True):
        values = EDGES[sql_type]
        nulls = pa.nulls(LONGEST + 1 - len(values), values.type)
        columns.append(pa.chunked_array([values, nulls]))
        metadata = {"ARROW:extension:name": "arrow.json"} if sql_type == "JSON" else None
        fields.append(pa.field(name, values.type, metadata=metadata))
    return pa.table(columns, schema=pa.schema(fields))


def values(column: pa.ChunkedArray) -> list[Any]:
    """Python's values; times as numbers, because Arrow's are finer and wider than Python's."""
    is_time = pa.types.is_timestamp(column.type)
    return list((column.cast(pa.int64()) if is_time else column).to_pylist())


def test_every_arrow_type_is_stored_as_duckdbs_own_and_exactly(
    database: duckdb.DuckDBPyConnection,
) -> None:
    names = [f"c{number}" for number in range(len(EDGES))]
    rows = edges(EDGES, names)
    result = upsert(database, rows)
    assert list(result.columns.values())[1:] == [each.strip() for each in EDGES]
    assert upsert(database, rows).merged == MergeCounts(unchanged=LONGEST + 1)
    found = database.sql("SELECT * FROM mine.things ORDER BY id").to_arrow_table()
    for name, sql_type in zip(names, EDGES, strict=True):
        assert values(found[name]) == values(rows[name]), sql_type


@pytest.mark.parametrize("sql_type", [pytest.param(each, marks=FULL) for each in EDGES])
def test_a_row_is_changed_if_and_only_if_a_value_is(
    database: duckdb.DuckDBPyConnection, sql_type: str
) -> None:
    rows = edges([sql_type], ["a"])
    upsert(database, rows)
    turned = pa.table([rows["id"][1:], rows["a"][:-1]], schema=rows.schema)
    pairs = zip(values(rows["a"])[1:], values(turned["a"]), strict=True)
    assert upsert(database, turned).merged.updated == sum(old != new for old, new in pairs)


IN_RING_2 = ("VARCHAR", "JSON")


@pytest.mark.parametrize(
    "old", [pytest.param(each, marks=[FULL] * (each not in IN_RING_2)) for each in EDGES]
)
def test_no_value_of_another_type_is_lost(database: duckdb.DuckDBPyConnection, old: str) -> None:
    names = [f"c{number}" for number in range(len(EDGES))]
    upsert(database, edges([old] * len(EDGES), names))
    rows = edges(EDGES, names)
    result = upsert(database, rows)
    assert set(list(result.columns.values())[1:]) == {old.strip()}
    assert upsert(database, rows).merged == MergeCounts(unchanged=LONGEST + 1)
    for name, sql_type in zip(names, EDGES, strict=True):
        found = table(database, f"id, {name} IS NOT NULL, (_unparsed->'{name}') IS NOT NULL")
        for (_, is_stored, is_kept), value in zip(found, values(rows[name]), strict=True):
            assert is_stored + is_kept == (value is not None), (sql_type, value)
        assert result.unparsed.get(name, 0) == sum(is_kept for *_, is_kept in found)


def test_the_values_of_dictionaries(database: duckdb.DuckDBPyConnection) -> None:
    moment = datetime(2025, 1, 2, 3, 4, 5, 6)
    cases: dict[str, tuple[list[Any], str, list[Any]]] = {
        "bool": ([True, None], "BOOLEAN", [True, None]),
        "int": ([1, 2**63 - 1], "BIGINT", [1, 2**63 - 1]),
        "large": ([1, 2**63], "JSON", ["1", "9223372036854775808"]),
        "float": ([1, 1.5], "DOUBLE", [1.0, 1.5]),
        "inexact": ([2**53 + 1, 1.5], "JSON", ["9007199254740993", "1.5"]),
        "text": (["", "x"], "VARCHAR", ["", "x"]),
        "surrogate": (["\ud800", "x"], "JSON", [r'"\"\\ud800\""', '"x"']),
        "bytes": ([b"\xff", b""], "BLOB", [b"\xff", b""]),
        "mixed": ([1, "1"], "JSON", ["1", '"1"']),
        "flag": ([True, 1], "JSON", ["true", "1"]),
        "list": ([[1], []], "JSON", ["[1]", "[]"]),
        "dict": ([{"b": {}, "a": (1,)}, {}], "JSON", ['{"a": [1], "b": {}}', "{}"]),
        "day": ([date.max, None], "DATE", [date.max, None]),
        "time": ([time(1), None], "TIME", [time(1), None]),
        "naive": ([moment, None], "TIMESTAMP", [moment, None]),
        "aware": (
            [moment.replace(tzinfo=UTC), None],
            "TIMESTAMP WITH TIME ZONE",
            [moment.replace(tzinfo=UTC), None],
        ),
        "both": (
            [moment.replace(tzinfo=UTC), moment],
            "JSON",
            ['"2025-01-02 03:04:05.000006+00:00"', '"2025-01-02 03:04:05.000006"'],
        ),
        "decimal": (
            [Decimal("1.5"), Decimal(10**20)],
            "DECIMAL(38,10)",
            [Decimal("1.5"), Decimal(10**20)],
        ),
        "endless": ([Decimal("1e50"), Decimal("NaN")], "JSON", ['"1E+50"', '"NaN"']),
        "uuid": ([UUID(int=1), None], "VARCHAR", [str(UUID(int=1)), None]),
    }
    rows = [
        {"id": row, **{name: values[row] for name, (values, *_) in cases.items()}}
        for row in range(2)
    ]
    result = upsert(database, rows)
    found = database.sql("SELECT * FROM mine.things ORDER BY id").to_arrow_table()
    for name, (_, sql_type, stored) in cases.items():
        assert result.columns[name] == sql_type, name
        assert found[name].to_pylist() == stored, name
    assert upsert(database, rows).merged == MergeCounts(unchanged=2)


def test_a_text_that_is_no_json_is_kept_as_a_text(database: duckdb.DuckDBPyConnection) -> None:
    field = pa.field("a", "string", metadata={"ARROW:extension:name": "arrow.json"})
    schema = pa.schema([pa.field("id", "int64"), field])
    upsert(database, pa.table([[1, 2], ["{bad", "{}"]], schema=schema))
    assert table(database) == [(1, '"{bad"'), (2, "{}")]


def test_a_failure_of_the_source_writes_nothing(database: duckdb.DuckDBPyConnection) -> None:
    def rows() -> Iterator[dict[str, int]]:
        yield from ({"id": number} for number in range(DICTIONARIES_AT_ONCE * 2))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        upsert(database, rows())
    assert not tables(database)


@FULL
def test_a_wide_row_is_merged_again_with_more_memory(tmp_path: Path) -> None:
    opened: Opened = partial(connection, str(lakes.database_at(tmp_path / "x.duckdb")), {}, 0)
    wide = {f"c{number}": number for number in range(1_500)}
    assert upsert_rows(opened, THINGS, [{"id": 1, **wide}], "run").merged.inserted == 1


def test_the_database_is_closed_while_rows_are_read(tmp_path: Path) -> None:
    opened: Opened = partial(connection, str(lakes.database_at(tmp_path / "x.duckdb")), {}, 0)
    upsert_rows(opened, THINGS, [{"id": 1}], "first")

    def rows() -> Iterator[dict[str, int]]:
        with lakes.connect(lakes.database_at(tmp_path / "x.duckdb"), read_only=True) as database:
            yield from ({"id": key + 1} for key, *_ in database.sql("FROM mine.things").fetchall())

    assert upsert_rows(opened, THINGS, rows(), "second").current_rows == 2


def test_rows_that_fill_several_files_and_change_their_types(
    database: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recruit_assets.load.row_stage.ROWS_PER_FILE", 10)

    def batches() -> Iterator[pa.Table]:
        for number in range(6):
            keys = range(number * 25, number * 25 + 25)
            values = list(keys) if number % 2 else list(map(str, keys))
            yield pa.table({"id": keys, "a": values, f"b{number // 4}": values})

    result = upsert(database, batches())
    assert result.merged == MergeCounts(inserted=150)
    assert result.columns == {"id": "BIGINT", "a": "VARCHAR", "b0": "VARCHAR", "b1": "VARCHAR"}
    late = [str(key) if key >= 100 else None for key in range(150)]
    assert table(database, "id, a, b1, _unparsed") == [
        (key, str(key), late[key], None) for key in range(150)
    ]
    assert upsert(database, batches()).merged == MergeCounts(unchanged=150)


PEAK = """
import re, sys
from functools import partial
from pathlib import Path
import pyarrow as pa
from recruit_assets.load.connection import connection
from recruit_assets.load.upsert import Target, upsert_rows

path, rows = sys.argv[1], int(sys.argv[2])
schema = pa.schema({"id": "int64", "name": "string", "score": "float64"})

def batches():
    for first in range(0, rows, 50_000):
        keys = range(first, min(first + 50_000, rows))
        columns = [keys, [f"number {key}" for key in keys], [key / 2 for key in keys]]
        yield pa.record_batch([pa.array(each) for each in columns], schema=schema)

for _ in range(2):
    reader = pa.RecordBatchReader.from_batches(schema, batches())
    opened = partial(connection, path, {}, wait_seconds=0)
    result = upsert_rows(opened, Target("mine", "things", "things"), reader, "run")
    print(result.merged.inserted, result.merged.unchanged, result.current_rows)
# The peak of this program; that of getrusage is at least the parent's at the fork.
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(int(peak[1]) // 1024)
"""


def peak_of(path: Path, rows: int) -> int:
    command = [sys.executable, "-c", PEAK, str(path), str(rows)]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    first, second, peak = run.stdout.splitlines()
    assert (first, second) == (f"{rows} 0 {rows}", f"0 {rows} {rows}")
    return int(peak)


@pytest.mark.ring(3)
def test_five_million_rows_of_a_reader_take_little_memory(tmp_path: Path) -> None:
    few = peak_of(tmp_path / "few.duckdb", 500_000)
    many = peak_of(tmp_path / "many.duckdb", 5_000_000)
    assert many - few < 300, f"{few} MB for half a million rows, {many} MB for five"


# The plain model: what a value becomes in a column of each type. MISFIT is a value that is kept.
MISFIT = object()
VALUES = st.sampled_from(
    [None, True, False, 0, 1, 2, 0.0, 1.0, 1.5, "", "a", "1", "1.5", "true", [1]]
)
COLUMNS = ("a", "B", "ç d")
ROW = st.fixed_dictionaries(
    {"id": st.sampled_from([1, 2, 3, 4])}, optional=dict.fromkeys(COLUMNS, VALUES)
)
DELIVERY = st.lists(ROW, max_size=5)


def type_of(values: list[Any]) -> str | None:
    types = {type(value) for value in values if value is not None}
    if types == {int, float}:
        return "DOUBLE"
    names = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "VARCHAR", list: "JSON"}
    return (names[types.pop()] if len(types) == 1 else "JSON") if types else None


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if value == int(value) else str(value)


def stored(value: Any, old: str, new: str) -> Any:
    """What a value of a delivery becomes in a column of the table."""
    if value is None:
        return None
    if new in ("JSON", old):
        return value
    if old == "JSON":  # it is taken for what it is, and only that
        fits: dict[str, list[type]] = {
            "BOOLEAN": [bool],
            "BIGINT": [int],
            "DOUBLE": [int, float],
            "VARCHAR": [str],
        }
        same = type(value) in fits[new]
        value = float(value) if same and new == "DOUBLE" else value
        return value if same else MISFIT
    if new == "VARCHAR":
        return as_text(value)
    if old == "VARCHAR":
        texts: dict[str, dict[str, Any]] = {
            "BIGINT": {"1": 1},
            "DOUBLE": {"1.5": 1.5},
            "BOOLEAN": {"true": True},
        }
        return texts[new].get(value, MISFIT)
    converted = {"BIGINT": int, "DOUBLE": float, "BOOLEAN": bool}[new](value)
    return converted if float(converted) == float(value) else MISFIT


@settings(max_examples=sized(5, 8, 150))
@given(st.lists(DELIVERY, max_size=4))
def test_after_any_deliveries_the_table_equals_the_model(
    deliveries: list[list[dict[str, Any]]],
) -> None:
    types: dict[str, str] = {}
    model: dict[int, dict[str, Any]] = {}
    kept: dict[int, dict[str, Any]] = {}
    with lakes.connect(":memory:") as database:
        for number, rows in enumerate(deliveries):
            last = {row["id"]: row for row in rows}
            before = json.dumps([model, kept], sort_keys=True), {**model}
            written = set()
            for name in dict.fromkeys(name for row in rows for name in row if name != "id"):
                old = type_of([row.get(name) for row in rows])
                new = types.get(name, old)
                if new is None:
                    continue
                types[name] = new
                for key, row in last.items():
                    given = row.get(name)
                    # Whole numbers and fractions that are delivered together are fractions.
                    given = float(given) if old == "DOUBLE" and given is not None else given
                    value = stored(given, old or new, new)
                    fits = value is not MISFIT
                    there = (model.get(key, {}).get(name), kept.get(key, {}).get(name))
                    now = (value, None) if fits else (None, given)
                    if repr(there) != repr(now):
                        written.add(key)
                    model.setdefault(key, {})[name], misfit = now
                    kept.setdefault(key, {})[name] = misfit
            new_keys = last.keys() - before[1].keys()
            for key in last:
                model.setdefault(key, {})
            merged = upsert(database, rows, LAST, str(number)).merged
            assert merged == MergeCounts(
                inserted=len(new_keys),
                updated=len(written - new_keys),
                unchanged=len(last.keys() - written - new_keys),
                repeated=len(rows) - len(last),
            )
            assert upsert(database, rows, LAST, "again").merged == MergeCounts(
                unchanged=len(last), repeated=len(rows) - len(last)
            )
        if not model:
            assert not tables(database)
            return
        found = database.sql("SELECT * FROM mine.things ORDER BY id").to_arrow_table().to_pylist()
        assert [row["id"] for row in found] == sorted(model)
        for row in found:
            key = row["id"]
            for name, sql_type in types.items():
                value = row[name]
                value = json.loads(value) if sql_type == "JSON" and value is not None else value
                assert repr(value) == repr(model[key].get(name)), name
            misfits = {
                name: value for name, value in kept.get(key, {}).items() if value is not None
            }
            assert (json.loads(row["_unparsed"]) if row["_unparsed"] else {}) == misfits
