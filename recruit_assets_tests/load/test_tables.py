"""Tables that something else has changed, or an older version made: each is made right again."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recruit_assets.catalogue import UNPARSED, Attribute, DeletionPolicy, Endpoint, Kind
from recruit_assets.errors import DatabaseProblem
from recruit_assets.extract.arrow import as_json
from recruit_assets.extract.jsonapi import Record
from recruit_assets.extract.records import RecordTable
from recruit_assets.load.connection import transaction
from recruit_assets.load.endpoint_table import is_damaged
from recruit_assets.load.history import HISTORY, SPAN, write_history
from recruit_assets.load.merge import MergeCounts
from recruit_assets.load.schema import BOOKKEEPING, columns_of, is_table
from recruit_assets.load.stage import Stage
from recruit_assets.load.state import recall, remember
from recruit_assets.load.sweep import count_current, sweep
from recruit_assets.load.syncs import SYNCS
from recruit_assets_tests import lakes
from recruit_assets_tests.load.merging import prepare_and_merge
from recruit_assets_tests.rings import FULL, sized

KINDS = {kind: kind.value for kind in Kind}
WIDE = Endpoint(
    "wide",
    group="tests",
    description="It has a column of each kind.",
    attributes=tuple(Attribute(name, f"A {name}", kind) for kind, name in KINDS.items()),
    history=("text", "integer"),
)
VALUES: dict[Kind, Any] = {
    Kind.TEXT: "12",
    Kind.KEY: "7",
    Kind.INTEGER: 52_000,
    Kind.NUMBER: 1.5,
    Kind.BOOLEAN: True,
    Kind.TIMESTAMP: "2025-01-02T03:04:05.678+01:00",
    Kind.DATE: "2025-01-02",
    Kind.TEXTS: ["a, b", "c"],
    Kind.KEYS: ["1", "2"],
    Kind.JSON: {"a": [1, None], "b": {"c": None}},
}
OF_EACH_KIND = {name: VALUES[kind] for kind, name in KINDS.items()}
RECORDS = [
    {"id": "1", **OF_EACH_KIND},
    {"id": "2"},
    {"id": "3", **OF_EACH_KIND, "text": 5, "number": "x", "new": "n"},
    {"id": "4", "text": "z", "new": "m"},
]
OTHER_TYPES = (
    *dict.fromkeys(kind.sql for kind in Kind),
    *("INTEGER", "DECIMAL(18,3)", "TIMESTAMP", "BIGINT[]", "STRUCT(a INTEGER)"),
)
MORE_TYPES = (
    *("HUGEINT", "FLOAT", "TIME", "BLOB", "UUID", "INTERVAL", "BIT"),
    *("VARCHAR[3]", "MAP(VARCHAR, VARCHAR)"),
)


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with lakes.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def sync(
    database: duckdb.DuckDBPyConnection,
    records: list[dict[str, Any]],
    run: str,
    gone: tuple[str, ...] = (),
    *,
    keep: bool = True,
) -> MergeCounts:
    """Do what a sync of the whole list does with the database, in its order."""
    known = {column.name: column.kind for column in WIDE.columns()}
    record_table = RecordTable(WIDE, columns_of(database, WIDE) | known)
    found = [Record(each["id"], {k: v for k, v in each.items() if k != "id"}) for each in records]
    with Stage() as stage:
        stage.add(record_table.table(found), record_table.columns, range(len(found)))
        with transaction(database, keep=keep):
            merged = prepare_and_merge(database, WIDE, stage, run)
            columns = columns_of(database, WIDE)
            sweep(database, WIDE, gone, run, deletion_policy=DeletionPolicy.erase, columns=columns)
            write_history(database, WIDE, run, gone, columns, whole=True)
            row = {
                "run_id": run,
                "api": "api",
                "rows": 5,
                "current_rows": count_current(database, WIDE),
            }
            remember(database, WIDE, row | {"verdict": "complete"})
    return merged


def stored(database: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Everything that the current rows say."""
    return database.execute(
        "SELECT id, text, key, integer, number, boolean, timestamp, date, texts, keys, "
        "json::VARCHAR, new, _unparsed::VARCHAR FROM recruit.wide "
        "WHERE _deleted_at IS NULL ORDER BY id"
    ).fetchall()


def versions(database: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return database.execute(
        f"SELECT id, text, integer FROM {HISTORY}.wide WHERE valid_to IS NULL ORDER BY id"
    ).fetchall()


def begin(database: duckdb.DuckDBPyConnection) -> None:
    """Sync twice: one record is gone, and one has had two versions."""
    sync(database, [{**RECORDS[0], "text": "before"}, *RECORDS[1:], {"id": "5", "text": "x"}], "a")
    sync(database, RECORDS, "b", gone=("5",))


COLUMNS = (
    *(("recruit.wide", name) for name in BOOKKEEPING),
    *(("recruit.wide", name) for name in ("text", "json", "new")),
    *(("recruit_history.wide", name) for name in (*SPAN, "text")),
    *(("recruit_meta.syncs", name) for name in SYNCS),
    ("recruit_meta.schema_version", "version"),
)
HARMS = st.one_of(
    st.tuples(st.just("drop"), st.sampled_from(COLUMNS)),
    st.tuples(st.just("rename"), st.sampled_from(COLUMNS)),
    st.tuples(st.just("retype"), st.sampled_from(COLUMNS)),
    st.tuples(
        st.just("drop table"),
        st.sampled_from(["recruit_history.wide", "recruit_meta.syncs", "recruit_meta.latest",
                         "recruit_meta.schema_version"]).map(lambda name: (name, "")),
    ),
)  # fmt: skip


def harm(database: duckdb.DuckDBPyConnection, how: str, table: str, column: str) -> None:
    """Change a table as somebody else might; what was harmed before may be harmed no more."""
    statement = {
        "drop": f"ALTER TABLE {table} DROP COLUMN {column}",
        "rename": f"ALTER TABLE {table} RENAME COLUMN {column} TO {column}_before",
        "retype": f"ALTER TABLE {table} ALTER {column} TYPE VARCHAR USING {column}::VARCHAR",
        "drop table": f"DROP {'VIEW' if table.endswith('latest') else 'TABLE'} {table}",
    }[how]
    try:
        database.execute(statement)
    except (duckdb.CatalogException, duckdb.BinderException):
        return


@pytest.mark.ring(2)
@settings(max_examples=sized(5, 12, 120))
@given(st.lists(HARMS, min_size=1, max_size=6))
@FULL
def test_bookkeeping_that_was_lost_is_made_again(
    harms: list[tuple[str, tuple[str, str]]],
) -> None:
    with lakes.connect(":memory:") as database:
        database.execute("SET TimeZone = 'UTC'")
        begin(database)
        expected = stored(database)
        for how, (table, column) in harms:
            harm(database, how, table, column)
        recall(database, WIDE)
        alive = {id_ for (id_,) in database.execute("SELECT id FROM recruit.wide").fetchall()}
        sync(database, RECORDS, "c", gone=tuple(alive - {"1", "2", "3", "4"}))
        assert stored(database) == expected
        assert versions(database) == [(*each[:2], each[3]) for each in expected]
        again = sync(database, RECORDS, "d")
        assert again == MergeCounts(unchanged=4)
        assert stored(database) == expected
        numbers = (
            "SELECT list(sync_number ORDER BY sync_number) FROM recruit_meta.syncs "
            "WHERE endpoint IS NOT NULL"
        )
        ((found,),) = database.execute(numbers).fetchall()
        assert found == list(range(1, len(found) + 1))
        latest = "SELECT sync_number, run_id, verdict FROM recruit_meta.latest"
        assert database.execute(latest).fetchall() == [(len(found), "d", "complete")]


@pytest.mark.only_files("a lake cannot change this type")
@pytest.mark.ring(2)
@pytest.mark.parametrize(
    "sql_type",
    [*OTHER_TYPES, *(pytest.param(each, marks=pytest.mark.ring(3)) for each in MORE_TYPES)],
)
def test_a_column_of_another_type_is_rebuilt_and_loses_nothing(
    database: duckdb.DuckDBPyConnection, sql_type: str
) -> None:
    begin(database)
    expected = stored(database)
    altered = []
    for kind, name in KINDS.items():
        if kind.sql == sql_type:
            continue
        before = dict(database.execute(f"SELECT id, {name} FROM recruit.wide").fetchall())
        try:
            database.execute(f"ALTER TABLE recruit.wide ALTER {name} TYPE {sql_type}")
        except duckdb.Error:  # this type cannot hold what is there
            continue
        held = database.execute(
            f"SELECT id, {name}, {name}::VARCHAR FROM recruit.wide WHERE _deleted_at IS NULL"
        ).fetchall()
        altered.append((kind, name, before, held))
    assert is_damaged(database, WIDE) == bool(altered)
    sync(database, [], "c")
    for kind, name, before, held in altered:
        for id_, value, _ in held:
            ((found, kept),) = database.execute(
                f"SELECT {name}, {UNPARSED} -> '{name}' FROM recruit.wide WHERE id = ?", [id_]
            ).fetchall()
            assert value is None or found is not None or kept is not None, (kind, before[id_])
    sync(database, RECORDS, "d")
    assert stored(database) == expected
    assert sync(database, RECORDS, "e") == MergeCounts(unchanged=4)
    assert not is_damaged(database, WIDE)


@pytest.mark.only_files("a lake cannot change this type")
@pytest.mark.ring(2)
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.sql != "VARCHAR"])
def test_a_column_that_was_made_text_comes_back_and_no_row_is_written(
    database: duckdb.DuckDBPyConnection, kind: Kind
) -> None:
    begin(database)
    database.execute(f"ALTER TABLE recruit.wide ALTER {KINDS[kind]} TYPE VARCHAR")
    assert sync(database, RECORDS, "c") == MergeCounts(unchanged=4)


@pytest.mark.only_files("a lake cannot change this type")
def test_a_misfit_joins_those_that_are_kept_already(database: duckdb.DuckDBPyConnection) -> None:
    begin(database)
    database.execute("ALTER TABLE recruit.wide ALTER integer TYPE VARCHAR USING 'many'")
    sync(database, [], "c")
    assert database.execute(
        "SELECT id, integer, _unparsed::VARCHAR FROM recruit.wide ORDER BY id"
    ).fetchall()[:3] == [
        ("1", None, '{"integer":"many"}'),
        ("2", None, '{"integer":"many"}'),
        ("3", None, '{"integer":"many","number":"x","text":5}'),
    ]


@pytest.mark.only_files("a lake has no indexes")
def test_what_somebody_has_added_stays(database: duckdb.DuckDBPyConnection) -> None:
    begin(database)
    for statement in (
        "ALTER TABLE recruit.wide ADD COLUMN mine VARCHAR DEFAULT 'it''s'",
        "ALTER TABLE recruit.wide ADD COLUMN other DECIMAL(9, 2)",
        "COMMENT ON COLUMN recruit.wide.mine IS 'My own'",
        'CREATE INDEX "By id" ON recruit.wide (id)',
        "CREATE VIEW seen AS SELECT * FROM recruit.wide",
        "CREATE VIEW again AS SELECT id, mine FROM seen",
        'DROP INDEX recruit."By id"',
        "ALTER TABLE recruit.wide ALTER boolean TYPE VARCHAR",
        'CREATE INDEX "By id" ON recruit.wide (id)',
    ):
        database.execute(statement)
    assert sync(database, RECORDS, "c") == MergeCounts(unchanged=4)
    assert database.execute("SELECT DISTINCT mine FROM again WHERE id <> '5'").fetchall() == [
        ("it's",)
    ]
    assert database.execute("SELECT index_name FROM duckdb_indexes()").fetchall() == [("By id",)]
    assert database.execute(
        "SELECT comment, column_default FROM duckdb_columns() "
        "WHERE column_name = 'mine' AND schema_name = 'recruit'"
    ).fetchall() == [("My own", "'it''s'")]
    assert (
        database.execute(
            "SELECT column_name FROM duckdb_columns() WHERE schema_name LIKE 'recruit%' "
            "AND comment IS NULL AND column_name NOT IN ('other')"
        ).fetchall()
        == []
    )


@pytest.mark.only_files("a lake has no generated columns")
def test_a_column_that_somebody_has_generated_stays_so(
    database: duckdb.DuckDBPyConnection,
) -> None:
    begin(database)
    database.execute("ALTER TABLE recruit.wide ADD COLUMN five INTEGER DEFAULT 5")
    ((made,),) = database.execute(
        "SELECT sql FROM duckdb_tables() WHERE schema_name = 'recruit' AND table_name = 'wide'"
    ).fetchall()
    size = "\"Its size\" INTEGER GENERATED ALWAYS AS (length(text || 'it''s'))"
    database.execute(
        f"CREATE TABLE kept AS FROM recruit.wide; DROP TABLE recruit.wide; "
        f"{made.rstrip(';')[:-1]}, {size}); INSERT INTO recruit.wide BY NAME FROM kept; "
        "ALTER TABLE recruit.wide ALTER boolean TYPE VARCHAR"
    )
    sync(database, [*RECORDS, {"id": "6", "text": "new"}], "c")
    seen = "SELECT text, \"Its size\", five FROM recruit.wide WHERE id IN ('4', '6') ORDER BY id"
    assert database.execute(seen).fetchall() == [("z", 5, 5), ("new", 7, 5)]
    assert stored(database)[0][5] is True


@pytest.mark.parametrize(
    ("made", "is_one"),
    [
        ("VIEW recruit.thing AS SELECT 1 AS id", False),
        ("VIEW recruit.thing AS SELECT 1 AS id, 2 AS rowid", False),
        ('VIEW recruit.thing AS SELECT 1 AS id, 2 AS "RowId"', False),
        ("TABLE recruit.thing (id VARCHAR)", True),
        ("TABLE recruit.Thing (id VARCHAR, rowid VARCHAR)", True),
        ("TABLE recruit.other (id VARCHAR)", None),
    ],
)
def test_a_view_is_no_table_whatever_its_columns_are_called(
    database: duckdb.DuckDBPyConnection, made: str, *, is_one: bool | None
) -> None:
    database.execute(f"CREATE SCHEMA recruit; CREATE {made}")
    assert is_table(database, "thing") is is_one


def test_a_table_without_ids_is_a_sentence(database: duckdb.DuckDBPyConnection) -> None:
    begin(database)
    database.execute("ALTER TABLE recruit.wide DROP COLUMN id")
    with pytest.raises(DatabaseProblem, match=r"recruit\.wide has no column id"):
        is_damaged(database, WIDE)
    with pytest.raises(DatabaseProblem, match=r"recruit\.wide has no column id"):
        sync(database, RECORDS, "c")


def test_a_history_without_ids_is_a_sentence(database: duckdb.DuckDBPyConnection) -> None:
    begin(database)
    database.execute(f"ALTER TABLE {HISTORY}.wide DROP COLUMN id")
    with pytest.raises(DatabaseProblem, match=r"drop the table, and a new history begins"):
        sync(database, RECORDS, "c")


@pytest.mark.only_files("a lake cannot change this type")
def test_a_repair_that_is_rolled_back_changes_nothing(database: duckdb.DuckDBPyConnection) -> None:
    begin(database)
    database.execute("ALTER TABLE recruit.wide ALTER integer TYPE VARCHAR")
    before = stored(database)
    sync(database, RECORDS, "c", keep=False)
    assert stored(database) == before


def test_equal_values_have_equal_json(database: duckdb.DuckDBPyConnection) -> None:
    begin(database)
    (row, *_) = stored(database)
    assert row[10] == as_json(VALUES[Kind.JSON])


NUMERIC = ("DOUBLE", "FLOAT", "DECIMAL(18,3)", "HUGEINT", "BIGINT", "UINTEGER", "JSON", "UTINYINT")


@pytest.mark.only_files("a lake cannot change this type")
@pytest.mark.ring(2)
@pytest.mark.parametrize("sql_type", NUMERIC)
def test_ids_that_were_made_numbers_are_told_as_the_api_does(
    database: duckdb.DuckDBPyConnection, sql_type: str
) -> None:
    begin(database)
    before = [stored(database), versions(database)]
    for table in ("recruit.wide", f"{HISTORY}.wide"):
        database.execute(f"ALTER TABLE {table} ALTER id TYPE {sql_type}")
    assert is_damaged(database, WIDE)
    assert sync(database, RECORDS, "c") == MergeCounts(unchanged=4)
    assert [stored(database), versions(database)] == before


@pytest.mark.only_files("a lake cannot change this type")
@pytest.mark.parametrize("sql_type", ["INTEGER", "DOUBLE", "DECIMAL(9,2)", "JSON"])
@pytest.mark.parametrize("table", ["recruit.wide", f"{HISTORY}.wide"])
def test_ids_that_lost_their_zeros_are_a_sentence(
    database: duckdb.DuckDBPyConnection, table: str, sql_type: str
) -> None:
    records = [*RECORDS, {"id": "0100"}]
    sync(database, records, "a")
    database.execute(f"ALTER TABLE {table} ALTER id TYPE BIGINT")
    database.execute(f"ALTER TABLE {table} ALTER id TYPE {sql_type}")
    rows = f"SELECT COLUMNS(*)::VARCHAR FROM {table} ORDER BY ALL"
    before = database.execute(rows).fetchall()
    with pytest.raises(
        DatabaseProblem, match=rf"{table}\.id was changed to .*and 1 of .*restore the"
    ):
        sync(database, records, "b")
    assert database.execute(rows).fetchall() == before


@pytest.mark.only_files("a lake cannot change this type")
@pytest.mark.ring(2)
@pytest.mark.parametrize(
    ("sql_type", "value"),
    [
        ("DOUBLE", "id::DOUBLE + 0.5"),
        ("DECIMAL(9,2)", "id::DOUBLE + 0.25"),
        ("DOUBLE", "1e17"),
        ("FLOAT", "16777217"),
        ("DOUBLE", "'nan'"),
        ("BOOLEAN", "(id = '1')"),
        ("DATE", "'2025-01-02'"),
        ("JSON", "'[1]'"),
        ("VARCHAR[]", "[id]"),
    ],
)
@pytest.mark.parametrize("table", ["recruit.wide", f"{HISTORY}.wide"])
def test_ids_that_were_altered_beyond_repair_are_a_sentence(
    database: duckdb.DuckDBPyConnection, table: str, sql_type: str, value: str
) -> None:
    begin(database)
    database.execute(f"ALTER TABLE {table} ALTER id TYPE {sql_type} USING {value}::{sql_type}")
    rows = "SELECT COLUMNS(*)::VARCHAR FROM recruit.wide ORDER BY ALL"
    before = database.execute(rows).fetchall()
    with pytest.raises(DatabaseProblem, match=rf"{table}\.id was changed to .*restore the table"):
        sync(database, RECORDS, "c")
    assert database.execute(rows).fetchall() == before


@pytest.mark.only_files("a lake numbers a table again when it gets a column")
def test_a_new_attribute_is_added_without_building_the_table_again(
    database: duckdb.DuckDBPyConnection,
) -> None:
    begin(database)
    made = "SELECT table_oid FROM duckdb_tables() WHERE schema_name = 'recruit'"
    before = database.execute(made).fetchall()
    database.execute("ALTER TABLE recruit.wide DROP COLUMN new")
    more = [{**RECORDS[0], "newer": 5}, *RECORDS[1:]]
    # The row with the new attribute is written, and those that lost what was in `new`.
    assert sync(database, more, "c") == MergeCounts(unchanged=1, updated=3)
    assert database.execute(made).fetchall() == before
    assert sync(database, more, "d") == MergeCounts(unchanged=4)
    assert database.execute(
        "SELECT comment FROM duckdb_columns() WHERE schema_name = 'recruit' "
        "AND column_name = 'newer'"
    ).fetchall() == [("Sent by the API, not in the catalogue",)]
