"""The doctor's forecast of syncs that read parts of lists is what they then request."""

import pytest

from recruit_assets.catalogue import Rolling
from recruit_assets.cli.doctor import examine
from recruit_assets.cli.sync_forecast import SyncForecast
from recruit_assets.extract.forecast import Estimate
from recruit_assets.options import Mode
from recruit_assets_tests.cli.test_doctor import at_rest
from recruit_assets_tests.conftest import KEY, Project
from recruit_assets_tests.rings import FULL
from recruit_assets_tests.test_rolling_syncs import OLD, pass_time

pytestmark = pytest.mark.ring(2)

# Lists that are read in parts, that are asked for changes, that refuse that, and that have a page.
SYNCED = ("todos", "users", "candidates", "notes", "jobs", "stages", "regions")


@pytest.fixture
def account(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An account whose lists of more than a page are read in parts, and the doctor's settings."""
    monkeypatch.setenv("RECRUIT_API_BASE_URL", project.sandbox.base_url)
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    monkeypatch.setenv("RECRUIT_API_REQUESTS_PER_10S", "0")
    monkeypatch.setenv("RECRUIT_ROLLING", "always")
    monkeypatch.setenv("RECRUIT_DATABASE", str(project.path))
    world = project.sandbox.world
    for name in ("todos", "users", "candidates", "notes"):
        while world.count(name) < 200:
            world.add(name, OLD if name == "todos" else {})
    at_rest(project.sandbox)
    return project


def forecast(project: Project) -> SyncForecast:
    found = examine("", [], lambda _: None)
    assert not found.database_problem
    assert not found.api_problem
    return found.forecast


def made(project: Project, mode: Mode) -> dict[str, int]:
    """Sync some endpoints; return the requests of each."""
    requests = {}
    for name in SYNCED:
        project.sandbox.clear_requests()
        assert project.sync(name, mode=mode, rolling=Rolling.always).report.verdict.proven
        requests[name] = len(project.sandbox.requests)
    return requests


def exact(told: dict[str, Estimate | None]) -> dict[str, int]:
    assert all(each and each.exact for each in told.values())
    return {name: each.requests for name, each in told.items() if each}


@FULL
def test_it_is_what_hourly_and_nightly_syncs_request(account: Project) -> None:
    first = forecast(account)
    for mode in (Mode.full, Mode.full, Mode.incremental):  # the last learns what is refused
        made(account, mode)
        pass_time(account)
    for mode in (Mode.auto, Mode.audit):
        told = forecast(account)
        of = told.hourly_of if mode is Mode.auto else told.nightly_of
        promised = {each.endpoint.name: of(each) for each in told.probes}
        assert exact({name: promised[name] for name in SYNCED}) == made(account, mode)
        pass_time(account)
    full, hourly, nightly = first.full, first.hourly, first.nightly
    assert full
    assert hourly
    assert nightly
    assert hourly.requests < nightly.requests < full.requests
    assert (hourly.exact, nightly.exact) == (False, False)


def test_before_the_first_sync_it_names_what_it_cannot_know(account: Project) -> None:
    told = forecast(account)
    rolled = {each.endpoint.name for each in told.probes if told.reads_part(each)}
    assert {"todos", "users"} <= rolled
    assert "candidates" not in rolled
