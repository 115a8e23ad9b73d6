import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
import time_machine
from dagster._core.definitions.dependency import NodeHandle
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from recruit_assets.definitions import defs
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.schedules import OUTAGE_MINUTES, UNFINISHED
from recruit_assets_tests.conftest import BY_NAME, Project
from recruit_assets_tests.rings import FULL, first
from recruit_assets_tests.syncing import ASSETS, BUILD_MARTS, MART_ASSETS, SCHEDULES, SYNCS

pytestmark = pytest.mark.ring(2)

RUN_SUCCESS = dg.DagsterEventType.RUN_SUCCESS
notify_on_failure: Any = defs.resolve_sensor_def("notify_on_failure")
build_marts_after_failure: Any = defs.resolve_sensor_def("build_marts_after_failure")
notify_on_recovery: Any = defs.resolve_sensor_def("notify_on_recovery")


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """A webhook on loopback, and the texts posted to it."""
    texts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            texts.append(json.loads(body)["text"])
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", texts
        server.shutdown()
        thread.join()


def tick(project: Project, result: dg.ExecuteInProcessResult) -> Any:
    """What the sensor does about a failed run."""
    (failure,) = [event for event in result.all_events if event.is_run_failure]
    context = dg.build_run_status_sensor_context(
        sensor_name="notify_on_failure",
        dagster_instance=project.instance,
        dagster_run=result.dagster_run,
        dagster_event=failure,
    ).for_run_failure()
    return notify_on_failure(context)


def test_everything_is_off_until_switched_on() -> None:
    assert [each.default_status.value for each in SCHEDULES] == ["STOPPED", "STOPPED"]
    assert notify_on_failure.default_status is dg.DefaultSensorStatus.STOPPED


def test_schedules_say_their_time_zone() -> None:
    assert {each.execution_timezone for each in SCHEDULES} == {"UTC"}


@pytest.mark.parametrize("name", [*(job.name for job in SYNCS), "build_marts", "compact"])
def test_a_job_waits_out_an_outage_itself_and_leaves_no_retry_to_dagster(name: str) -> None:
    job = defs.resolve_job_def(name)
    nodes = job.graph.node_dict
    for node in nodes:
        assert job.get_retry_policy_for_handle(NodeHandle(node, None)) is None
    config = (job.run_config or {}).get("ops", {})
    assert {each["config"]["outage_minutes"] for each in config.values()} <= {OUTAGE_MINUTES}
    assert config.keys() == nodes.keys() & BY_NAME.keys()


def go_on(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """A run of a job with a status, as a daemon would find it."""
    here = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__")
    origin = RemoteJobOrigin(here, job)
    return instance.add_run(
        dg.DagsterRun(job, run_id=str(uuid4()), status=status, remote_job_origin=origin)
    )


def ticked(name: str, instance: dg.DagsterInstance) -> Any:
    """What a tick of a schedule comes to now."""
    schedule = defs.resolve_schedule_def(name)
    with dg.build_schedule_context(instance, datetime.now(UTC), resources={}) as context:
        return schedule.evaluate_tick(context)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with files of its own, as the daemon has one."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.mark.parametrize(
    ("job", "skipped"),
    first(
        2,
        [
            ("audit", {"hourly", "nightly"}),
            ("sync", {"hourly"}),
            ("sync_hiring", set()),
            ("full_sync", {"hourly", "nightly"}),
        ],
    ),
)
def test_a_tick_is_skipped_while_a_run_goes_on(
    home: dg.DagsterInstance, job: str, skipped: set[str]
) -> None:
    for status in UNFINISHED:
        run = go_on(home, job, status)
        for name in ("hourly", "nightly"):
            data = ticked(name, home)
            assert bool(data.run_requests) == (name not in skipped)
            assert (run.run_id in (data.skip_message or "")) == (name in skipped)
        home.report_run_failed(run, "It was killed.")


@pytest.mark.parametrize("passed", [timedelta(hours=3), timedelta(days=-400)])
def test_a_run_whose_process_is_gone_keeps_no_schedule_from_ticking(
    home: dg.DagsterInstance, passed: timedelta
) -> None:
    for status in UNFINISHED[1:]:
        home.report_engine_event("It goes on.", go_on(home, "sync", status))
    assert not ticked("hourly", home).run_requests
    with time_machine.travel(datetime.now(UTC) + passed):
        assert ticked("hourly", home).run_requests
        go_on(home, "sync", UNFINISHED[0])
        assert "is queued" in ticked("hourly", home).skip_message  # it has no process yet


@pytest.mark.parametrize("name", ["nightly", pytest.param("hourly", marks=FULL)])
def test_a_tick_loads_all(project: Project, home: dg.DagsterInstance, name: str) -> None:
    local = dg.Definitions(
        assets=[*ASSETS, *MART_ASSETS],
        jobs=SYNCS,
        schedules=SCHEDULES,
        resources=project.resources(),
    )
    schedule = local.resolve_schedule_def(name)
    moment = datetime(2026, 1, 1, 3, tzinfo=UTC)
    with dg.build_schedule_context(home, moment, resources={}) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    job = local.resolve_job_def(schedule.job_name)
    result = job.execute_in_process(
        run_config=request.run_config or None, instance=project.instance, tags=request.tags
    )
    assert result.success
    assert len(project.counts()) == len(ENDPOINTS)
    assert min(project.counts().values()) > 0
    assert project.query("SELECT count(*) FROM recruit_marts.applications") == [
        (project.counts_of("job_applications"),)
    ]
    assert project.path.with_name("test-report.html").exists()


@FULL
def test_after_a_failed_sync_the_answers_come_from_what_is_there(project: Project) -> None:
    local = dg.Definitions(
        [*ASSETS, *MART_ASSETS], jobs=[*SYNCS, BUILD_MARTS], resources=project.resources()
    )
    project.materialize("job_applications", "stages")
    project.sandbox.fail("regions", status=409, times=None)
    project.sandbox.fail("candidates", status=409, times=None)
    sync = local.resolve_job_def("sync")
    result = sync.execute_in_process(instance=project.instance, raise_on_error=False)
    assert not result.success
    assert not project.path.with_name("test-report.html").exists()
    (failure,) = [event for event in result.all_events if event.is_run_failure]
    context = dg.build_run_status_sensor_context(
        sensor_name="build_marts_after_failure",
        dagster_instance=project.instance,
        dagster_run=result.dagster_run,
        dagster_event=failure,
    ).for_run_failure()
    request = build_marts_after_failure(context)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == result.run_id
    assert build_marts_after_failure.job_name == "build_marts"
    project.instance.report_run_canceling(result.dagster_run)
    assert isinstance(build_marts_after_failure(context), dg.SkipReason)
    job = local.resolve_job_def("build_marts")
    assert job.execute_in_process(instance=project.instance).success
    assert project.query("SELECT count(*) FROM recruit_marts.applications") == [
        (project.counts_of("job_applications"),)
    ]


@pytest.mark.parametrize("reason", [*RunFailureReason, None])
def test_no_answers_start_after_a_run_that_was_stopped(
    home: dg.DagsterInstance, reason: RunFailureReason | None
) -> None:
    run = go_on(home, "sync", dg.DagsterRunStatus.FAILURE)
    data = JobFailureData(error=None, failure_reason=reason)
    event = dg.DagsterEvent("PIPELINE_FAILURE", "sync", event_specific_data=data)
    context = dg.build_run_status_sensor_context(
        sensor_name="build_marts_after_failure",
        dagster_instance=home,
        dagster_run=run,
        dagster_event=event,
    ).for_run_failure()
    starts = isinstance(build_marts_after_failure(context), dg.RunRequest)
    assert starts == (reason is RunFailureReason.STEP_FAILURE)


def test_the_sensor_posts_what_failed_and_why(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.sandbox.rules.key = "rotated"
    result = project.materialize("regions", "teams", raises=False)
    with webhook() as (url, texts):
        monkeypatch.setenv("RECRUIT_FAILURE_WEBHOOK", url)
        assert tick(project, result) is None
    (text,) = texts
    assert result.run_id in text
    assert "regions: regions, page 1: the API returned HTTP 401" in text
    assert "teams: teams, page 1" in text


SLACK = "<!channel> & <http://x|y>\x00\x1b[31m\u202e\r\nforged: all is well"


def test_the_sensor_posts_text_of_the_source_as_text(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body, a refusal, an id and the words of a run that died; none is a mention or a line."""
    sandbox = project.sandbox
    refusal = {"errors": [{"detail": SLACK}]}
    sandbox.fail("regions", status=409, times=None, body=SLACK.encode())
    sandbox.fail("teams", status=406, times=None, body=json.dumps(refusal).encode())
    sandbox.fail("users", status=200, times=None, body=b"<!here>" + SLACK.encode())
    sandbox.world.add("departments", {"name": SLACK}, id=SLACK)
    sandbox.alter("departments", lambda document: document["data"].append({"id": None}))
    result = project.materialize("regions", "teams", "users", "departments", raises=False)
    died = project.instance.report_run_failed(result.dagster_run, SLACK)
    with webhook() as (url, texts):
        monkeypatch.setenv("RECRUIT_FAILURE_WEBHOOK", url)
        tick(project, result)
        said = dg.build_run_status_sensor_context(
            sensor_name="notify_on_failure",
            dagster_instance=project.instance,
            dagster_run=project.materialize("roles").dagster_run,
            dagster_event=died,
        )
        notify_on_failure(said.for_run_failure())
    steps, dead = texts
    assert len(steps.splitlines()) == 1 + 4
    assert len(dead.splitlines()) == 1 + 1
    assert steps.count("&lt;!channel&gt; &amp; &lt;http://x|y&gt;") >= 3
    for text in texts:
        assert "<" not in text
        assert text.count("&") == sum(map(text.count, ("&lt;", "&gt;", "&amp;")))
        assert all(letter.isprintable() for letter in text.replace("\n", ""))


def test_the_sensor_tells_of_a_run_that_came_to_no_step(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.settings = {"base_url": "http://api.example.com/"}
    result = project.materialize("regions", raises=False)
    with webhook() as (url, texts):
        monkeypatch.setenv("RECRUIT_FAILURE_WEBHOOK", url)
        tick(project, result)
    assert "be sent unencrypted" in texts[0]


def test_without_a_webhook_the_sensor_skips(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECRUIT_FAILURE_WEBHOOK", raising=False)
    project.sandbox.rules.key = "rotated"
    skipped = tick(project, project.materialize("regions", raises=False))
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "RECRUIT_FAILURE_WEBHOOK is not set."


def test_a_webhook_that_refuses_is_told_without_its_address(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.sandbox.rules.key = "rotated"
    result = project.materialize("regions", "roles", raises=False)
    with webhook(status=410) as (url, _):
        monkeypatch.setenv("RECRUIT_FAILURE_WEBHOOK", url)
        with pytest.raises(
            dg.Failure, match=r"^RECRUIT_FAILURE_WEBHOOK responded with HTTP 410\.$"
        ):
            tick(project, result)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/SECRET", "hooks.example.com/SECRET"])
def test_a_webhook_that_cannot_be_reached_is_told_without_its_address(
    project: Project, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    project.sandbox.rules.key = "rotated"
    others = ["teams", "roles"][: 1 + url.startswith("http")]  # a failure of its own
    result = project.materialize("users", *others, raises=False)
    monkeypatch.setenv("RECRUIT_FAILURE_WEBHOOK", url)
    with pytest.raises(dg.Failure, match="could not be reached") as raised:
        tick(project, result)
    assert "SECRET" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_the_sensor_tells_of_a_run_whose_process_died(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = project.materialize("regions").dagster_run
    event = project.instance.report_run_failed(run, "The worker died.")
    context = dg.build_run_status_sensor_context(
        sensor_name="notify_on_failure",
        dagster_instance=project.instance,
        dagster_run=run,
        dagster_event=event,
    ).for_run_failure()
    with webhook() as (url, texts):
        monkeypatch.setenv("RECRUIT_FAILURE_WEBHOOK", url)
        notify_on_failure(context)
    assert texts == [f"{run.job_name} failed (run {run.run_id})\nThe worker died."]


def job_run(project: Project, name: str, *, fails: bool) -> dg.ExecuteInProcessResult:
    """A run of a job over one endpoint, whose API is down or not."""
    project.sandbox.clear_faults()
    if fails:
        project.sandbox.fail("regions", status=409, times=None)
    local = dg.Definitions(
        ASSETS,
        jobs=[dg.define_asset_job(name, ["regions"])],
        resources=project.resources(),
    )
    return local.resolve_job_def(name).execute_in_process(
        instance=project.instance, raise_on_error=False
    )


def recovered(project: Project, result: dg.ExecuteInProcessResult) -> Any:
    """What the sensor for recoveries does about a run that succeeded."""
    (success,) = [event for event in result.all_events if event.event_type is RUN_SUCCESS]
    return notify_on_recovery(
        dg.build_run_status_sensor_context(
            sensor_name="notify_on_recovery",
            dagster_instance=project.instance,
            dagster_run=result.dagster_run,
            dagster_event=success,
        )
    )


def test_an_outage_is_posted_once_and_its_end_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "regions_only"
    with webhook() as (url, texts), dg.DagsterInstance.ephemeral() as project.instance:
        monkeypatch.setenv("RECRUIT_FAILURE_WEBHOOK", url)
        for fails in (False, True, True, True, False, False):
            result = job_run(project, name, fails=fails)
            skipped = recovered(project, result) if result.success else tick(project, result)
            texts.append("skipped" if skipped else "")
    failed, works = f"{name} failed", f"{name} works again"
    told = [text.splitlines()[0].partition(" (run")[0] if text else "" for text in texts]
    assert told == ["skipped", failed, "", "skipped", "skipped", works, "", "skipped"]


def test_a_run_of_other_assets_is_not_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset
    def mine() -> None:
        raise ValueError

    result = dg.materialize([mine], instance=project.instance, raise_on_error=False)
    with webhook() as (url, texts):
        monkeypatch.setenv("RECRUIT_FAILURE_WEBHOOK", url)
        assert "is not of this account" in (tick(project, result).skip_message or "")
    assert texts == []
