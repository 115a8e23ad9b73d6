"""The IO manager with assets of any kind: what it merges, and what it hands to other assets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pyarrow as pa
import pytest

from recruit_assets import DuckDBMergeIOManager, RecruitDatabase
from recruit_assets.reading import Reading
from recruit_assets_tests.conftest import Project, metadata
from recruit_assets_tests.syncing import ASSETS

ROWS = [{"id": "1", "n": 1}, {"id": "2", "n": 2}]
BY_NAME = {asset.key.path[-1]: asset for asset in ASSETS}


class Endless(list[Any]):
    """Dictionaries whose reading ends with an error."""

    def __iter__(self) -> Iterator[Any]:
        yield ROWS[0]
        raise RuntimeError("the source failed")


class Merged:
    """Materializes one asset after another into a database."""

    def __init__(self, path: Path, instance: dg.DagsterInstance) -> None:
        self.path, self._instance = path, instance
        manager = DuckDBMergeIOManager(database=RecruitDatabase(database=str(path)))
        self._resources = {"merge": manager, "io_manager": dg.mem_io_manager}

    def asset(self, rows: object, name: str = "things", **metadata: Any) -> dg.AssetsDefinition:
        @dg.asset(name=name, key_prefix="mine", io_manager_key="merge", metadata=metadata)
        def returned() -> Any:
            return rows

        return returned

    def run(self, *assets: dg.AssetsDefinition, **options: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize(assets, resources=self._resources, instance=self._instance, **options)

    def found(self, rows: object, name: str = "things", **about: Any) -> dict[str, Any]:
        """Materialize an asset that returns rows; return the metadata."""
        events = self.run(self.asset(rows, name, **about)).get_asset_materialization_events()
        return {key: each.value for key, each in events[0].materialization.metadata.items()}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as database:
            return database.execute(sql).fetchall()


@pytest.fixture
def merged(tmp_path: Path, instance: dg.DagsterInstance) -> Merged:
    return Merged(tmp_path / "own.duckdb", instance)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        pa.Table.from_pylist(ROWS),
        pa.RecordBatchReader.from_batches(
            pa.Table.from_pylist(ROWS).schema, pa.Table.from_pylist(ROWS).to_batches()
        ),
        pl.DataFrame(ROWS),
    ],
    ids=["dictionaries", "table", "reader", "polars"],
)
def test_rows_of_any_kind_are_merged(merged: Merged, rows: object) -> None:
    found = merged.found(rows)
    assert merged.query("SELECT id, n FROM main.things ORDER BY id") == [("1", 1), ("2", 2)]
    assert (found["inserted"], found["dagster/row_count"]) == (2, 2)
    assert found["dagster/table_name"] == "main.things"
    names = [column.name for column in found["dagster/column_schema"].columns]
    assert names[:2] == ["id", "n"]


def test_rows_are_merged_by_key_and_never_deleted(merged: Merged) -> None:
    about = {"schema": "hr", "merge_key": "email"}
    merged.found([{"email": "a", "n": 1}, {"email": "b", "n": 2}], **about)
    found = merged.found([{"email": "b", "n": 3}, {"email": "c", "n": 4}], **about)
    assert (found["inserted"], found["updated"], found["unchanged"]) == (1, 1, 0)
    rows = merged.query("SELECT email, n FROM hr.things ORDER BY email")
    assert rows == [("a", 1), ("b", 3), ("c", 4)]


@pytest.mark.parametrize("rows", [None, []])
def test_nothing_changes_nothing(merged: Merged, rows: object) -> None:
    assert merged.found(rows)["inserted"] == 0
    merged.found(ROWS)
    assert merged.found(rows)["inserted"] == 0
    assert merged.query("SELECT count(*) FROM main.things") == [(2,)]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("a text", r"main\.things: .*str"),
        (7, r"main\.things: .*int"),
        ([{"n": 1}], r"main\.things: "),
        ([{"id": None}], r"main\.things: "),
        ([ROWS[0], ROWS[0]], r"main\.things: "),
    ],
)
def test_rows_that_cannot_be_merged_are_a_sentence(
    merged: Merged, rows: object, sentence: str
) -> None:
    with pytest.raises(dg.Failure, match=sentence) as raised:
        merged.found(rows)
    assert "Nothing was written" in str(raised.value.description)
    assert not merged.path.exists() or merged.query("FROM duckdb_tables()") == []


def test_of_two_rows_with_one_key_the_last_can_win(merged: Merged) -> None:
    found = merged.found([ROWS[0], {"id": "1", "n": 9}], on_duplicate="last")
    assert (found["inserted"], found["repeated"]) == (1, 1)
    assert merged.query("SELECT n FROM main.things") == [(9,)]


def test_a_source_that_fails_leaves_the_table_as_it_was(merged: Merged) -> None:
    merged.found(ROWS)
    with pytest.raises(RuntimeError, match="the source failed"):
        merged.found(Endless([1]))
    assert merged.query("SELECT id, n FROM main.things ORDER BY id") == [("1", 1), ("2", 2)]


def test_two_assets_of_one_table_are_refused(merged: Merged) -> None:
    merged.found(ROWS)

    @dg.asset(key=["theirs", "things"], io_manager_key="merge")
    def other() -> list[dict[str, str]]:
        return [{"id": "3"}]

    with pytest.raises(dg.Failure, match=r"main\.things is not the table of the asset theirs/"):
        merged.run(other)


@pytest.mark.parametrize("schema", ["", " ", "temp", "INFORMATION_SCHEMA"])
def test_a_schema_that_cannot_have_the_table_is_refused(merged: Merged, schema: str) -> None:
    with pytest.raises(dg.Failure, match=r"The schema is '.*': choose one for tables"):
        merged.found(ROWS, schema=schema)
    assert not merged.path.exists()


def test_metadata_without_a_value_is_the_default(merged: Merged) -> None:
    merged.found(ROWS, schema=None, merge_key=None)
    assert merged.query("SELECT count(*) FROM main.things") == [(2,)]


def test_python_objects_in_polars_are_refused(merged: Merged) -> None:
    rows = pl.DataFrame({"id": ["1"], "odd": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(dg.Failure, match="The column odd holds Python objects"):
        merged.found(rows)
    assert not merged.path.exists()


@pytest.mark.parametrize("database", ["own.duckdb", None])
def test_a_database_that_is_no_resource_is_a_sentence(database: Any) -> None:
    manager = DuckDBMergeIOManager(database=database)
    with pytest.raises(dg.Failure, match=r"pass RecruitDatabase\(database="):
        manager.setup_for_execution(dg.build_init_resource_context())


@pytest.mark.parametrize("name", ["Schema", "merge_keys", "merge-key", "on_duplicates"])
def test_misspelled_metadata_is_refused(merged: Merged, name: str) -> None:
    with pytest.raises(dg.Failure, match=f"asset mine/things has {name}: do you mean ") as raised:
        merged.found(ROWS, **{name: "last"})
    assert "Nothing was written" in str(raised.value.description)
    assert not merged.path.exists()
    merged.found(ROWS, layer="raw", url_schema="https")


@pytest.mark.parametrize(
    "schema", ["recruit", "recruit_now", "RECRUIT_META", "recruit_history", "recruit_marts"]
)
def test_the_schemas_of_the_api_are_of_no_other_asset(merged: Merged, schema: str) -> None:
    with pytest.raises(dg.Failure, match="is for tables of syncs: choose another"):
        merged.found(ROWS, schema=schema)
    assert not merged.path.exists()


def test_partitions_are_merged_side_by_side(merged: Merged) -> None:
    days = dg.StaticPartitionsDefinition(["mon", "tue"])

    @dg.asset(partitions_def=days, io_manager_key="merge")
    def visits(context: dg.AssetExecutionContext) -> list[dict[str, str]]:
        return [{"id": f"{context.partition_key} {number}"} for number in range(3)]

    for day in ("mon", "tue", "mon"):
        merged.run(visits, partition_key=day)
    assert merged.query("SELECT count(*) FROM main.visits") == [(6,)]


TYPES = [(pl.DataFrame, pl.DataFrame), (pl.LazyFrame, pl.LazyFrame), (pa.Table, pa.Table)]


@pytest.mark.parametrize(("annotation", "kind"), [*TYPES, (Any, pa.Table)])
def test_an_input_has_the_type_that_it_is_annotated_with(
    merged: Merged, annotation: Any, kind: type
) -> None:
    received: list[Any] = []

    def keep(things: Any) -> None:
        received.append(things)
        merged.query("FROM main.things")  # the file is closed again

    keep.__annotations__ = {"things": annotation}
    ins = {"things": dg.AssetIn(["mine", "things"], input_manager_key="merge")}
    down = dg.asset(ins=ins)(keep)
    things = merged.asset(ROWS)
    merged.run(things)
    merged.run(things, down, selection=[down])  # what is not selected is loaded as well
    (rows,) = received
    assert isinstance(rows, kind)
    held: Any = rows.collect() if isinstance(rows, pl.LazyFrame) else rows
    assert sorted(pl.DataFrame(held).rows()) == [("1", 1), ("2", 2)]


@pytest.mark.ring(2)
def test_a_mart_and_a_table_can_be_inputs(project: Project) -> None:
    project.materialize("regions")
    ins = {"regions": dg.AssetIn(input_manager_key="recruit_io_manager")}

    @dg.asset(ins=ins, io_manager_key="recruit_io_manager")
    def names(regions: pl.DataFrame) -> pl.DataFrame:
        return regions.select("id", pl.col("name").str.to_uppercase())

    dg.materialize(
        [BY_NAME["regions"], names],
        selection=[names],
        resources=project.resources(),
        instance=project.instance,
    )
    expected = {
        record["id"]: record["attributes"]["name"].upper()
        for record in project.sandbox.world.records("regions")
    }
    assert dict(project.query("SELECT id, name FROM main.names")) == expected


def test_the_merge_is_over_before_the_first_check(project: Project) -> None:
    result = project.materialize("regions")
    kinds = [event.event_type_value for event in result.all_node_events]
    stored = kinds.index("ASSET_MATERIALIZATION")
    assert stored < kinds.index("HANDLED_OUTPUT") < kinds.index("ASSET_CHECK_EVALUATION")
    assert metadata(result, "regions")["verdict"] == "complete"


def test_a_reading_can_be_stored_by_another_io_manager(project: Project) -> None:
    kept: list[pa.Table] = []

    class Keeping(dg.IOManager):
        def handle_output(self, context: dg.OutputContext, obj: Reading) -> None:
            kept.extend(obj)

        def load_input(self, context: dg.InputContext) -> None: ...

    keeping = dg.IOManagerDefinition.hardcoded_io_manager(Keeping())
    dg.materialize(
        [BY_NAME["regions"]],
        selection=dg.AssetSelection.assets("regions").without_checks(),
        resources={**project.resources(), "recruit_io_manager": keeping},
        instance=project.instance,
    )
    names = {name for table in kept for name in table["name"].to_pylist()}
    world = project.sandbox.world.records("regions")
    assert names == {record["attributes"]["name"] for record in world}
