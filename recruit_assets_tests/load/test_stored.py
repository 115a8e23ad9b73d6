"""Whatever values come, and whatever came before: column and `_unparsed` tell the last answer."""

import json
from typing import Any

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from recruit_assets.catalogue import UNPARSED, Attribute, Endpoint, Kind, snake_case
from recruit_assets.extract.jsonapi import Record
from recruit_assets.extract.records import RecordTable
from recruit_assets.load.connection import transaction
from recruit_assets.load.merge import MergeCounts
from recruit_assets.load.schema import columns_of
from recruit_assets.load.stage import Stage
from recruit_assets_tests.extract.test_arrow import JSON, must_tell
from recruit_assets_tests.load.merging import prepare_and_merge
from recruit_assets_tests.rings import sized

THINGS = Endpoint(
    "things",
    group="tests",
    description="One attribute of each kind.",
    attributes=(
        *(Attribute(f"a-{kind.value}", "", kind) for kind in Kind),
        Attribute("fleeting", "", Kind.INTEGER, volatile=True),
    ),
)
Attributes = dict[str, Any]
ANSWER = st.lists(
    st.fixed_dictionaries(
        dict.fromkeys([*(f"a-{kind.value}" for kind in Kind), "new", "New one"], JSON)
    ),
    min_size=2,
    max_size=2,
)


def synced(database: duckdb.DuckDBPyConnection, answer: list[Attributes]) -> MergeCounts:
    record_table = RecordTable(THINGS, columns_of(database, THINGS))
    records = [Record(str(number), attributes) for number, attributes in enumerate(answer)]
    with Stage() as stage:
        stage.add(record_table.table(records), record_table.columns, range(len(records)))
        with transaction(database):
            return prepare_and_merge(database, THINGS, stage, "run")


def stored(database: duckdb.DuckDBPyConnection) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The rows by id: their columns, and what did not fit."""
    found = database.sql("FROM recruit.things ORDER BY id").to_arrow_table().to_pylist()
    return [(row, json.loads(row[UNPARSED] or "{}")) for row in found]


def must_tell_all(database: duckdb.DuckDBPyConnection, answer: list[Attributes]) -> None:
    kinds = columns_of(database, THINGS)
    for (row, unparsed), attributes in zip(stored(database), answer, strict=True):
        columns = {name: snake_case(name) for name in attributes if name != "New one"}
        columns["New one"] = next((name for name in row if name.startswith("new_one_")), "")
        for name, column in columns.items():
            kind = kinds.get(column, Kind.JSON)
            must_tell(kind, attributes[name], row.get(column), unparsed.get(column))


@settings(max_examples=sized(2, 6, 80))
@given(ANSWER, ANSWER)
def test_a_table_tells_the_last_answer_and_heals_when_the_types_come_back(
    one: list[Attributes], other: list[Attributes]
) -> None:
    with duckdb.connect(":memory:") as database:
        database.execute("SET TimeZone = 'UTC'")
        for answer in (one, other, one):
            synced(database, answer)
            must_tell_all(database, answer)
            assert synced(database, answer) == MergeCounts(unchanged=2)
        at_last = [unparsed for _, unparsed in stored(database)]
        assert [set(each) & {f"a_{kind.value}" for kind in Kind} for each in at_last] == [
            {f"a_{kind.value}" for kind in Kind if misfit(kind, each[f"a-{kind.value}"])}
            for each in one
        ]


def misfit(kind: Kind, value: Any) -> bool:
    """Whether a value does not fit a column of its own that never held another."""
    record_table = RecordTable(THINGS)
    record_table.table([Record("1", {f"a-{kind.value}": value})])
    return bool(record_table.unparsed)
