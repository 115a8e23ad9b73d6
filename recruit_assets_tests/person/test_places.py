"""A person's values in every place, under each policy, from the first sync to a restored backup.

The databases are made without compression, so that a search for bytes finds what is in them. A
second text is harmless, so it is kept under each policy: the same search finds it in each place.
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
from recruit_assets.load.compact import make_erasure_final
from recruit_assets.load.connection import connection
from recruit_assets.load.read_copy import publish
from recruit_assets.marts.mart import MARTS
from recruit_assets.options import Mode
from recruit_assets.person import File, export, find, only
from recruit_assets.sandbox import World
from recruit_assets_tests.conftest import KEY, Project
from recruit_assets_tests.person.persons import NAMES, PERSON, PLAIN, crowd, forget

pytestmark = pytest.mark.ring(3)

# What leads to a person, and what the report needs; the other endpoints would only take time.
SYNCED = {*NAMES, *(name for mart in MARTS for schema, name in mart.reads if schema == "recruit")}


@dataclass(frozen=True)
class Places:
    """An account whose syncs write to folders of their own, under one policy."""

    project: Project
    folder: Path

    @property
    def policy(self) -> str:
        return str(self.project.policy["personal"])

    @property
    def readers(self) -> str:
        return str(self.folder / "readers" / "copy.duckdb")

    def run(self, job: str) -> None:
        """Run a job that reads the endpoints, builds the report and publishes the read copy."""
        database = str(self.project.path)
        copied: dict[str, Any] = {"read_copy": self.readers, "read_copy_personal": True}
        settings = Settings(
            base_url=self.project.sandbox.base_url,
            requests_per_10s=0,
            column_policy=self.project.policy,
            database=database,
            **copied,
        )
        opened = RecruitDatabase(database=database, connection_config=PLAIN, **copied)
        defs = build_defs(settings, endpoints=SYNCED, resources={"database": opened})
        result = defs.resolve_job_def(job).execute_in_process(instance=self.project.instance)
        assert result.asset_materializations_for_node("report")

    def sync(self, mode: Mode = Mode.auto) -> None:
        """Do the same without Dagster, which takes most of the time, and without the report."""
        for name in SYNCED:
            self.project.sync(name, mode=mode)
        make_erasure_final(str(self.project.path), 1, PLAIN)
        publish(str(self.project.path), self.readers, 1, PLAIN, None)

    def having(self, text: str) -> set[str]:
        """The files and folders of the account that have a text."""
        files = [each for each in self.folder.rglob("*") if each.is_file()]
        return {self._place(each) for each in files if text.encode() in each.read_bytes()}

    def _place(self, file: Path) -> str:
        top = file.relative_to(self.folder).parts[0]
        return top if top in ("home", "temporary") else file.name

    def kept(self, *places: str) -> set[str]:
        """The places if the policy keeps values, else none."""
        return set(places) if self.policy == "keep" else set()


@pytest.fixture(params=["keep", "hash", "drop"])
def places(
    request: pytest.FixtureRequest, project: Project, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Places]:
    folder = project.path.parent / "account"
    for name in ("home", "data", "readers", "temporary"):
        (folder / name).mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(folder / "temporary"))
    monkeypatch.setattr("recruit_assets.load.stage.ROWS_PER_FILE", 1)  # stage each batch at once
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    project.path, project.config = folder / "data" / "x.duckdb", PLAIN
    project.policy = {"personal": request.param}
    with dg.DagsterInstance.local_temp(str(folder / "home")) as project.instance:
        yield Places(project, folder)


def test_personal_values_are_exactly_where_the_policy_says(places: Places) -> None:
    project, world = places.project, places.project.sandbox.world
    backup = places.folder.parent / "backup.duckdb"
    for department in world.table("departments"):
        world.change("departments", department, {"name": f"Plainly {department}"})
    id_, other = (
        crowd(world, email="Zyxada@example.com"),
        crowd(world, email="Zyxother@example.com"),
    )
    files = {"x.duckdb", "copy.duckdb"}
    places.sync()
    assert places.having("Zyxada") == places.having("Zyxother") == places.kept(*files)
    assert places.having("Plainly") == files

    world.change(PERSON, id_, {"pitch": "Zyxpitch"})
    world.add(PERSON, {"email": "Zyxnew@example.com"})
    world.remove(PERSON, other)
    places.run("full_sync")
    assert places.having("Zyxpitch") == places.having("Zyxnew") == places.kept(*files)
    assert places.having("Zyxother") == set()
    assert places.having("Plainly") == files | {"x-report.html", "home"}
    copy(project.path, backup)

    forget(project, id_)
    for mode in (Mode.auto, Mode.full):
        places.sync(mode)
        assert places.having("Zyxada") == places.having("Zyxpitch") == set()

    copy(backup, project.path)  # as documented, and then the persons are forgotten again
    assert places.having("Zyxada") == places.kept("x.duckdb")
    forget(project, id_)
    places.run("full_sync")
    assert places.having("Zyxada") == places.having("Zyxpitch") == set()
    assert places.having("Zyxnew") == places.kept(*files)


def test_what_lasts_only_for_a_while_has_what_the_policy_keeps(places: Places) -> None:
    """The folder for staged rows, the log of a transaction that is in no file yet, an export."""
    project, world = places.project, places.project.sandbox.world
    id_, other = crowd(world), crowd(world)
    project.sync(PERSON)
    world.change(PERSON, id_, {"pitch": "Zyxpitch", "referring-site": "Plainlysite"})
    world.remove(PERSON, other)
    staged = []

    def search(_: World) -> None:
        staged.append((places.having("Zyxpitch"), places.having("Plainlysite")))

    # The request that asks for the deleted record, once all others are staged, has to wait.
    project.sandbox.before(f"{PERSON}/{other}", search)
    with connection(str(project.path), PLAIN, 1):  # a file in use is not written to by a commit
        project.sync(PERSON, mode=Mode.full)
        # This drops the lock of the file, which no other process wants.
        assert places.having("Zyxpitch") == places.kept("x.duckdb.wal")
        assert places.having("Plainlysite") == {"x.duckdb.wal"}
    assert staged == [(places.kept("temporary"), {"temporary"})]
    assert places.having("Zyxpitch") == places.kept("x.duckdb")

    file = File(str(project.path))
    target = project.path.with_name("person.json")
    export(file, ENDPOINTS, only(find(file, ENDPOINTS, id_)), target)
    assert places.having("Zyxpitch") == places.kept("x.duckdb", "person.json")
    assert places.having("Plainlysite") == {"x.duckdb", "person.json"}
    target.unlink()
    forget(project, id_)
    assert places.having("Zyxpitch") == set()
