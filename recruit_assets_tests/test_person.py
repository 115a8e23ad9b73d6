"""One person, seen from outside: listed and exported."""

import json
import re
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from recruit_assets.cli.main import main
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.sandbox import World
from recruit_assets_tests.conftest import KEY, Project

pytestmark = pytest.mark.ring(2)

PERSON = "candidates"
# What leads to whom, written down apart from the catalogue.
LEADS = {
    "job-applications": ["candidate"],
    "notes": ["candidate"],
    "todos": ["candidate"],
    "referrals": ["candidate"],
    "questions": ["candidate"],
    "nps-responses": ["candidate", "job-application"],
    "job-offers": ["job-application"],
}


def typed(
    project: Project,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *words: str,
) -> tuple[int, str]:
    """The exit code and the output of the command `person`."""
    monkeypatch.setenv("RECRUIT_DATABASE", str(project.path))
    monkeypatch.setenv("COLUMNS", "200")
    code = main(["person", *words])
    return code, capsys.readouterr().out


def crowd(world: World, **attributes: Any) -> str:
    """Add a candidate with a record in every table that can lead to one; return its id."""
    user, job = min(world.table("users")), min(world.table("jobs"))
    id_ = world.add(PERSON, {name.replace("_", "-"): each for name, each in attributes.items()})
    application = world.add(
        "job-applications", {"cover-letter": "Zyxletter"}, {"candidate": id_, "job": job}
    )
    world.add("notes", {"note": "Zyxnote"}, {"candidate": id_, "user": user})
    world.add("todos", {"value": "Zyxtodo"}, {"candidate": id_, "user": user})
    world.add("referrals", {"comment": "Zyxcomment"}, {"candidate": id_})
    world.add("questions", {"title": "Zyxquestion"}, {"candidate": id_})
    world.add("nps-responses", {"feedback": "Zyxfeedback"}, {"job-application": application})
    world.add("job-offers", {"details": {"a": "Zyxoffer"}}, {"job-application": application})
    return id_


def from_the_api(project: Project, path: str) -> Iterator[dict[str, Any]]:
    """All records of a list, through HTTP, as a user's own script reads them."""
    include = ",".join(LEADS.get(path, ["department", "role", "locations", "regions", "division"]))
    url: str | None = f"{project.sandbox.base_url}{path}"
    if path == "notes":
        include = ""
    query: dict[str, Any] | None = {"page[size]": 30} | ({"include": include} if include else {})
    while url:
        answer = requests.get(
            url,
            query,
            headers={"api": KEY, "X-Api-Version": "20240904"},
            timeout=10,
        )
        answer.raise_for_status()
        document = answer.json()
        yield from document["data"]
        url, query = document["links"].get("next"), None


def target(record: dict[str, Any], name: str) -> str | None:
    """The id that a record names as its candidate or its application."""
    if (plain := record["attributes"].get(f"{name}-id")) is not None:
        return str(plain)
    data = (record.get("relationships") or {}).get(name, {}).get("data")
    return data["id"] if data else None


def collected(project: Project, id_: str) -> dict[str, dict[str, dict[str, Any]]]:
    """The attributes of all records of a person, by path and id, from the API alone."""
    lists = {path: list(from_the_api(project, path)) for path in (PERSON, *LEADS)}
    ours = {PERSON: {id_}}
    for path, names in LEADS.items():  # applications are first
        targets = {"candidate": ours[PERSON], "job-application": ours.get("job-applications")}
        ours[path] = {
            each["id"]
            for each in lists[path]
            if any(target(each, name) in (targets[name] or ()) for name in names)
        }
    return {
        path: {each["id"]: each["attributes"] for each in lists[path] if each["id"] in ids}
        for path, ids in ours.items()
        if ids
    }


def same(value: Any, exported: Any) -> bool:
    """Whether a value of the API and an exported one are equal, up to the spelling of times."""
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        return datetime.fromisoformat(value) == datetime.fromisoformat(str(exported))
    # A key that is a number is stored as a text.
    return bool(value == exported or (isinstance(value, int) and str(value) == exported))


def test_an_export_is_what_a_script_collects_from_the_api(
    project: Project,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = project.sandbox.world
    id_ = crowd(world, email="Ada@example.com", phone={"odd": "Zyxphone"})
    world.change(PERSON, id_, {f"extra-{number}": f"Zyx{number}" for number in range(210)})
    project.sync_all()
    application = project.query(
        f"SELECT id FROM recruit.job_applications WHERE candidate_id = '{id_}'"
    )[0][0]
    world.change("job-applications", application, {"rejected-at": "2026-01-02T03:04:05Z"})
    project.sync("job_applications")

    file = tmp_path / "ada.json"
    code, said = typed(project, capsys, monkeypatch, "ada@EXAMPLE.com", "--export", str(file))
    assert code == 0, said
    assert "rows of" in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    exported = json.loads(file.read_text())
    assert exported["person"]["id"] == id_
    expected = collected(project, id_)
    assert set(expected) == {PERSON, *LEADS}
    found = {path: exported["tables"][f"recruit.{path.replace('-', '_')}"] for path in expected}
    for path, records in expected.items():
        rows = {each["values"]["id"]: each for each in found[path]}
        assert rows.keys() == records.keys()
        for record, attributes in records.items():
            values, row = rows[record]["values"], rows[record]
            assert row["url"] == f"{project.sandbox.base_url}{path}/{record}"
            assert row["run_id"]
            assert row["loaded_at"]
            unparsed, more = values["_unparsed"] or {}, values.get("_more") or {}
            for name, value in attributes.items():
                column = name.replace("-", "_")
                kept = values.get(column, more.get(name))
                kept = unparsed.get(column, kept)
                assert same(value, kept), (path, name, value, kept)
    assert len(exported["tables"]["recruit_history.job_applications"]) == 2
    assert "Zyx209" in file.read_text()  # beyond the columns, in _more

    code, said = typed(project, capsys, monkeypatch, id_, "--export", str(file))
    assert (code, "exists already" in said) == (1, True)
    assert json.loads(file.read_text()) == exported
    assert [each.name for each in tmp_path.iterdir() if "json" in each.name] == ["ada.json"]


def test_two_candidates_with_one_address_are_listed_and_nothing_is_done(
    project: Project,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = project.sandbox.world
    first = world.add(PERSON, {"email": "twin@example.com", "first-name": "Zyxname"})
    second = world.add(PERSON, {"email": "TWIN@example.com"})
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
    assert (code, said.strip()) == (
        1,
        "No candidate in the tables has this id or e-mail address: nothing was done.",
    )


def test_a_database_that_is_not_there_is_not_made(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = typed(project, capsys, monkeypatch, "1")
    assert (code, "run recruit-assets sync" in said) == (2, True)
    assert not project.path.exists()
    assert {each.name for each in ENDPOINTS} >= {path.replace("-", "_") for path in LEADS}
