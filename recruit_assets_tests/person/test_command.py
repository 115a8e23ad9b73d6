"""The command `person` asks before it erases, and says what it did."""

import json
from io import StringIO
from pathlib import Path

import pytest

from recruit_assets.cli.main import main
from recruit_assets.load.read_copy import publish
from recruit_assets.load.reading import reading
from recruit_assets.load.schema import table_exists
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.person.persons import (
    PERSON,
    PLAIN,
    crowd,
    current,
    planted_in,
    run_job,
    typed,
)

pytestmark = pytest.mark.ring(2)


@pytest.mark.ring(3)
def test_the_command_asks_before_it_forgets(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = crowd(project.sandbox.world, email="ada@example.com")
    project.sync(PERSON)
    monkeypatch.setattr("sys.stdin", StringIO("1"))
    code, said = typed(project, capsys, monkeypatch, id_, "--forget")
    assert (code, "Confirm with --yes." in said) == (1, True)
    assert id_ in current(project, PERSON)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    code, said = typed(project, capsys, monkeypatch, id_, "--forget")
    assert (code, "That is not the id" in said) == (1, True)
    monkeypatch.setattr("sys.stdin", StringIO(id_))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    code, said = typed(project, capsys, monkeypatch, "ADA@example.com", "--forget")
    assert (code, "1 row of 1 table was erased" in said) == (0, True)
    code, said = typed(project, capsys, monkeypatch, id_, "--forget", "--yes")
    assert (code, "was forgotten already" in said) == (0, True)
    code, said = typed(project, capsys, monkeypatch, "ada@example.com", "--forget", "--yes")
    assert (code, "No candidate in the tables" in said) == (1, True)

    assert main(["status"]) == 1
    assert "Forgotten persons: 1. Syncs leave out 1 record of" in capsys.readouterr().out
    assert main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["forgotten"] == {"persons": 1, "records": 1}

    code, said = typed(project, capsys, monkeypatch, id_, "--remember")
    assert (code, "bring back what the API still has: candidates." in said) == (0, True)
    code, said = typed(project, capsys, monkeypatch, id_, "--remember")
    assert (code, "No candidate with this id is forgotten" in said) == (1, True)


@pytest.mark.ring(3)
@pytest.mark.parametrize("by", ["command", "job"])
def test_a_copy_for_readers_is_published_without_the_person(
    project: Project,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    id_ = crowd(project.sandbox.world, email="Zyxada@example.com")
    project.config = PLAIN
    project.sync(PERSON)
    target = tmp_path / "copy.duckdb"
    publish(str(project.path), str(target), 1, PLAIN, None)
    assert planted_in(tmp_path) == {project.path.name, target.name}
    if by == "command":
        monkeypatch.setenv("RECRUIT_READ_COPY", str(target))
        monkeypatch.setenv("RECRUIT_READ_COPY_PERSONAL", "true")
        code, said = typed(project, capsys, monkeypatch, id_, "--forget", "--yes")
        assert (code, "The read copy was published without the person." in said) == (0, True)
    else:
        about = {"read_copy": str(target), "read_copy_personal": True}
        assert run_job(project, "forget_person", {"person": int(id_)}, **about).success
    assert planted_in(tmp_path) == set()
    with reading(str(target), 1) as copied:
        left = copied.execute("SELECT id FROM recruit_now.candidates").fetchall()
        assert not table_exists(copied, "salt", "recruit_meta")
        assert not table_exists(copied, "forgotten", "recruit_meta")
    assert left
    assert (id_,) not in left
    ((secret,),) = project.query("SELECT salt FROM recruit_meta.salt")
    assert secret.encode() in project.path.read_bytes()
    assert secret.encode() not in target.read_bytes()


@pytest.mark.ring(3)
@pytest.mark.parametrize(
    ("copies", "why"),
    [
        (("same", "same"), "ACME_READ_COPY and RECRUIT_GLOBEX_READ_COPY are one file: set RECRUIT"),
        (("none/copy", ""), "There is no folder "),
        (("thesis.txt", ""), "thesis.txt is no read copy, so it is not replaced: move it, or give"),
    ],
)
def test_a_copy_that_cannot_be_published_may_still_have_the_person(
    project: Project,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    copies: tuple[str, str],
    why: str,
) -> None:
    id_ = crowd(project.sandbox.world)
    project.sync(PERSON)
    monkeypatch.chdir(project.path.parent)
    Path("thesis.txt").write_text("Years of work")
    monkeypatch.setenv("RECRUIT_ACCOUNTS", "acme,globex")
    monkeypatch.setenv("RECRUIT_ACME_DATABASE", str(project.path))
    for account, copy in zip(("ACME", "GLOBEX"), copies, strict=True):
        monkeypatch.setenv(f"RECRUIT_{account}_READ_COPY", copy)
    own = ("--account", "acme")
    code, said = typed(project, capsys, monkeypatch, id_, *own, "--forget", "--yes")
    assert code == 2
    assert "1 row of 1 table was erased" in said
    sentence = "so the person may still be in the one that readers have: "
    assert f"The read copy was not published again, {sentence}" in " ".join(said.split())
    assert why in " ".join(said.split())
