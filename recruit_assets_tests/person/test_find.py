"""Which candidate is meant by an id or an e-mail address."""

from pathlib import Path

import duckdb
import pytest

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.options import Mode
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.person.persons import (
    LEADS,
    PERSON,
    crowd,
    current,
    forget,
    typed,
)

pytestmark = pytest.mark.ring(2)


def test_two_candidates_with_one_address_are_listed_and_nothing_is_done(
    project: Project,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = project.sandbox.world
    first = world.add(PERSON, {"email": "twin@example.com", "first-name": "Zyxname"})
    second = world.add(PERSON, {"email": "TWIN@example.com "})
    project.sync(PERSON)
    for words in ([], ["--export", str(tmp_path / "x.json")]):
        code, said = typed(project, capsys, monkeypatch, "twin@example.com", *words)
        assert code == 1
        assert "2 candidates match, and nothing was done: name one by its id." in said
        assert {first, second} <= set(said.split())
        assert "Zyx" not in said
        assert "@" not in said
    assert not (tmp_path / "x.json").exists()
    code, said = typed(project, capsys, monkeypatch, second)
    assert code == 0
    assert "current" in said
    code, said = typed(project, capsys, monkeypatch, "nobody@example.com")
    assert code == 1
    assert "No candidate in the tables was found by this id or e-mail address: nothing was" in said


@pytest.mark.ring(2)
@pytest.mark.parametrize("has_row", [True, False])
def test_an_id_names_its_own_candidate_whatever_addresses_are(
    project: Project,
    has_row: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with deleted rows that were dropped: the rows that lead to the person are left."""
    id_ = crowd(project.sandbox.world, email="ada@example.com")
    other = project.sandbox.world.add(PERSON, {"email": id_, "first-name": "Zyxother"})
    for name in (PERSON, "notes"):
        project.sync(name)
    if not has_row:
        with duckdb.connect(str(project.path)) as database:
            database.execute("DELETE FROM recruit.candidates WHERE id = ?", [id_])
    code, said = typed(project, capsys, monkeypatch, id_)
    assert (code, "no row" in said, other in said.split()) == (0, not has_row, False)
    code, said = typed(project, capsys, monkeypatch, id_, "--forget", "--yes")
    assert (code, " erased, from the bytes" in said) == (0, True), said
    names = f"SELECT first_name FROM recruit.candidates WHERE id = '{other}'"
    assert project.query(names) == [("Zyxother",)]
    notes = "SELECT count(*) FROM recruit.notes WHERE note = 'Zyxnote'"
    assert project.query(notes) == [(0,)]
    for name in (PERSON, "notes"):
        project.sync(name, mode=Mode.full)
    assert project.query(notes) == [(0,)]
    assert id_ not in current(project, PERSON)
    assert other in current(project, PERSON)


def test_a_database_that_is_not_there_is_not_made(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = typed(project, capsys, monkeypatch, "1")
    assert (code, "run recruit-assets sync" in said) == (2, True)
    assert not project.path.exists()
    assert {each.name for each in ENDPOINTS} >= {path.replace("-", "_") for path in LEADS}


@pytest.mark.ring(3)
def test_a_hashed_address_is_found(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = crowd(project.sandbox.world, email="ada@example.com")
    project.policy = {"candidates": {"email": "hash"}}
    project.sync(PERSON)
    code, said = typed(project, capsys, monkeypatch, " ADA@example.com")
    assert (code, id_ in said.split()) == (0, True)
    forget(project, id_)
    project.sync(PERSON, mode=Mode.full)
    assert id_ not in current(project, PERSON)
