"""One person, seen from outside: listed, exported, forgotten and remembered."""

import json
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from io import StringIO
from pathlib import Path
from shutil import copy
from typing import Any

import dagster as dg
import duckdb
import hypothesis
import pytest
import requests
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from recruit_assets import Settings, build_defs
from recruit_assets.catalogue import DeletionPolicy
from recruit_assets.checks import CheckContext, complete
from recruit_assets.cli.main import main
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import ConfirmationRequired, DatabaseProblem, PersonUnclear
from recruit_assets.load.connection import connection
from recruit_assets.load.erasure import Pending, pending
from recruit_assets.load.read_copy import publish
from recruit_assets.load.reading import reading
from recruit_assets.load.schema import table_exists
from recruit_assets.load.state import last_syncs
from recruit_assets.options import Mode
from recruit_assets.person import File, find, only, remember
from recruit_assets.person import forget as forget_person
from recruit_assets.sandbox import Rules, Sandbox, World
from recruit_assets_tests.conftest import BY_NAME, KEY, Project, served
from recruit_assets_tests.rings import sized

pytestmark = pytest.mark.ring(2)

PLAIN = {"force_compression": "uncompressed"}  # or a search for bytes misses most texts
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


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The API of a company with few candidates."""
    with served(Sandbox(candidates=3, rules=Rules(key=KEY))) as sandbox:
        yield sandbox


NAMES = [PERSON, *(path.replace("-", "_") for path in LEADS)]


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
    world.add("questions", {"title": "Why us?"}, {"candidate": id_})
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
    assert (code, "rows of" in said) == (0, True), said
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


def current(project: Project, table: str) -> set[str]:
    found = project.query(f"SELECT id FROM recruit.{table} WHERE _deleted_at IS NULL")
    return {id_ for (id_,) in found}


def asked_by_id(project: Project) -> list[str]:
    """The paths of requests for one record."""
    return [each.path for each in project.sandbox.requests if "/" in each.path]


def planted_in(folder: Path) -> set[str]:
    """Files with planted bytes."""
    files = (each for each in folder.rglob("*") if each.is_file())
    return {each.name for each in files if b"Zyx" in each.read_bytes()}


def forget(project: Project, id_: str) -> str:
    file = File(str(project.path), config=project.config)
    return forget_person(file, ENDPOINTS, only(find(file, ENDPOINTS, id_)), "by hand")


def test_forgotten_for_good(project: Project, tmp_path: Path) -> None:
    world, project.config = project.sandbox.world, PLAIN
    project.deleted_rows = DeletionPolicy.keep
    id_ = crowd(world, email="Zyxada@example.com", phone={"odd": "Zyxphone"}, odd="Zyxodd")
    gone = world.add("notes", {"note": "Zyxgone"}, {"candidate": id_, "user": None})
    for name in NAMES:
        project.sync(name)
    world.remove("notes", gone)
    project.sync("notes", mode=Mode.full)
    assert f"notes/{gone}" in asked_by_id(project)
    assert planted_in(tmp_path) == {project.path.name}  # the positive control
    before = {name: current(project, name) for name in NAMES}
    for endpoints in (ENDPOINTS, ENDPOINTS[::-1]):
        assert only(find(File(str(project.path)), endpoints, id_)).records == 9

    said = forget(project, id_)
    assert said.startswith("9 rows of 8 tables were erased")
    assert planted_in(tmp_path) == set()
    assert pending_in(project) is None
    ended = "SELECT count(*) FROM recruit_history.job_offers WHERE valid_to IS NULL"
    assert project.query(ended) == [(len(before["job_offers"]) - 1,)]
    mine = {name: before[name] - current(project, name) for name in NAMES}
    assert {name: len(ids) for name, ids in mine.items()} == dict.fromkeys(NAMES, 1)

    world.add("notes", {"note": "Zyxmore"}, {"candidate": id_, "user": None})
    later = world.add("job-applications", {"cover-letter": "Zyxlater"}, {"candidate": id_})
    world.add("job-offers", {"details": {"a": "Zyxlater"}}, {"job-application": later})
    for mode in [*[Mode.full, *[Mode.auto] * 8] * sized(0, 0, 1), Mode.auto, Mode.full]:
        project.sandbox.clear_requests()
        for name in NAMES:
            result = project.sync(name, mode=mode)
            assert result.report.verdict.proven
            assert (result.deleted, result.kept, result.gone) == (0, 0, [])
            assert current(project, name) == before[name] - mine[name]
            (changed,) = mine[name]  # so that an incremental sync reads it
            world.change(name.replace("_", "-"), changed)
        assert not asked_by_id(project)
        assert planted_in(tmp_path) == set()
    assert result.merged.inserted == 0


@pytest.mark.ring(3)
def test_a_check_that_compares_rows_does_not_warn_of_the_forgotten(project: Project) -> None:
    for id_ in list(project.sandbox.world.table("todos")):
        project.sandbox.world.remove("todos", id_)
    for _ in range(2):
        project.sandbox.world.add("todos")
    person = crowd(project.sandbox.world)
    project.sync("candidates")
    project.sync("todos")
    project.sync("todos")
    forget(project, person)
    for _ in range(2):
        with reading(str(project.path), 1) as database:
            table = CheckContext(
                database, BY_NAME["todos"], last_syncs(database, BY_NAME["todos"], 2)
            )
            found = complete(table)
        assert found.passed, found.message
        assert found.numbers["rows"] == found.numbers["rows_before"] == 2
        assert found.numbers["forgotten"] == 1
        project.sync("todos", mode=Mode.full)


def test_a_sync_that_began_before_does_not_bring_the_person_back(project: Project) -> None:
    id_ = crowd(project.sandbox.world, email="Zyxada@example.com")
    project.sync(PERSON)
    project.sandbox.world.change(PERSON, id_, {"pitch": "Zyxpitch"})
    project.sandbox.before(PERSON, lambda _: forget(project, id_) and None)
    result = project.sync(PERSON, mode=Mode.full)
    assert result.report.verdict.value == "complete"
    assert id_ not in current(project, PERSON)
    assert project.query(f"SELECT email, pitch FROM recruit.candidates WHERE id = '{id_}'") == [
        (None, None)
    ]


@pytest.mark.ring(3)
def test_a_record_that_comes_to_lead_to_a_forgotten_person_is_erased(project: Project) -> None:
    world = project.sandbox.world
    person, other = crowd(world), crowd(world)
    cursor = "SELECT cursor FROM recruit_meta.latest WHERE endpoint = 'nps_responses'"
    for name in NAMES:
        project.sync(name)
    forget(project, person)
    (application,) = [
        each["id"]
        for each in world.records("job-applications")
        if each["relationships"]["candidate"]["id"] == other
    ]
    (offer,) = [
        each["id"]
        for each in world.records("job-offers")
        if each["relationships"]["job-application"]["id"] == application
    ]
    world.change("job-applications", application, None, {"candidate": person})
    project.sandbox.clear_requests()
    result = project.sync("job_applications", mode=Mode.full)
    assert result.report.verdict.value == "complete"
    assert not asked_by_id(project)
    assert application not in current(project, "job_applications")
    assert offer not in current(project, "job_offers")  # in the same transaction
    row = f"SELECT details, _row_hash FROM recruit.job_offers WHERE id = '{offer}'"
    assert project.query(row) == [(None, None)]
    for name in NAMES:
        project.sync(name, mode=Mode.full)
    assert project.query(cursor) != [(None,)]
    assert offer not in current(project, "job_offers")

    # It was a mistake: the application returns, and what leads to it.
    world.change("job-applications", application, None, {"candidate": other})
    project.sync("job_applications")
    assert project.query(cursor) == [(None,)]  # the next sync reads the whole list
    for name in NAMES:
        project.sync(name)
    assert application in current(project, "job_applications")
    assert offer in current(project, "job_offers")
    assert project.query(row) != [(None, None)]
    assert person not in current(project, PERSON)


@pytest.mark.ring(3)
def test_a_remembered_person_returns_with_the_next_syncs(project: Project) -> None:
    world = project.sandbox.world
    id_ = crowd(world, email="ada@example.com")
    for name in NAMES:
        project.sync(name)
    before = {name: rows_of(project, name) for name in NAMES}
    forget(project, id_)
    for name in NAMES:
        project.sync(name)
    said = remember(File(str(project.path)), id_)
    assert said.endswith(f"{', '.join(sorted(NAMES))}.")
    for name in NAMES:
        result = project.sync(name)
        assert (result.mode, result.merged.undeleted) == (Mode.full, 1)
    assert {name: rows_of(project, name) for name in NAMES} == before
    assert project.query("SELECT count(*) FROM recruit_meta.forgotten") == [(0,)]
    with pytest.raises(PersonUnclear, match="No candidate with this id is forgotten"):
        remember(File(str(project.path)), id_)
    open_, all_ = project.query(
        "SELECT count(*) FILTER (valid_to IS NULL), count(*) FROM recruit_history.job_offers "
        f"SEMI JOIN (SELECT id FROM recruit.job_offers WHERE job_application_id IN (SELECT id FROM "
        f"recruit.job_applications WHERE candidate_id = '{id_}')) USING (id)"
    )[0]
    assert (open_, all_) == (1, 2)


def rows_of(project: Project, name: str) -> list[tuple[Any, ...]]:
    return project.query(f"SELECT * EXCLUDE (_loaded_at, _run_id) FROM recruit.{name} ORDER BY id")


def pending_in(project: Project) -> Pending | None:
    with reading(str(project.path), 1) as database:
        return pending(database)


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
    assert (code, "1 rows of 1 tables were erased" in said) == (0, True)
    code, said = typed(project, capsys, monkeypatch, id_, "--forget", "--yes")
    assert (code, "was forgotten already" in said) == (0, True)
    code, said = typed(project, capsys, monkeypatch, "ada@example.com", "--forget", "--yes")
    assert (code, "No candidate in the tables" in said) == (1, True)

    assert main(["status"]) == 1
    assert "Forgotten persons: 1. Syncs leave out 1 records" in capsys.readouterr().out
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
        assert run_job(project, "forget_person", {"person": id_}, **about).success
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
def test_a_hashed_address_is_found(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = crowd(project.sandbox.world, email="ada@example.com")
    project.policy = {"candidates": {"email": "hash"}}
    project.sync(PERSON)
    code, said = typed(project, capsys, monkeypatch, "ADA@example.com")
    assert (code, id_ in said.split()) == (0, True)
    forget(project, id_)
    project.sync(PERSON, mode=Mode.full)
    assert id_ not in current(project, PERSON)


@pytest.mark.ring(3)
def test_a_backup_from_before_has_no_list(project: Project, tmp_path: Path) -> None:
    """As documented: nothing in the file can say what a newer one had."""
    id_ = crowd(project.sandbox.world, email="Zyxada@example.com")
    project.sync(PERSON)
    backup = copy(project.path, tmp_path / "backup")
    forget(project, id_)
    project.sync(PERSON)
    copy(backup, project.path)
    project.sync(PERSON, mode=Mode.full)
    assert id_ in current(project, PERSON)
    forget(project, id_)
    project.sync(PERSON, mode=Mode.full)
    assert id_ not in current(project, PERSON)


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


@pytest.mark.ring(3)
def test_a_list_that_can_no_longer_be_compared_stops_syncs(
    project: Project,
) -> None:
    id_ = crowd(project.sandbox.world)
    project.sync(PERSON)
    forget(project, id_)
    project.sync("users")  # the list has nothing that its records lead to
    for spoilt, match in (
        ("UPDATE recruit_meta.salt SET salt = reverse(salt)", "made with another salt"),
        ("DROP TABLE recruit_meta.salt", "made with another salt"),
        ("ALTER TABLE recruit_meta.forgotten DROP COLUMN person_hash", "lacks person_hash"),
    ):
        with connection(str(project.path), {}, 1) as database:
            database.execute(spoilt)
        with pytest.raises(DatabaseProblem, match=match):
            project.sync(PERSON)
        assert id_ not in current(project, PERSON)


def run_job(
    project: Project, name: str, config: Mapping[str, str], **settings: Any
) -> dg.ExecuteInProcessResult:
    address = project.sandbox.base_url
    about = Settings(database=str(project.path), base_url=address, **settings)
    defs = build_defs(about, key_prefix="acme", sensors=False)
    op = {"export_person": "acme__write_person", "forget_person": "acme__erase_person"}[name]
    return defs.resolve_job_def(f"acme_{name}").execute_in_process(
        {"ops": {op: {"config": {**config}}}}, instance=project.instance, raise_on_error=False
    )


@pytest.mark.ring(3)
def test_the_jobs_take_an_id_and_nothing_personal_is_logged(
    project: Project, tmp_path: Path
) -> None:
    id_ = crowd(project.sandbox.world, email="Zyxada@example.com")
    project.config = PLAIN
    for name in NAMES:
        project.sync(name)
    file = tmp_path / "ada.json"
    for name, more in (("export_person", {"file": str(file)}), ("forget_person", {})):
        failed = run_job(project, name, {"person": "Zyxada@example.com", **more})
        assert not failed.success
        (failure,) = [e.step_failure_data for e in failed.all_node_events if e.is_step_failure]
        assert "person is an e-mail address, but Dagster stores" in str(failure)
        assert "Zyx" not in str(failed.all_events)
    assert not file.exists()
    done = run_job(project, "export_person", {"person": id_, "file": str(file)})
    assert done.success
    assert "Zyxada" in file.read_text()
    file.unlink()
    done = run_job(project, "forget_person", {"person": id_})
    assert done.success
    logs = project.instance.all_logs(done.run_id)
    assert "Zyx" not in str(logs)
    assert any("were erased, from the bytes" in each.user_message for each in logs)
    assert planted_in(tmp_path) == set()
    assert project.query("SELECT count(*) FROM recruit_meta.forgotten") == [(8,)]


WORLD = {  # of the property: type, and to whom its records can lead
    PERSON: (),
    "job-applications": ("candidate",),
    "nps-responses": ("candidate", "job-application"),
    "job-offers": ("job-application",),
}
steps = st.tuples(
    st.sampled_from(["add", "move", "remove", "forget", "remember", "sync", "sync", "sync"]),
    st.sampled_from(sorted(WORLD)),
    st.integers(0, 30),
    st.sampled_from(Mode),
)


class Play:
    """A world that changes, its persons, and what is forgotten."""

    def __init__(self, project: Project) -> None:
        self.project, self.world = project, project.sandbox.world
        self.forgotten: set[str] = set()
        for type_ in WORLD:
            for id_ in list(self.world.table(type_))[1:]:
                self.world.remove(type_, id_)

    def targets(self, type_: str, number: int) -> dict[str, str]:
        """One key of a record of a type, to a record that is there."""
        for name in WORLD[type_][number % 2 :]:
            if ids := list(self.world.table(f"{name}s")):
                return {name: ids[number % len(ids)]}
        return {}

    def step(self, what: str, type_: str, number: int, mode: Mode) -> None:
        ids, persons = list(self.world.table(type_)), list(self.world.table(PERSON))
        path = self.project.path
        if what == "sync":
            self.sync(type_, mode)
        elif what == "add":
            self.world.add(type_, None, self.targets(type_, number))
        elif what == "move" and ids and (targets := self.targets(type_, number)):
            moved = dict.fromkeys(WORLD[type_]) | targets
            self.world.change(type_, ids[number % len(ids)], None, moved)
        elif what == "remove" and len(ids) > 1:
            self.remove(type_, ids[number % len(ids)])
        elif what == "forget" and path.exists() and persons:
            with suppress(PersonUnclear):
                forget(self.project, persons[number % len(persons)])
                self.forgotten.add(persons[number % len(persons)])
        elif what == "remember" and self.forgotten:
            id_ = sorted(self.forgotten)[number % len(self.forgotten)]
            remember(File(str(path)), id_)
            self.forgotten.remove(id_)

    def remove(self, type_: str, id_: str) -> None:
        """Remove a record, and what leads to an application that would be on the list or not."""
        self.world.remove(type_, id_)
        if type_ == "job-applications":
            for other in ("nps-responses", "job-offers"):
                for record in self.world.records(other):
                    ref = record["relationships"]["job-application"]
                    if ref and ref["id"] == id_:
                        self.world.remove(other, record["id"])

    def sync(self, type_: str, mode: Mode) -> None:
        name = type_.replace("-", "_")
        try:
            result = self.project.sync(name, mode=mode)
        except ConfirmationRequired:
            result = self.project.sync(name, allow_mass_delete=True)
        assert result.report.verdict.proven

    def expected(self) -> dict[str, set[str]]:
        """The ids that each table should have, by the world and the forgotten persons."""
        left_out: dict[str, set[str]] = {}
        found = {}
        for type_, names in WORLD.items():
            out = self.forgotten & set(self.world.table(type_)) if type_ == PERSON else set()
            for record in self.world.records(type_):
                for name in names:
                    ref = record["relationships"][name]
                    # What is gone at the source stays forgotten as well.
                    known = self.forgotten if name == "candidate" else left_out[f"{name}s"]
                    if ref and ref["id"] in known:
                        out.add(record["id"])
            left_out[type_] = out
            found[type_] = set(self.world.table(type_)) - out
        return found


@pytest.mark.ring(3)
def test_the_tables_are_the_api_without_the_forgotten(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, instance: dg.DagsterInstance
) -> None:
    @hypothesis.settings(
        max_examples=sized(1, 1, 15), database=None, suppress_health_check=list(HealthCheck)
    )
    @given(story=st.lists(steps, min_size=6, max_size=20))
    def happen(story: list[tuple[str, str, int, Mode]]) -> None:
        path = tmp_path_factory.mktemp("world") / "x.duckdb"
        play = Play(Project(sandbox, path, instance))
        for type_ in WORLD:
            play.sync(type_, Mode.auto)
        for each in story:
            play.step(*each)
        order = [type_ for _, type_, *_ in story] + list(WORLD)
        for mode in (Mode.full, Mode.auto, Mode.auto):
            for type_ in dict.fromkeys(order):
                play.sync(type_, mode)
        for type_, ids in play.expected().items():
            name = type_.replace("-", "_")
            assert current(play.project, name) == ids, (type_, play.forgotten)
            erased = play.project.query(
                f"SELECT count(*) FROM recruit.{name} "
                "WHERE _deleted_at IS NOT NULL AND _row_hash IS NOT NULL"
            )
            assert erased == [(0,)]

    happen()
