"""What somebody of their own puts in the way of our tables: repaired, or a sentence, and kept."""

import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from recruit_assets.errors import ConfirmationRequired, DatabaseProblem
from recruit_assets.load.compact import compact
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.erasure import note_erasure
from recruit_assets.load.obstacles import translate_table_errors
from recruit_assets.options import Mode
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests.conftest import BY_NAME, KEY, Project, served
from recruit_assets_tests.rings import sized

NAME = "jobs"
OURS = ("recruit.jobs", "recruit_history.jobs", "recruit_meta.syncs", "recruit_meta.schema_version",
        "recruit_meta.erasures", "recruit_meta.compactions", "recruit_meta.latest")  # fmt: skip
META = [name for name in OURS if name.startswith("recruit_meta")]
COLUMNS = {
    "recruit.jobs": (
        "id",
        "title",
        "pinned",
        "created_at",
        "_row_hash",
        "_deleted_at",
        "_unparsed",
    ),
    "recruit_history.jobs": ("id", "status", "valid_from", "valid_to", "seen_at", "_run_id"),
    "recruit_meta.syncs": ("sync_number", "endpoint", "finished", "rows", "cursor", "reason"),
    "recruit_meta.schema_version": ("version",),
    "recruit_meta.erasures": ("endpoint", "rows", "since"),
    "recruit_meta.compactions": ("finished",),
    "recruit_meta.latest": ("endpoint",),
}
# Names that our SQL uses for what is gone with a statement, and those of DuckDB itself.
ODD = ("_misfits", "_row_before", "_position", "place", "rowid", "r", "t", "o", "h", "s", "l",
       "said", "deleted", "present", "latest", "key", "value", "mine")  # fmt: skip
BESIDE = ('recruit."jobs rebuilt"', "recruit.mine", "main.arrived", "main.changed", "main.repeated",
          "main.begun", "main.syncs", "main.jobs", "main.latest", "recruit.syncs")  # fmt: skip
TYPES = ("DOUBLE", "HUGEINT", "DECIMAL(18,3)", "VARCHAR", "JSON", "BOOLEAN", "INTEGER",
         "TIMESTAMP", "VARCHAR[]", "BLOB")  # fmt: skip

PAIRS = [(name, column) for name in OURS for column in COLUMNS[name]]
REPLACED = (
    "CREATE TABLE {name} AS FROM backup",
    "CREATE VIEW {name} AS FROM backup",
    "CREATE VIEW {name} AS SELECT 5 AS five",
    "CREATE VIEW {name} AS FROM backup WHERE false",
    "CREATE TABLE {name} (x INTEGER NOT NULL); INSERT INTO {name} VALUES (1)",
    "CREATE TABLE {name} AS SELECT NULL AS id, 1 AS version, 'x' AS endpoint",
    "CREATE TABLE {name} AS SELECT '1' AS id, 2 AS version FROM range(3)",
    "CREATE TABLE {name} AS SELECT 99::HUGEINT << 70 AS version",
)
BESIDES = (
    "CREATE SEQUENCE {name}",
    "CREATE TYPE {name} AS ENUM ('a')",
    "CREATE MACRO {name}(x) AS x",
    "CREATE MACRO {name}() AS TABLE SELECT 1 AS id",
    "ALTER TABLE {name} RENAME TO other",
)
ADDED = ("INTEGER", "VARCHAR DEFAULT 'x'", "STRUCT(id INTEGER)")
ALTERED = (
    "ALTER TABLE {name} ALTER {column} SET NOT NULL",
    "ALTER TABLE {name} DROP COLUMN {column}",
    "ALTER TABLE {name} ADD PRIMARY KEY ({column})",
    "ALTER TABLE {name} ALTER {column} SET DEFAULT 'x'",
    "CREATE UNIQUE INDEX mine ON {name} ({column})",
    "CREATE INDEX mine ON {name} ({column})",
    "ALTER TABLE {name} RENAME {column} TO earlier",
    'ALTER TABLE {name} RENAME {column} TO "{column} "',
    *(f"ALTER TABLE {{name}} ALTER {{column}} TYPE {each}" for each in TYPES),
)
JOBS = "CREATE TABLE kept AS FROM recruit.jobs; DROP TABLE recruit.jobs; CREATE TABLE recruit.jobs "
SHOUT = "shout VARCHAR GENERATED ALWAYS AS (upper(title))"
REFERENCED = "CREATE TABLE recruit.mine (job VARCHAR REFERENCES recruit.jobs (id)); "
REPLACING = [
    f"CREATE TABLE backup AS FROM {name}; DROP {'VIEW' if 'latest' in name else 'TABLE'} "
    f"{name}; {how.format(name=name)}"
    for name in OURS
    for how in REPLACED
]
NAMED = [how.format(name=name) for name in OURS for how in BESIDES]
ADDING = [
    f"ALTER TABLE {name} ADD COLUMN {odd} {what}" for name in OURS for odd in ODD for what in ADDED
]
ALTERING = [how.format(name=name, column=column) for name, column in PAIRS for how in ALTERED]
APART = [
    f"CREATE TABLE {beside} (x INTEGER NOT NULL); INSERT INTO {beside} VALUES (1); "
    f"CREATE VIEW seen AS FROM {name}; ALTER TABLE recruit.jobs DROP COLUMN _row_hash"
    for name in OURS
    for beside in BESIDE
]
CONSTRAINING = [
    f"ALTER TABLE recruit.jobs ADD PRIMARY KEY (id); {REFERENCED}"
    "INSERT INTO recruit.mine SELECT id FROM recruit.jobs",
    "ALTER TABLE recruit.jobs DROP COLUMN _row_hash; "
    f"ALTER TABLE recruit.jobs ADD PRIMARY KEY (id); {REFERENCED}",
    "CREATE TABLE recruit.mine (d VARCHAR PRIMARY KEY); INSERT INTO recruit.mine SELECT DISTINCT "
    "department_id FROM recruit.jobs WHERE department_id IS NOT NULL; "
    f"{JOBS} (id VARCHAR, title VARCHAR, department_id VARCHAR REFERENCES recruit.mine (d)); "
    "INSERT INTO recruit.jobs (id, title, department_id) SELECT id, title, department_id FROM kept",
    f"{JOBS} (id VARCHAR, title VARCHAR, CHECK (length(title) > 3)); "
    "INSERT INTO recruit.jobs (id, title) SELECT id, title FROM kept",
    f"{JOBS} (id VARCHAR, title VARCHAR, {SHOUT}); "
    "INSERT INTO recruit.jobs (id, title) SELECT id, title FROM kept",
    "ALTER TABLE recruit.jobs DROP COLUMN title; "
    "ALTER TABLE recruit.jobs ADD COLUMN title VARCHAR DEFAULT 'x'",
]
OBSTACLES = (REPLACING, NAMED, ADDING, ALTERING, APART, CONSTRAINING)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that was synced, has erased something, and was compacted."""
    path = tmp_path_factory.mktemp("begun") / "begun.duckdb"
    with served(Sandbox(candidates=40, rules=Rules(key=KEY))) as sandbox:
        project = Project(sandbox, path, None)  # type: ignore[arg-type]
        project.sync(NAME)
        with connection(str(path), {}, 0) as database, transaction(database):
            note_erasure(database, BY_NAME[NAME], 1)
        compact(str(path), 0)
    return path


def content(path: Path) -> dict[str, Any]:
    """Every row of every table, and what else is defined; remembered failures left out."""
    with duckdb.connect(str(path)) as database:
        database.execute("SET TimeZone = 'UTC'")
        tables = database.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() "
            "WHERE database_name = current_database() ORDER BY ALL"
        ).fetchall()
        found: dict[str, Any] = {}
        for schema, table in tables:
            rows = database.sql(
                f'SELECT COLUMNS(*)::VARCHAR FROM "{schema}"."{table}" ORDER BY ALL'
            )
            names = [name.lower() for name in rows.columns]
            found[f"{schema}.{table}"] = [
                dict(zip(names, row, strict=True)) for row in rows.fetchall() if "failed" not in row
            ]
        for listed, name in (("views", "view"), ("sequences", "sequence"), ("types", "type")):
            found[listed] = set(
                database.execute(
                    f"SELECT schema_name, {name}_name FROM duckdb_{listed}() "
                    "WHERE database_name = current_database()"
                ).fetchall()
            )
        return found


def obstruct(path: Path, statements: str) -> None:
    """Do what somebody else did, all or nothing of it."""
    with duckdb.connect(str(path)) as database:
        database.execute("BEGIN")
        try:
            database.execute(statements)
            database.execute("COMMIT")
        except duckdb.Error:
            database.execute("ROLLBACK")


def must_be_kept(before: dict[str, Any], after: dict[str, Any], *but: str) -> None:
    """Compare what is somebody's own, and ours but for the tables named."""
    for name, found in before.items():
        if isinstance(found, set):
            assert found <= after[name], name
        elif name not in but:
            assert after.get(name) == found, name


def says_what_to_do(problem: str) -> None:
    assert "recruit" in problem or problem.startswith("jobs: ") or "was not compacted" in problem
    assert "DuckDB could not use" not in problem
    assert any(
        word in problem for word in ("drop", "Drop", "undo", "upgrade", "restore", "run it once")
    )


def survive(project: Project, begun: Path, statements: str, *, erases: bool) -> None:
    """Sync a file that somebody has obstructed: it is repaired, or a sentence says what to do."""
    shutil.copy(begun, project.path)
    obstruct(project.path, statements)
    before = content(project.path)
    world = project.sandbox.world
    changed = {"title": f"Changed by {uuid4()}"}
    world.change("jobs", next(iter(world.table("jobs"))), changed)
    try:
        project.sync(NAME, mode=Mode.full)
        if erases:
            with (
                connection(str(project.path), {}, 0) as database,
                translate_table_errors("recruit_meta.erasures"),
                transaction(database),
            ):
                note_erasure(database, BY_NAME[NAME], 1)
            compact(str(project.path), 0)
    except (DatabaseProblem, ConfirmationRequired) as problem:
        says_what_to_do(str(problem))
        must_be_kept(before, content(project.path), *(OURS if erases else META))
        return
    after = content(project.path)
    must_be_kept(before, after, *OURS, "recruit_meta.cover")
    ids = {row["id"] for row in after["recruit.jobs"] if row["_deleted_at"] is None}
    assert ids - {None} == set(world.table("jobs"))
    (_,) = (row["title"] for row in after["recruit.jobs"] if row["title"] == changed["title"])
    assert project.sync(NAME, mode=Mode.full).merged.updated == 0


@pytest.mark.ring(2)
@settings(
    max_examples=sized(5, 5, 30),
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.one_of(*map(st.sampled_from, OBSTACLES)), st.booleans())
def test_whatever_stands_in_the_way_is_repaired_or_a_sentence(
    project: Project, begun: Path, statements: str, erases: bool
) -> None:
    survive(project, begun, statements, erases=erases)
