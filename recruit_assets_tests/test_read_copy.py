"""Readers never wait, and never block: the read copy in real runs.

The databases are made without compression, so that a search for bytes finds what is in them.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from recruit_assets import (
    ENDPOINTS,
    RecruitApi,
    RecruitComponent,
    RecruitDatabase,
    Settings,
    build_defs,
)
from recruit_assets.assets import SyncConfig, build_asset
from recruit_assets.errors import BadSetting
from recruit_assets.load.connection import connection
from recruit_assets.load.read_copy import public_columns, published_at
from recruit_assets.load.reading import reading
from recruit_assets.options import Mode
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.cli.test_command_line import environment
from recruit_assets_tests.conftest import BY_NAME, KEY, Project, settings_for
from recruit_assets_tests.syncing import resources
from recruit_assets_tests.test_erasure import PLAIN, found_in, planted

pytestmark = pytest.mark.ring(2)

SYNCS = 20

# Each reading is one snapshot: what the log of syncs says must be true of the tables.
READER = """
import duckdb, json, select, sys
opened, problems, published = 0, [], set()
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        with duckdb.connect(sys.argv[1], read_only=True) as reader:
            latest = reader.execute("SELECT endpoint, current_rows FROM recruit_meta.latest")
            for endpoint, rows in latest.fetchall():
                found = reader.execute(f"SELECT count(*) FROM recruit_now.{endpoint}").fetchone()
                if found != (rows,):
                    problems.append(f"{endpoint}: {found} for {rows}")
            published |= set(reader.execute("FROM recruit_meta.read_copy").fetchall())
            opened += 1
    except duckdb.Error as error:
        problems.append(str(error))
print(json.dumps({"opened": opened, "problems": problems, "published": len(published)}))
"""


@contextmanager
def reading_in_a_loop(copy: Path) -> Iterator[dict[str, Any]]:
    """What another process finds that opens the copy again and again while the block runs."""
    found: dict[str, Any] = {}
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(copy)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield found
        said, _ = process.communicate("stop\n")
    found |= json.loads(said)


def materialize(
    project: Project, copy: Path, *names: str, personal: bool = False
) -> dg.ExecuteInProcessResult:
    """Materialize endpoints in a real run that publishes a copy, and waits for no file."""
    database = RecruitDatabase(
        database=str(project.path),
        wait_seconds=0,
        connection_config=PLAIN,
        read_copy=str(copy),
        read_copy_personal=personal,
        read_copy_columns=public_columns(ENDPOINTS),
    )
    api = RecruitApi(first_wait=0, **settings_for(project.sandbox))
    return dg.materialize(
        [build_asset(BY_NAME[name], read_copy=True) for name in names],
        resources=resources(database, api),
        instance=project.instance,
        run_config=dg.RunConfig({name: SyncConfig(mode=Mode.full) for name in names}),
    )


def logged(project: Project, result: dg.ExecuteInProcessResult) -> list[str]:
    """The messages of a run that are no events."""
    entries = project.instance.all_logs(result.run_id)
    return [each.user_message for each in entries if not each.is_dagster_event]


@pytest.mark.ring(3)
def test_a_reader_is_never_refused_and_syncs_never_wait_for_it(
    project: Project, tmp_path: Path
) -> None:
    names, world = ("departments", "locations"), project.sandbox.world
    copy = tmp_path / "copy.duckdb"
    materialize(project, copy, *names)
    with reading_in_a_loop(copy) as found:
        for number in range(SYNCS):
            for name in names:
                id_ = world.add(name, {"name": f"Number {number}"})
                if number % 2:
                    world.remove(name, id_)
            result = materialize(project, copy, *names)  # with `wait_seconds=0`
            assert f"The read copy was published: {copy}" in logged(project, result)
    assert found["problems"] == []
    assert found["opened"] > 1
    assert found["published"] > 1
    count = "SELECT count(*) FROM recruit_meta.syncs"
    assert project.query(count) == [(2 * (SYNCS + 1),)]


@pytest.mark.parametrize("personal", [False, True])
def test_personal_values_are_in_the_copy_only_if_asked_for_and_never_after_their_erasure(
    project: Project, tmp_path: Path, personal: bool
) -> None:
    copy = tmp_path / "readers" / "copy.duckdb"
    copy.parent.mkdir()
    world = project.sandbox.world
    ids = sorted(world.table("candidates"))
    for number, id_ in enumerate(ids[:3]):
        world.change("candidates", id_, planted(number) | {"shoe-size": f"Zyxgone{number}unknown"})
    materialize(project, copy, "candidates", personal=personal)
    assert found_in(project.path) == {project.path.name}  # the positive control
    assert found_in(copy.parent) == ({copy.name} if personal else set())
    before = published_at(str(copy), 0)
    assert before

    for id_ in ids[:3]:
        world.remove("candidates", id_)
    materialize(project, copy, "candidates", personal=personal)
    assert found_in(project.path, copy.parent) == set()
    after = published_at(str(copy), 0)
    assert after
    assert after > before


def test_a_copy_that_cannot_be_written_fails_a_check_and_not_the_sync(
    project: Project, tmp_path: Path
) -> None:
    copy = tmp_path / "none" / "copy.duckdb"
    result = materialize(project, copy, "departments")
    assert result.success
    assert project.counts_of("departments") == project.sandbox.world.count("departments")
    (problem,) = (each for each in logged(project, result) if "was not published" in each)
    assert f"There is no folder {copy.parent}" in problem

    def checked() -> tuple[bool, str | None]:
        run = materialize(project, copy, "candidates")
        (found,) = (
            each
            for each in run.get_asset_check_evaluations()
            if each.check_name == "read_copy_is_published"
        )
        assert run.success
        return found.passed, found.description

    assert checked() == (True, None)  # that run may not have ended
    with connection(str(project.path), {}, 1) as database:
        database.execute("UPDATE recruit_meta.syncs SET finished = finished - INTERVAL 1 HOUR")
    passed, why = checked()
    assert not passed
    assert "lacks 2 syncs" in str(why)
    copy.parent.mkdir()
    checked()  # which publishes at its end
    assert checked() == (True, None)


def test_only_an_account_with_a_copy_has_its_check(tmp_path: Path) -> None:
    def checks(settings: Settings) -> set[str]:
        graph = build_defs(settings).resolve_asset_graph()
        return {key.name for key in graph.asset_check_keys}

    name, copy = "read_copy_is_published", str(tmp_path / "copy.duckdb")
    assert name not in checks(Settings())
    assert name in checks(Settings(read_copy=copy))
    with pytest.raises(BadSetting, match="The read copy is the database itself"):
        build_defs(Settings(database=copy, read_copy=f"{tmp_path}/./copy.duckdb"))


@pytest.mark.parametrize(
    ("other", "clashes"),
    [
        ("RECRUIT_ACME_DATABASE", True),
        ("RECRUIT_GLOBEX_DATABASE", True),
        ("RECRUIT_GLOBEX_READ_COPY", True),
        ("RECRUIT_DATABASE", False),
    ],
)
def test_the_copy_of_one_account_is_no_file_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str, clashes: bool
) -> None:
    copy = str(tmp_path / "x.duckdb")
    monkeypatch.setenv("RECRUIT_ACCOUNTS", "acme,globex")
    for account in ("ACME", "GLOBEX"):
        monkeypatch.setenv(f"RECRUIT_{account}_API_KEY", KEY)
    monkeypatch.setenv("RECRUIT_ACME_READ_COPY", copy)
    monkeypatch.setenv(other, copy)
    settings = Settings.from_environment("acme")
    said = [f"RECRUIT_ACME_READ_COPY and {other} are one file: set RECRUIT_ACME_READ_COPY to one "]
    assert settings.problems == [f"{each}of its own." for each in said if clashes]
    assert settings.read_copy == ("" if clashes else copy)


@pytest.mark.ring(3)
def test_the_commands_show_the_copy(sandbox: Sandbox, tmp_path: Path) -> None:
    env = environment(sandbox, tmp_path)

    def typed(*words: str, copy: str) -> tuple[int, str]:
        ended = subprocess.run(
            [Path(sys.executable).with_name("recruit-assets"), *words],
            cwd=tmp_path,
            env=env | {"RECRUIT_READ_COPY": copy, "COLUMNS": "300"},
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.returncode, ended.stdout

    code, said = typed("sync", "--select", "departments", copy="none/copy.duckdb")
    assert code == 1
    assert "Failed in " in said
    assert "The read copy was not published, so readers have the old one, if any: There is" in said
    code, said = typed("doctor", copy="none/copy.duckdb")
    assert code == 1
    assert "Read copy: none/copy.duckdb, published not yet." in said

    code, said = typed("sync", "--select", "departments", copy="copy.duckdb")
    assert (code, "read copy" in said) == (0, False)
    for command in ("doctor", "status"):
        _, said = typed(command, copy="copy.duckdb")
        assert "Read copy: copy.duckdb, published 20" in said
        _, said = typed(command, "--json", copy="copy.duckdb")
        found = json.loads(said)["read_copy"]
        assert (found["path"], found["problem"]) == ("copy.duckdb", None)
        _, said = typed(command, "--json", copy="")
        assert "read_copy" not in json.loads(said)


@pytest.mark.ring(3)
@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated")  # called by Dagster
def test_the_component_publishes_the_copy_that_its_yaml_names(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    component = RecruitComponent.resolve_from_yaml(
        f"""
        key_prefix: acme
        endpoints: [departments]
        marts: false
        settings:
          base_url: {project.sandbox.base_url}
          database: {project.path}
          read_copy: {tmp_path / "copy.duckdb"}
          requests_per_10s: 0
        """
    )
    defs = component.build_defs(dg.ComponentTree.for_test().load_context)
    job = defs.resolve_job_def("acme_full_sync")
    assert job.execute_in_process(instance=project.instance).success
    with reading(str(tmp_path / "copy.duckdb"), 1) as copy:
        found = copy.execute("SELECT count(*) FROM recruit_now.departments").fetchall()
    assert found == [(project.sandbox.world.count("departments"),)]
