"""Everything about one person in a file, compared with what the API has."""

import json
import re
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from recruit_assets_tests.conftest import KEY, Project
from recruit_assets_tests.person.persons import (
    LEADS,
    NAMES,
    PERSON,
    crowd,
    forget,
    typed,
)

pytestmark = pytest.mark.ring(2)


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
    for name in NAMES:
        project.sync(name)
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

    for there in (file, ".", "/"):
        code, said = typed(project, capsys, monkeypatch, id_, "--export", str(there))
        assert (code, "exists already" in said) == (1, True)
    assert json.loads(file.read_text()) == exported
    assert [each.name for each in tmp_path.iterdir() if "json" in each.name] == ["ada.json"]


@pytest.mark.ring(3)
def test_what_is_left_of_an_erased_person_is_exported(
    project: Project,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    id_ = crowd(project.sandbox.world, email="Zyxada@example.com")
    for name in NAMES:
        project.sync(name)
    forget(project, id_)
    code, said = typed(project, capsys, monkeypatch, id_, "--export", str(tmp_path / "x.json"))
    assert code == 0
    assert "The person was erased before: these are the rows that are left." in said
    left = (tmp_path / "x.json").read_text()
    assert "Zyx" not in left
    assert set(json.loads(left)["tables"]) >= {f"recruit.{name}" for name in NAMES}
