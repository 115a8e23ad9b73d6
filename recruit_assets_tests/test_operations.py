"""The services of `docs/operations.md` start what there is, and its backup can be restored."""

import re
import shlex
import subprocess
import sys
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import click
import dagster as dg
import pytest
import yaml

from recruit_assets.options import Mode
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.test_readme import PAGES, ROOT

pytestmark = pytest.mark.ring(2)
PAGE = PAGES["docs/operations.md"]
BLOCKS = dict(re.findall(r"```\w+ ([\w.-]+)\n(.+?)```", PAGE, re.DOTALL))
UNITS = [name for name in BLOCKS if name.endswith(".service")]
FOLDER = "/srv/recruit-assets"
NAMES = ("candidates", "departments", "job_applications")
# Where they are; the webserver takes a second to import, so only where it is needed.
PROGRAMS = {
    "dagster": "dagster._cli:create_dagster_cli",
    "dagster-daemon": "dagster._daemon.cli:create_dagster_daemon_cli",
    "dagster-webserver": "dagster_webserver.cli:create_dagster_webserver_cli",
}


def options(command: str) -> dict[str, Any]:
    """The options of a command, as Dagster parses them."""
    program, *words = shlex.split(command)
    found: Any = resolve_name(PROGRAMS[program])()
    while isinstance(found, click.Group):
        name, *words = words
        found = found.commands[name]
    given, rest, _ = found.make_parser(click.Context(found)).parse_args(words)
    assert not rest
    return dict(given)


@pytest.mark.parametrize("name", UNITS)
def test_the_services_start_what_there_is(name: str) -> None:
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(BLOCKS[name])
    service = unit["Service"]
    assert service["WorkingDirectory"] == FOLDER
    assert f"cd {FOLDER}\n" in PAGE
    assert service["Environment"] == f"DAGSTER_HOME={FOLDER}/dagster_home"
    assert (ROOT / "dagster_home" / "dagster.yaml").is_file()
    binaries, _, command = service["ExecStart"].rpartition("/.venv/bin/")
    assert binaries == FOLDER
    assert all((ROOT / path).is_file() for path in options(command)["workspace"])
    assert name.removesuffix(".service") in re.findall(r"systemctl enable --now (.+)", PAGE)[0]


def test_the_containers_start_what_there_is() -> None:
    services = yaml.safe_load(BLOCKS["compose.yaml"])["services"]
    found = {name: options(each["command"]) for name, each in services.items()}
    assert found.keys() == {"code", "webserver", "daemon"}
    module, port = found["code"]["module_name"], found["code"]["port"]
    assert find_spec(module)
    assert options(services["code"]["healthcheck"]["test"])["port"] == port
    for name in ("webserver", "daemon"):
        assert (found[name]["grpc_host"], found[name]["grpc_port"]) == ("code", port)
    (home,) = {each["environment"]["DAGSTER_HOME"] for each in services.values()}
    lines = services["code"]["build"]["dockerfile_inline"].splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY")]
    assert all((ROOT / source).exists() for sources in copied for source in sources)
    assert f"COPY dagster_home/dagster.yaml {home}/" in lines
    assert services["code"]["environment"]["RECRUIT_DATABASE"].startswith("/data/")


def killed(path: Path, sql: str) -> None:
    """Commit in a process that is then killed, so that the commit is in the log only."""
    code = "import duckdb, os, sys; db = duckdb.connect(sys.argv[1]); db.execute(sys.argv[2]); "
    code += "os._exit(1)"
    subprocess.run([sys.executable, "-c", code, path, sql], check=False)
    assert path.with_name(f"{path.name}.wal").stat().st_size


def rows(project: Project) -> dict[str, list[tuple[Any, ...]]]:
    return {
        name: project.query(
            f"SELECT id, _row_hash FROM recruit.{name} WHERE _deleted_at IS NULL ORDER BY id"
        )
        for name in NAMES
    }


def test_a_restored_backup_catches_up(
    sandbox: Sandbox, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    project = Project(sandbox, tmp_path / "recruitment.duckdb", instance)
    world, last = sandbox.world, NAMES[-1]
    before, after, changed, *_ = world.table("job-applications")
    for name in NAMES:
        project.sync(name)
    world.remove("job-applications", before)
    assert project.sync(last, mode=Mode.full).deleted == 1
    killed(project.path, "CREATE TABLE before AS SELECT 1 AS one")
    subprocess.run([sys.executable, "-c", BLOCKS["backup"]], cwd=tmp_path, check=True)

    world.remove("job-applications", after)
    world.change("job-applications", changed, {"cover-letter": "after the backup"})
    added = world.add("job-applications")
    assert project.sync(last, mode=Mode.full).deleted == 1
    killed(project.path, "CREATE TABLE after AS SELECT 1 AS one")
    subprocess.run(["sh", "-ec", BLOCKS["restore"]], cwd=tmp_path, check=True)

    restored = {id_ for id_, _ in rows(project)[last]}
    assert after in restored
    assert restored.isdisjoint({before, added})
    assert project.query("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'") == [
        ("before",)
    ]
    assert project.path.stat().st_mode & 0o777 == 0o600

    result = project.sync(last, mode=Mode.incremental)
    assert (result.merged.inserted, result.merged.updated, result.deleted) == (1, 1, 1)
    results = [project.sync(name, mode=Mode.full) for name in NAMES]
    assert [each.deleted for each in results] == [0, 0, 0]
    assert [each.merged.undeleted for each in results] == [0, 0, 0]
    fresh = Project(sandbox, tmp_path / "fresh.duckdb", instance)
    for name in NAMES:
        fresh.sync(name)
    assert rows(project) == rows(fresh)
