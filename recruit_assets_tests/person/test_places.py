"""A person's values in every place, under each policy, from the first sync to a restored backup.

The databases are made without compression, so that a search for bytes finds what is in them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copy
from typing import Any

import dagster as dg
import pytest

from recruit_assets import RecruitDatabase, Settings, build_defs
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.person import File, export, find, forget, only
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import KEY
from recruit_assets_tests.person.persons import PERSON, PLAIN, crowd

pytestmark = pytest.mark.ring(3)

PERSONAL, HARMLESS = b"Zyx", b"Plainly"  # the second is in the names of departments


@dataclass(frozen=True)
class Places:
    """An account whose runs write to folders of their own, under one policy."""

    sandbox: Sandbox
    folder: Path
    instance: dg.DagsterInstance
    policy: str

    @property
    def file(self) -> File:
        return File(str(self.folder / "data" / "x.duckdb"), config=PLAIN)

    def run(self, job: str) -> None:
        """Run a job that reads every endpoint, builds the report and publishes the read copy."""
        readers = str(self.folder / "readers" / "copy.duckdb")
        settings = Settings(
            base_url=self.sandbox.base_url,
            database=self.file.path,
            requests_per_10s=0,
            column_policy={"personal": self.policy},
            read_copy=readers,
            read_copy_personal=True,
        )
        database = RecruitDatabase(
            database=self.file.path,
            connection_config=PLAIN,
            read_copy=readers,
            read_copy_personal=True,
        )
        defs = build_defs(settings, resources={"database": database})
        result = defs.resolve_job_def(job).execute_in_process(instance=self.instance)
        assert result.asset_materializations_for_node("report")

    def having(self, text: bytes) -> set[str]:
        """The files and folders of the account that have a text."""
        files = [each for each in self.folder.rglob("*") if each.is_file()]
        return {self._place(each) for each in files if text in each.read_bytes()}

    def _place(self, file: Path) -> str:
        top = file.relative_to(self.folder).parts[0]
        return top if top in ("home", "temporary") else file.name


@pytest.fixture(params=["keep", "hash", "drop"])
def places(
    request: pytest.FixtureRequest,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Places]:
    for name in ("home", "data", "readers", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        yield Places(sandbox, tmp_path, instance, request.param)


def test_personal_values_are_exactly_where_the_policy_says(places: Places) -> None:
    world, backup = places.sandbox.world, places.folder.parent / "backup.duckdb"
    for department in world.table("departments"):
        world.change("departments", department, {"name": f"Plainly {department}"})
    id_, other = (
        crowd(world, email="Zyxada@example.com"),
        crowd(world, email="Zyxother@example.com"),
    )
    kept = {"x.duckdb", "copy.duckdb"} if places.policy == "keep" else set[str]()

    def check(personal: set[str], text: bytes = PERSONAL) -> None:
        assert places.having(text) == personal
        assert places.having(HARMLESS) == {  # the positive control
            "x.duckdb", "copy.duckdb", "x-report.html", "home"
        }  # fmt: skip

    places.run("sync")
    check(kept)
    check(kept, b"Zyxother")
    world.change(PERSON, id_, {"pitch": "Zyxpitch"})
    world.remove(PERSON, other)
    places.run("full_sync")
    check(kept, b"Zyxpitch")
    check(set(), b"Zyxother")
    copy(places.file.path, backup)
    file = places.folder / "data" / "person.json"
    export(places.file, ENDPOINTS, the_only(places, id_), file)
    assert (PERSONAL in file.read_bytes()) is bool(kept)
    file.unlink()

    forget(places.file, ENDPOINTS, the_only(places, id_), "by hand")
    for job in ("sync", "full_sync"):
        places.run(job)
        check(set(), b"Zyxada")
        check(set(), b"Zyxpitch")

    copy(backup, places.file.path)  # as documented, and then the persons are forgotten again
    assert places.having(b"Zyxada") == kept - {"copy.duckdb"}
    forget(places.file, ENDPOINTS, the_only(places, id_), "by hand")
    places.run("full_sync")
    check(set(), b"Zyxada")
    check(set(), b"Zyxpitch")


def the_only(places: Places, id_: str) -> Any:
    return only(find(places.file, ENDPOINTS, id_))
