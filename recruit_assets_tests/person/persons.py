"""Persons in a sandbox, and what is done about one of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from recruit_assets import Settings, build_defs
from recruit_assets.cli.main import main
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.erasure import Pending, pending
from recruit_assets.load.reading import reading
from recruit_assets.person import File, find, only
from recruit_assets.person import forget as forget_person
from recruit_assets.sandbox import World
from recruit_assets_tests.conftest import Project

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


def rows_of(project: Project, name: str) -> list[tuple[Any, ...]]:
    return project.query(f"SELECT * EXCLUDE (_loaded_at, _run_id) FROM recruit.{name} ORDER BY id")


def pending_in(project: Project) -> Pending | None:
    with reading(str(project.path), 1) as database:
        return pending(database)


def run_job(
    project: Project, name: str, config: Mapping[str, str | int], **settings: Any
) -> dg.ExecuteInProcessResult:
    address = project.sandbox.base_url
    about = Settings(database=str(project.path), base_url=address, **settings)
    defs = build_defs(about, key_prefix="acme", sensors=False)
    op = {"export_person": "acme__write_person", "forget_person": "acme__erase_person"}[name]
    return defs.resolve_job_def(f"acme_{name}").execute_in_process(
        {"ops": {op: {"config": {**config}}}}, instance=project.instance, raise_on_error=False
    )
