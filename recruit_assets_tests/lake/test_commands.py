"""What a user does with a lake: sync, look, find and forget, compact; no secret in any of it."""

import json
import logging
from pathlib import Path

import dagster as dg
import pytest

from recruit_assets import Settings, build_defs
from recruit_assets.cli.main import main
from recruit_assets.errors import BadSetting
from recruit_assets.load.connection import connection
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.refresh import refresh_marts
from recruit_assets.marts.report import report_path
from recruit_assets_tests import lakes
from recruit_assets_tests.conftest import KEY, Project
from recruit_assets_tests.person.persons import PERSON, crowd, pending_in
from recruit_assets_tests.postgres import Cluster

pytestmark = pytest.mark.ring(2)
PASSWORD = "hunter2-nobody-may-see"
GUARDED = "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD '{}'"


@pytest.fixture
def settings(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The settings of a user with this lake."""
    (tmp_path / "parquet").mkdir()
    for name, value in {
        "RECRUIT_DATABASE": str(project.path),
        "RECRUIT_API_BASE_URL": project.sandbox.base_url,
        "RECRUIT_API_KEY": KEY,
        "RECRUIT_API_REQUESTS_PER_10S": "0",
        "RECRUIT_PARQUET_FOLDER": str(tmp_path / "parquet"),
        "COLUMNS": "300",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return Settings.from_environment()


def run(project: Project, settings: Settings, job: str) -> dg.ExecuteInProcessResult:
    found = build_defs(settings).resolve_job_def(job)
    return found.execute_in_process(instance=project.instance)


def test_a_day_with_a_lake(
    project: Project, settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    id_ = crowd(project.sandbox.world, first_name="Zyxada", email="Zyxada@example.com")
    assert main(["doctor"]) in (0, 1)
    assert "ducklake:postgres" in capsys.readouterr().out
    assert run(project, settings, "sync").success
    assert report_path(str(project.path)).exists()
    assert {each.suffix for each in (tmp_path / "parquet").iterdir()} == {".parquet"}

    with connection(str(project.path), {}, 1) as database:
        assert all(each.kept_since for each in refresh_marts(database, MARTS))

    capsys.readouterr()
    assert main(["status", "--json"]) in (0, 1)
    tables = json.loads(capsys.readouterr().out)["tables"]
    rows = {each["table"]: each["rows"] for each in tables}
    assert rows == {**rows, **project.counts()}
    assert main(["person", id_]) == 0
    assert main(["person", id_, "--forget", "--yes"]) == 0
    assert "were erased" in capsys.readouterr().out
    assert pending_in(project) is None
    assert project.query(f"SELECT first_name FROM recruit.{PERSON} WHERE id = '{id_}'") == [(None,)]
    assert run(project, settings, "compact").success


def test_a_read_copy_of_a_lake_is_refused(
    project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = "a lake has no read copy, as it can be read while it is written: do not set it."
    copy = str(tmp_path / "copy.duckdb")
    with pytest.raises(BadSetting, match=said):
        build_defs(settings.model_copy(update={"read_copy": copy}))
    monkeypatch.setenv("RECRUIT_READ_COPY", copy)
    found = Settings.from_environment()
    assert found.problems == [f"RECRUIT_READ_COPY: {said}"]
    assert found.read_copy == ""
    monkeypatch.setenv("RECRUIT_DATABASE", str(tmp_path / "file.duckdb"))
    assert Settings.from_environment().problems == []


def test_a_password_is_shown_nowhere(  # noqa: PLR0917 - fixtures
    project: Project,
    settings: Settings,
    own_cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    own_cluster.sql(GUARDED.format(PASSWORD))
    access = own_cluster.folder / "data" / "pg_hba.conf"
    access.write_text(f"local all guarded scram-sha-256\n{access.read_text()}")
    own_cluster.sql("SELECT pg_reload_conf()")
    address = str(lakes.lake_at(tmp_path / "guarded", own_cluster)).replace("recruit", "guarded", 1)
    monkeypatch.setenv("RECRUIT_DATABASE", address)
    with caplog.at_level(logging.DEBUG):
        for password in (f"{PASSWORD}-not", PASSWORD):  # the first is refused
            monkeypatch.setenv("PGPASSWORD", password)
            found = Settings.from_environment()
            job = build_defs(found, marts=False).resolve_job_def("sync")
            selected = [dg.AssetKey("users")]
            result = job.execute_in_process(
                instance=project.instance, raise_on_error=False, asset_selection=selected
            )
            assert result.success is (password == PASSWORD)
            main(["doctor"])
            main(["status"])
            shown = [
                *map(str, project.instance.all_logs(result.run_id)),
                str(project.instance.get_run_by_id(result.run_id)),
            ]
            out, err = capfd.readouterr()
            shown += [out, err, caplog.text, found.model_dump_json()]
            assert "guarded" in "".join(shown)
            assert PASSWORD not in "".join(shown)
    assert PASSWORD not in own_cluster.dump(lakes.schema_of(tmp_path / "guarded"))
