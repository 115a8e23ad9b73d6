"""What the marts are made of, what their checks catch, and what they do without."""

import base64
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow.parquet as pq
import pytest

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.connection import connection
from recruit_assets.load.schema import columns_found
from recruit_assets.mart_assets import CHECK
from recruit_assets.marts.build import REPLACED, build, inspect
from recruit_assets.marts.carried import carry
from recruit_assets.marts.level_views import level_views, view_name
from recruit_assets.marts.mart import MARTS, Mart, read_marts
from recruit_assets.marts.parquet import write_files
from recruit_assets.marts.report import gather, render
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS
from recruit_assets.resources import RecruitDatabase
from recruit_assets_tests import lakes
from recruit_assets_tests.conftest import metadata
from recruit_assets_tests.life import PLANTED
from recruit_assets_tests.marts.conftest import Answers, answer
from recruit_assets_tests.syncing import MART_ASSETS, resources

pytestmark = pytest.mark.ring(2)

NAMES = [mart.name for mart in MARTS]
# Tables that hold what nobody is to read in a mart.
PERSONAL = (
    "candidates", "job_applications", "job_offers", "jobs", "notes", "nps_responses", "referrals",
    "todos", "users",
)  # fmt: skip
HISTORIES = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'recruit_history'"
Copy = duckdb.DuckDBPyConnection


@pytest.fixture
def answers(told_answers: Answers) -> Answers:
    """What is answered if everything is read that marts know of."""
    return told_answers


@pytest.fixture
def copy(answers: Answers, tmp_path: Path) -> Iterator[Copy]:
    """The answers in a file that may be spoilt."""
    path = lakes.copied(answers.path, tmp_path / "copy.duckdb")
    with connection(str(path), {}, 0.1) as database:
        yield database


def rows(database: Copy, mart: Mart) -> int:
    ((found,),) = database.execute(f"SELECT count(*) FROM recruit_marts.{mart.name}").fetchall()
    return int(found)


@pytest.mark.only_files("a lake has no comments on the columns of views")
def test_every_column_is_explained(answers: Answers) -> None:
    found = answers.query(
        "SELECT table_name, column_name, comment FROM duckdb_columns() "
        "WHERE schema_name = 'recruit_marts' ORDER BY table_name, column_index"
    )
    shown = {mart.name: (mart, list(mart.columns)) for mart in MARTS}
    shown |= {name: (mart, names) for mart in MARTS for name, names in level_views(mart).items()}
    assert [tuple(row.values()) for row in found] == [
        (name, column, mart.columns[column])
        for name, (mart, columns) in sorted(shown.items())
        for column in columns
    ]


WITH_LEVELS = [mart for mart in MARTS if "level" in mart.columns]


@pytest.mark.parametrize("mart", WITH_LEVELS, ids=[mart.name for mart in WITH_LEVELS])
def test_each_level_is_a_view_without_the_columns_of_others(answers: Answers, mart: Mart) -> None:
    rows = answers.mart(mart.name)
    assert {row["level"] for row in rows} <= set(mart.levels)
    for level in mart.levels:
        of_level = [row for row in rows if row["level"] == level]
        shown = answers.mart(view_name(mart, level))
        columns = level_views(mart)[view_name(mart, level)]
        expected = [{name: row[name] for name in columns} for row in of_level]
        assert sorted(shown, key=str) == sorted(expected, key=str)
        left_out = set(mart.columns) - {"level", *columns}
        assert all(row[name] is None for row in of_level for name in left_out)
        grain = [name for name in mart.grain if name in columns]
        assert len({tuple(row[name] for name in grain) for row in shown}) == len(shown)


def test_a_table_of_the_user_in_place_of_a_view_is_kept(copy: Copy) -> None:
    copy.execute("DROP VIEW recruit_marts.offers_month")
    copy.execute("CREATE TABLE recruit_marts.offers_month AS SELECT 1 AS mine")
    with pytest.raises(DatabaseProblem, match="offers_month is a table that somebody else"):
        build(copy, MARTS)
    assert copy.execute("FROM recruit_marts.offers_month").fetchall() == [(1,)]


def test_dagster_shows_rows_columns_and_a_picture(answers: Answers) -> None:
    for mart in MARTS:
        shown = metadata(answers.result, mart.name)
        assert shown["dagster/row_count"] == len(answers.mart(mart.name))
        assert [each.name for each in shown["dagster/column_schema"].columns] == list(mart.columns)
        assert shown["picture"].startswith(f"![{mart.picture.title}: ")


def test_the_checks_pass(answers: Answers) -> None:
    found = answers.result.get_asset_check_evaluations()
    assert {each.asset_key.to_user_string() for each in found} == set(NAMES)
    assert len(found) == len(NAMES) + sum(bool(mart.expected) for mart in MARTS)
    assert all(each.passed for each in found)


@pytest.mark.parametrize("mart", MARTS, ids=NAMES)
def test_a_wrong_mart_is_caught_and_not_kept(copy: Copy, mart: Mart) -> None:
    def faults(sql: str) -> set[str]:
        before = rows(copy, mart)
        (built,) = build(copy, [replace(mart, sql=sql)])
        assert rows(copy, mart) == before
        return {kind for kind, found in built.faults.items() if found}

    fans_out = f"SELECT * FROM ({mart.sql}), range(2) AS twice (n)"
    names = ", ".join(mart.columns)
    assert "grain" in faults(f"SELECT {names} FROM ({fans_out})")
    assert "totals" in faults(f"SELECT * FROM ({mart.sql}) LIMIT 1")
    if mart.rates:
        too_much = ", ".join(f"{name} + 1.5 AS {name}" for name in mart.rates)
        assert "rates" in faults(f"SELECT * REPLACE ({too_much}) FROM ({mart.sql})")


def test_a_join_that_fans_out_fails_the_run_and_keeps_the_tables(
    answers: Answers, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    path = lakes.copied(answers.path, tmp_path / "spoilt.duckdb")
    with lakes.connect(path) as database:
        database.execute("INSERT INTO recruit.departments FROM recruit.departments LIMIT 1")
    spoilt = answer(path, instance, raises=False)
    found = spoilt.result.get_asset_check_evaluations()
    assert "applications" in {each.asset_key.path[-1] for each in found if not each.passed}
    (failed,) = [each for each in spoilt.result.all_node_events if each.is_step_failure]
    assert failed.step_failure_data.user_failure_data is not None
    said = failed.step_failure_data.user_failure_data.description
    assert said is not None
    assert "applications: wrong grain (count(*) = count(DISTINCT row(" in said
    assert "No mart was replaced" in said
    assert spoilt.mart("applications") == answers.mart("applications")
    assert not list(tmp_path.glob("*.html"))


def test_a_check_can_be_run_alone_and_looks_at_the_table_as_it_is(
    answers: Answers, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    path = lakes.copied(answers.path, tmp_path / "alone.duckdb")
    with lakes.connect(path) as database:
        table = "recruit_marts.source_of_hire"
        database.execute(f"INSERT INTO {table} FROM {table} LIMIT 1")
    key = dg.AssetCheckKey(dg.AssetKey("source_of_hire"), CHECK)
    result = (
        dg.Definitions(
            MART_ASSETS,
            resources=resources(RecruitDatabase(database=str(path), wait_seconds=0.1)),
            jobs=[dg.define_asset_job("alone", dg.AssetSelection.checks(key))],
        )
        .resolve_job_def("alone")
        .execute_in_process(instance=instance, raise_on_error=False)
    )
    (found,) = result.get_asset_check_evaluations()
    assert (found.asset_check_key, found.passed) == (key, False)
    assert set(found.metadata) == {"grain", "totals"}
    grain = 'count(*) = count(DISTINCT row("level", "source_type", "source", "month"))'
    assert found.metadata["grain"].value == [grain]
    assert not result.get_asset_materialization_events()


def test_without_any_table_all_is_empty_and_the_report_says_so(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    empty = answer(lakes.database_at(tmp_path / "empty.duckdb"), instance)
    for mart in MARTS:
        assert len(empty.mart(mart.name)) <= 1  # the company itself, with nothing to count
    assert "Not known: job applications, stages could not be read yet." in empty.page
    assert "There are no applications yet." not in empty.page
    assert "Never synced" in empty.page
    assert "<svg" not in empty.page


TYPES = "SELECT stage_type, count(*) FROM recruit_marts.applications GROUP BY ALL ORDER BY ALL"


def test_columns_and_tables_may_be_missing(copy: Copy) -> None:
    before = copy.execute(TYPES).fetchall()
    copy.execute("ALTER TABLE recruit.stages DROP COLUMN stage_type")
    copy.execute("ALTER TABLE recruit.jobs DROP COLUMN start_date")
    copy.execute("DROP TABLE recruit.nps_responses")
    copy.execute("DROP SCHEMA recruit_history CASCADE")
    assert not [each for each in build(copy, MARTS) if each.wrong]
    assert copy.execute(TYPES).fetchall() == before


def test_a_key_that_may_not_read_the_reasons_leaves_their_ids(copy: Copy) -> None:
    copy.execute("DROP TABLE recruit.reject_reasons")
    assert not [each for each in build(copy, MARTS) if each.wrong]
    reasons = "SELECT DISTINCT reason, 'Reason ' || reject_reason_id, decided_by FROM "
    found = copy.execute(f"{reasons} recruit_marts.rejections").fetchall()
    assert [(id_, None) for id_, *_ in found] == [(name, by) for _, name, by in found]
    assert len(found) > 3


def test_its_sql_is_run_as_it_is_written(copy: Copy) -> None:
    (mart,) = [each for each in MARTS if each.name == "stage_spells"]
    named = replace(mart, sql=f"SELECT * REPLACE ('recruit.jobs' AS stage) FROM ({mart.sql})")
    assert not [each for each in build(copy, [named]) if each.wrong]
    found = copy.execute("SELECT DISTINCT stage FROM recruit_marts.stage_spells").fetchall()
    assert found == [("recruit.jobs",)]


CATALOGS = "SELECT current_setting('search_path'), list(database_name) FROM duckdb_databases()"


def test_nothing_is_left_of_what_it_was_built_with(copy: Copy) -> None:
    before = copy.execute(CATALOGS).fetchall()
    build(copy, MARTS)
    assert copy.execute(CATALOGS).fetchall() == before
    with pytest.raises(duckdb.BinderException):
        build(copy, [replace(MARTS[0], sql="SELECT absent FROM recruit.jobs")])
    assert copy.execute(CATALOGS).fetchall() == before


def test_two_threads_can_inspect_one_file(answers: Answers) -> None:
    def faults(mart: Mart) -> dict[str, list[str]]:
        with connection(str(answers.path), {}, 0.1) as database:
            (built,) = inspect(database, [mart])
            return built.faults

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(faults, MARTS))
    assert not [fault for each in found for faults in each.values() for fault in faults]


def test_it_depends_on_the_tables_that_its_sql_reads(tmp_path: Path) -> None:
    keys = ("A mart.", "Grain: id", "Picture: One", "Bars: SELECT 1", "Columns:", "  id: Id")
    header = "".join(f"-- {key}\n" for key in keys)
    (tmp_path / "first.sql").write_text(
        f"{header}WITH jobs AS (FROM recruit.jobs AS j) -- not recruit.roles\n"
        "SELECT id, 'recruit.users' AS text FROM jobs JOIN recruit_marts.second USING (id)"
    )
    (tmp_path / "second.sql").write_text(
        f"{header}SELECT max(sync_number) FROM recruit_meta.latest"
    )
    assert [(mart.name, sorted(mart.reads)) for mart in read_marts(tmp_path)] == [
        ("second", [("recruit_meta", "latest")]),
        ("first", [("recruit", "jobs"), ("recruit_marts", "second")]),
    ]


def test_older_stages_name_their_type_elsewhere(copy: Copy) -> None:
    before = copy.execute(TYPES).fetchall()
    copy.execute("UPDATE recruit.stages SET stage_type = legacy_stage_type_name")
    copy.execute("ALTER TABLE recruit.stages DROP COLUMN legacy_stage_type_name")
    assert not [each for each in build(copy, MARTS) if each.wrong]
    assert copy.execute(TYPES).fetchall() == before


def test_nothing_personal_and_no_free_text(answers: Answers) -> None:
    for table in PERSONAL:
        holding = f"FROM recruit.{table} t WHERE contains(t::VARCHAR, '{PLANTED}')"
        assert len(answers.query(holding)) > 3, table
    for mart in MARTS:
        assert PLANTED not in str(answers.mart(mart.name))
    for each in answers.result.get_asset_materialization_events():
        assert PLANTED not in str(each.materialization.metadata)
    assert PLANTED not in answers.page
    for (name,) in map(dict.values, answers.query(HISTORIES)):
        holding = f"FROM recruit_history.{name} t WHERE contains(t::VARCHAR, '{PLANTED}')"
        assert not answers.query(holding), name


def test_no_personal_column_gets_into_a_file(copy: Copy, tmp_path: Path) -> None:
    text = {
        "VARCHAR": f"'{PLANTED}'",
        "JSON": f"to_json('{PLANTED}')",
        "VARCHAR[]": f"['{PLANTED}']",
    }
    planted = set()
    for endpoint in KNOWN_ENDPOINTS:
        types = dict(columns_found(copy, endpoint.name))
        for name in (column.name for column in endpoint.columns() if column.personal):
            if value := text.get(types.get(name, "")):
                copy.execute(f"UPDATE recruit.{endpoint.name} SET {name} = {value}")
                planted.add(endpoint.name)
    assert planted >= {*PERSONAL, "requisitions"}
    assert not [each for each in build(copy, MARTS) if each.wrong]
    write_files(copy, MARTS, tmp_path, "")
    for mart in MARTS:
        table = pq.read_table(tmp_path / f"{mart.name}.parquet")
        assert table.num_rows or mart.name == "stuck_applications"
        assert PLANTED not in str(table.to_pylist()), mart.name
    assert PLANTED not in render(gather(copy))
    assert PLANTED not in str(zlib.decompress(base64.b64decode(carry(copy, {}))))


def test_marts_that_were_replaced_are_dropped_once_the_new_ones_are_right(copy: Copy) -> None:
    def left() -> set[str]:
        found = copy.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'recruit_marts'"
        ).fetchall()
        return {name for (name,) in found if name not in NAMES}

    for name in (*REPLACED, "mine"):
        copy.execute(f"CREATE TABLE recruit_marts.{name} AS SELECT 1 AS job_id")
    wrong = replace(MARTS[0], sql=f"SELECT * FROM ({MARTS[0].sql}) LIMIT 1")
    build(copy, [wrong])
    assert left() == {*REPLACED, "mine"}
    build(copy, MARTS)
    assert left() == {"mine"}
