"""The jobs `export_person` and `forget_person`, and what Dagster stores of them."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from recruit_assets_tests.conftest import Project
from recruit_assets_tests.person.persons import NAMES, PLAIN, crowd, planted_in, run_job, typed

pytestmark = pytest.mark.ring(3)


def test_the_jobs_take_an_id_and_nothing_personal_is_logged(
    project: Project, tmp_path: Path
) -> None:
    id_ = crowd(project.sandbox.world, email="Zyxada@example.com")
    project.config = PLAIN
    for name in NAMES:
        project.sync(name)
    file = tmp_path / "ada.json"
    done = run_job(project, "export_person", {"person": int(id_), "file": str(file)})
    assert done.success
    assert "Zyxada" in file.read_text()
    file.unlink()
    done = run_job(project, "forget_person", {"person": int(id_)})
    assert done.success
    logs = project.instance.all_logs(done.run_id)
    assert "Zyx" not in str(logs)
    assert any("were erased, from the bytes" in each.user_message for each in logs)
    assert planted_in(tmp_path) == set()
    assert project.query("SELECT count(*) FROM recruit_meta.forgotten") == [(8,)]


def test_dagster_stores_no_address_of_a_job_that_it_refuses_or_of_the_command(
    project: Project,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = "Zyxada@example.com"
    crowd(project.sandbox.world, email=address)
    project.sync("candidates")
    home, file = tmp_path / "home", str(tmp_path / "person.json")
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        stored = replace(project, instance=instance)
        for name, more in (("export_person", {"file": file}), ("forget_person", {})):
            with pytest.raises(dg.DagsterInvalidConfigError):
                run_job(stored, name, {"person": address, **more})
        assert instance.get_runs() == []
        assert not run_job(
            stored, "export_person", {"person": 0, "file": f"{file}-Zyxfile"}
        ).success
        code, said = typed(project, capsys, monkeypatch, address, "--forget", "--yes")
        assert (code, "erased" in said) == (0, True)
    found = b"".join(each.read_bytes() for each in home.rglob("*") if each.is_file())
    assert b"Zyxfile" in found  # the positive control
    assert b"Zyxada" not in found
