"""A person who was forgotten by mistake returns."""

import pytest

from recruit_assets.errors import PersonUnclear
from recruit_assets.options import Mode
from recruit_assets.person import File, remember
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.person.persons import (
    NAMES,
    crowd,
    forget,
    rows_of,
)

pytestmark = pytest.mark.ring(2)


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
