"""Any story of a company and of forgotten persons, against a model."""

from contextlib import suppress

import dagster as dg
import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from recruit_assets.errors import ConfirmationRequired, PersonUnclear
from recruit_assets.options import Mode
from recruit_assets.person import File, remember
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.person.persons import (
    PERSON,
    current,
    forget,
)
from recruit_assets_tests.rings import sized

pytestmark = pytest.mark.ring(2)


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
        max_examples=sized(1, 1, 8), database=None, suppress_health_check=list(HealthCheck)
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
