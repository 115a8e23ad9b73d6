"""`recruit-assets doctor` and `recruit-assets status`, as somebody types them."""

import errno
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from recruit_assets.cli.doctor import examine
from recruit_assets.cli.doctor_report import show_diagnosis
from recruit_assets.cli.main import main
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.report import Verdict
from recruit_assets.load.connection import connection
from recruit_assets.load.quality import rows_in_file
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS, MORE_ENDPOINTS
from recruit_assets.sandbox import Sandbox
from recruit_assets.sandbox.faults import Document
from recruit_assets.variables import variables
from recruit_assets_tests.cli.test_command_line import ROOT
from recruit_assets_tests.conftest import KEY, Project
from recruit_assets_tests.load.test_connection import held_elsewhere
from recruit_assets_tests.rings import FULL

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs the command in a folder of its own; tells the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for setting in variables():
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.setenv("RECRUIT_API_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    monkeypatch.setenv("RECRUIT_API_REQUESTS_PER_10S", "0")
    monkeypatch.setenv("RECRUIT_DATABASE", "test.duckdb")

    def typed(*words: str, **environment: str) -> tuple[int, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = main(words)
        printed = capsys.readouterr()
        assert KEY not in printed.out + printed.err
        return code, " ".join(printed.out.split())

    return typed


def asked(sandbox: Sandbox) -> dict[str, int]:
    """How often each list was asked for."""
    counts: dict[str, int] = {}
    for request in sandbox.requests:
        path = request.path.strip("/").split("/")[0]
        counts[path] = counts.get(path, 0) + 1
    return counts


def test_a_good_key(run: Run, tmp_path: Path) -> None:
    code, said = run("doctor")
    assert code == 0
    assert "All is well: a sync would bring everything." in said
    assert "test.duckdb does not exist yet. The first sync creates it." in said
    assert all(each.name in said for each in ENDPOINTS)
    assert re.search(r"first (\d+) \? hourly at least \d+ \? nightly \1 \?", said)
    assert "how the API lists changes of stages, notes." in said
    assert list(tmp_path.glob("*.duckdb*")) == []


SIZES = {  # of dated lists: empty, full last pages, and others
    "candidates": 60,
    "custom-fields": 0,
    "jobs": 30,
    "job-applications": 47,
    "stages": 144,
    "notes": 55,
    "nps-responses": 11,
}
DATED = [each.name for each in ENDPOINTS if each.dated]


def at_rest(sandbox: Sandbox) -> None:
    """Give the dated lists their sizes, with records that are old."""
    world, old = sandbox.world, datetime(2026, 1, 1, tzinfo=UTC)
    for name, size in SIZES.items():
        for id_ in list(world.table(name))[size:]:
            world.remove(name, id_)
        while world.count(name) < size:
            world.add(name)
        for id_ in list(world.table(name)):
            world.change(name, id_, {"created-at": old, "updated-at": old})


def forecast(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the doctor says, and its forecast of an hourly sync by endpoint."""
    told: dict[str, Any] = json.loads(run("doctor", "--json")[1])
    return told, {each["endpoint"]: each["hourly"] for each in told["endpoints"]}


def requests_of(project: Project, names: Iterable[str]) -> dict[str, int]:
    """How many requests the API counts in a sync of each endpoint."""
    made = {}
    for name in names:
        project.sandbox.clear_requests()
        project.sync(name)
        made[name] = len(project.sandbox.requests)
    return made


def unknown(told: Mapping[str, Any]) -> list[str]:
    """The endpoints of which only a sync finds out what the API refuses."""
    return [name for name, each in told.items() if each["at_least"]]


def assert_true(told: Mapping[str, Any], made: Mapping[str, int]) -> None:
    """A forecast is exact, or says that it is the least."""
    for name, requests in made.items():
        exact = told[name] == {"requests": requests, "at_least": False}
        assert exact or (told[name]["at_least"] and told[name]["requests"] <= requests), name


@pytest.mark.ring(2)
@FULL
def test_the_estimate_of_requests_is_what_the_sync_makes(run: Run, project: Project) -> None:
    at_rest(project.sandbox)
    told, hourly_before = forecast(run)
    project.sync_all()
    ((requests,),) = project.query("SELECT sum(requests) FROM recruit_meta.syncs")
    assert told["full_sync"]["requests"] == requests
    by_name = {each["endpoint"]: each for each in told["endpoints"]}
    for name, made in project.query("SELECT endpoint, requests FROM recruit_meta.syncs"):
        assert by_name[name]["requests"] == made, name
        assert by_name[name]["records"] == project.counts_of(name)
    requests_of(project, unknown(hourly_before))
    told, hourly = forecast(run)
    in_fact = requests_of(project, by_name)
    assert_true(hourly_before, in_fact)
    assert hourly == {n: {"requests": made, "at_least": False} for n, made in in_fact.items()}
    total = {"requests": sum(in_fact.values()), "at_least": False, "seconds_at_the_budget": None}
    assert told["hourly_sync"] == total


@pytest.mark.ring(2)
@FULL
def test_endpoints_that_the_account_names_are_forecast_and_others_not_asked(
    run: Run, project: Project
) -> None:
    run("doctor")
    assert set(asked(project.sandbox)) == {each.path for each in ENDPOINTS}
    more = [each.name for each in MORE_ENDPOINTS]
    named = {"RECRUIT_MORE_ENDPOINTS": ",".join(more)}
    told = json.loads(run("doctor", "--json", **named)[1])
    by_name = {each["endpoint"]: each for each in told["endpoints"]}
    assert list(by_name) == [each.name for each in KNOWN_ENDPOINTS]
    in_fact = requests_of(project, more)
    told_of = {name: by_name[name]["requests"] for name in more}
    least = {name: min(told_of[name], made) for name, made in in_fact.items()}
    assert told_of == least
    assert {name for name in more if told_of[name] != in_fact[name]} <= {"activities"}
    _, hourly = forecast(run)
    assert_true(hourly, requests_of(project, more))
    project.sandbox.rules.without = {each.path: 403 for each in MORE_ENDPOINTS}
    assert run("doctor", "--accept-unavailable")[0] == 0


def test_a_table_that_is_not_synced_any_more_is_listed(run: Run, project: Project) -> None:
    project.sync("uploads")
    named = {"RECRUIT_MORE_ENDPOINTS": "uploads"}
    assert "not synced any more" not in run("status", **named)[1] + run("doctor")[1]
    named["RECRUIT_MORE_ENDPOINTS"] = "answers"
    ((at,),) = project.query("SELECT strftime(finished, '%Y-%m-%d %H:%M') FROM recruit_meta.latest")
    line = f"it; the last sync (UTC): {at}. Its rows stay until you drop the table."
    for command in ("status", "doctor"):
        told = run(command, **named)[1]
        assert (
            f"uploads: not synced any more, as RECRUIT_MORE_ENDPOINTS does not name {line}" in told
        )
    ((told),) = json.loads(run("status", "--json")[1])["not_synced"]
    assert (told["table"], told["rows"]) == ("uploads", project.sandbox.world.count("uploads"))
    with duckdb.connect(str(project.path)) as database:
        database.execute("DROP VIEW recruit_now.uploads; DROP TABLE recruit.uploads;")
    assert "not synced any more" not in run("status")[1] + run("doctor")[1]
    assert project.sync("uploads").report.verdict is Verdict.COMPLETE


@pytest.mark.ring(3)
def test_the_estimate_for_lists_that_refuse_or_lack_something(run: Run, project: Project) -> None:
    sandbox = project.sandbox
    at_rest(sandbox)
    sandbox.rules.refuse = {"candidates": {"sort"}, "notes": {"page[size]"}, "stages": {"sort"}}
    sandbox.rules.without = {"nps-responses": 404}
    sandbox.rules.no_counts = {"custom-fields"}

    def rename(document: Document) -> None:
        for each in document["data"]:
            each["id"] = f"a{each['id']}"

    sandbox.alter("job-applications", rename)
    _, before = forecast(run)
    requests_of(project, DATED)
    requests_of(project, unknown(before))
    _, hourly = forecast(run)
    in_fact = requests_of(project, DATED)
    assert_true(before, in_fact)
    assert before["job_applications"] == {"requests": 1, "at_least": False}  # is not searched
    assert before["custom_fields"] == {"requests": 1, "at_least": False}  # no cursor without counts
    assert before["candidates"]["at_least"]
    exact = {name: {"requests": made, "at_least": False} for name, made in in_fact.items()}
    assert {name: hourly[name] for name in DATED} == exact


@pytest.mark.ring(2)
def test_the_estimate_knows_of_forgotten_persons_and_of_records_without_a_time(
    run: Run, project: Project
) -> None:
    world, names = project.sandbox.world, ["candidates", "stages"]
    at_rest(project.sandbox)
    requests_of(project, names)
    assert run("person", next(iter(world.table("candidates"))), "--forget", "--yes")[0] == 0
    world.change("stages", next(iter(world.table("stages"))), {"updated-at": None})
    requests_of(project, names)  # both are read whole
    _, hourly = forecast(run)
    in_fact = requests_of(project, names)
    assert in_fact == {"candidates": 1, "stages": 6}
    for name, made in in_fact.items():
        assert hourly[name] == {"requests": made, "at_least": False}


def test_no_endpoint_is_asked_more_than_twice(run: Run, sandbox: Sandbox) -> None:
    sandbox.rules.refuse = {each.path: {"sort", "include", "filter"} for each in ENDPOINTS}
    run("doctor")
    counts = asked(sandbox)
    assert set(counts) == {each.path for each in ENDPOINTS}
    assert max(counts.values()) <= 2


@pytest.mark.parametrize(
    ("environment", "advice"),
    [
        ({"RECRUIT_API_KEY": "another"}, "The API rejects the key. Check RECRUIT_API_KEY"),
        ({"RECRUIT_API_KEY": ""}, "RECRUIT_API_KEY"),
        ({"RECRUIT_API_REQUESTS_PER_10S": "many"}, "set it to a whole number"),
        ({"RECRUIT_MORE_ENDPOINTS": "files"}, "name some of stage_types, requisitions,"),
        ({"RECRUIT_OWNERS": "somebody"}, "write an e-mail address or team:name"),
        ({"RECRUIT_API_BASE_URL": "http://example.com/v1/"}, "https"),
    ],
)
def test_settings_that_cannot_work(run: Run, environment: dict[str, str], advice: str) -> None:
    code, said = run("doctor", **environment)
    assert code == 2
    assert advice in said
    assert "A sync would fail: fix the problem above" in said


def test_all_problems_of_the_settings_are_told_at_once(run: Run) -> None:
    code, said = run(
        "doctor",
        RECRUIT_API_BASE_URL="http://example.com/v1/",
        RECRUIT_API_KEY="",
        RECRUIT_API_VERSION="2024-09-04",
        RECRUIT_API_CONCURRENCY="many",
    )
    assert code == 2
    assert said.count("RECRUIT_API_KEY is empty") == 1
    assert "RECRUIT_API_CONCURRENCY is 'many'" in said
    assert "be sent unencrypted" in said
    assert "RECRUIT_API_VERSION is '2024-09-04'" in said


@pytest.mark.parametrize("known", [KEY, ""])
def test_a_key_in_the_wrong_setting_is_not_shown(run: Run, known: str) -> None:
    for setting in ("VERSION", "AUTH_HEADER", "AUTH_PREFIX", "CONCURRENCY"):
        _, said = run("doctor", **{f"RECRUIT_API_{setting}": KEY, "RECRUIT_API_KEY": known})
        assert "not shown, as a secret may be in it" in said
    run("doctor", "--json", RECRUIT_OWNERS=KEY)
    run("doctor", RECRUIT_API_BASE_URL=f"https://api.example.com/v1/?key={KEY}")


@pytest.mark.parametrize("setting", ["RECRUIT_DATABASE", "RECRUIT_API_BASE_URL"])
def test_a_path_or_address_with_a_secret_is_refused_unseen(run: Run, setting: str) -> None:
    for command in (["doctor"], ["doctor", "--json"], ["status"], ["status", "--json"]):
        code, said = run(*command, **{setting: f"http://127.0.0.1:9/{KEY}/"})
        assert code == 2
        assert f"{setting} contains the value of a secret variable: take it out." in said


def test_a_setting_that_is_unknown_is_named_with_the_nearest_one(run: Run) -> None:
    code, said = run("doctor", RECRUIT_API_AUTH_HAEDER="Authorization", RECRUIT_QUIET="x")
    assert code == 1
    nearest = "did you mean RECRUIT_API_AUTH_HEADER?"
    assert f"RECRUIT_API_AUTH_HAEDER is not a setting of recruit-assets: {nearest}" in said
    assert "RECRUIT_QUIET is not a setting of recruit-assets: docs/settings.md lists them." in said
    told = json.loads(run("doctor", "--json")[1])
    assert told["unknown_settings"] == {
        "RECRUIT_API_AUTH_HAEDER": "RECRUIT_API_AUTH_HEADER",
        "RECRUIT_QUIET": None,
    }


def test_the_folder_in_which_settings_are_looked_for(run: Run, tmp_path: Path) -> None:
    assert "There is no .env in" in run("doctor")[1]
    (tmp_path / ".env").write_text("RECRUIT_API_AUTH_HAEDER=Authorization\n")
    _, said = run("doctor", "--json", RECRUIT_API_AUTH_HAEDER="api")  # so that it is restored
    told = json.loads(said)
    assert (told["folder"], told["env_file"]) == (str(tmp_path), True)
    assert list(told["unknown_settings"]) == ["RECRUIT_API_AUTH_HAEDER"]


def test_a_wrong_address(run: Run, sandbox: Sandbox) -> None:
    code, said = run("doctor", RECRUIT_API_BASE_URL=sandbox.base_url.replace("/v1/", "/v2/"))
    assert code == 2
    assert "HTTP 404" in said
    assert "RECRUIT_API_BASE_URL" in said


def test_a_host_that_nobody_answers_at(run: Run) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code, said = run("doctor", RECRUIT_API_BASE_URL=f"http://127.0.0.1:{port}/v1/")
    assert code == 2
    assert f"127.0.0.1:{port}" in said
    assert "RECRUIT_API_BASE_URL" in said


def test_two_add_ons_are_missing(run: Run, sandbox: Sandbox) -> None:
    sandbox.rules.without = {"job-offers": 403, "nps-responses": 404}
    code, said = run("doctor")
    assert code == 1
    assert "job_offers, page 1: the API returned HTTP 403" in said
    assert "The account may lack the add-on that this endpoint needs." in said
    assert "A sync would work, with the restrictions above." in said
    code, said = run("doctor", "--accept-unavailable")
    assert code == 0
    assert "a sync would bring everything but the endpoints that are unavailable" in said
    assert run("doctor", "--accept-unavailable", RECRUIT_QUIET="x")[0] == 1


def test_a_refused_parameter_is_told(run: Run, sandbox: Sandbox) -> None:
    sandbox.rules.refuse = {"candidates": {"sort"}}
    code, said = run("doctor")
    assert code == 1
    assert "candidates refuses sort" in said


@pytest.mark.ring(2)
def test_a_database_that_another_process_holds(run: Run, project: Project) -> None:
    project.materialize("regions")
    with held_elsewhere(project.path):
        code, said = run("doctor")
        assert (code, "A sync would fail" in said) == (2, True)
        assert re.search(r"test.duckdb is still held by .+ \(PID \d+\) after 1 s: close it", said)
        code, said = run("status")
        assert (code, "close it there" in said) == (2, True)


def test_a_database_that_may_not_be_written(
    run: Run, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.materialize("regions")
    project.path.chmod(0o400)
    # A superuser may write to anything, so there the file is in a place that is not one.
    if os.geteuid() == 0:
        code, said = run("doctor", RECRUIT_DATABASE="/proc/1/test.duckdb")
    else:
        code, said = run("doctor")
    assert code == 2
    assert (
        "is not writable: change its permissions, or set RECRUIT_DATABASE to another path." in said
    )
    assert "A sync would fail" in said


def test_a_folder_for_parquet_files_that_is_not_there(run: Run, tmp_path: Path) -> None:
    code, said = run("doctor", RECRUIT_PARQUET_FOLDER="none")
    assert code == 1
    assert "There is no folder none, or it is not accessible: create it, or set RECRUIT_PAR" in said
    (tmp_path / "none").mkdir()
    assert run("doctor")[0] == 0


@pytest.mark.ring(2)
def test_a_file_full_of_replaced_rows(run: Run, project: Project) -> None:
    project.materialize("regions")
    assert "compact" not in run("doctor")[1]
    with duckdb.connect(str(project.path)) as database:
        many = "SELECT r.* FROM range(50000) t(i) CROSS JOIN recruit.regions r"
        database.execute(f"INSERT INTO recruit.regions {many}")
        database.execute("CHECKPOINT")
        database.execute("DELETE FROM recruit.regions WHERE rowid % 3 > 0")
    code, said = run("doctor")
    assert code == 0
    assert "more space than current ones: run the job compact" in said


def test_room_is_counted_in_all_tables_that_a_sync_or_a_mart_writes(tmp_path: Path) -> None:
    with connection(str(tmp_path / "x.duckdb"), {}, 0) as database:
        for schema, rows in (("recruit", 300), ("recruit_history", 20), ("recruit_marts", 1)):
            database.execute(f"CREATE SCHEMA {schema}")
            database.execute(f"CREATE TABLE {schema}.things AS FROM range({rows})")
        assert rows_in_file(database) == (321, 321)
        database.execute("CHECKPOINT")
        database.execute("DELETE FROM recruit_history.things WHERE range < 10")
        assert rows_in_file(database) == (311, 321)


@pytest.mark.ring(2)
def test_status_before_the_first_sync_then_with_a_doubt_and_without(
    run: Run, project: Project
) -> None:
    code, said = run("status")
    assert code == 1
    assert "There is no test.duckdb yet. See what a sync would take" in said
    assert "then run recruit-assets sync." in said

    project.sandbox.rules.no_counts = {"regions"}
    project.sync_all()
    code, said = run("status", "--json")
    assert code == 1
    tables = {each["table"]: each for each in json.loads(said)["tables"]}
    assert tables["regions"]["verdict"] == "incomplete"
    assert tables["regions"]["behind_by_seconds"] is None
    assert tables["jobs"]["verdict"] == "complete"
    assert tables["jobs"]["behind_by_seconds"] >= 0

    project.sandbox.rules.no_counts = set()
    project.sync("regions")
    before = project.path.read_bytes()
    code, said = run("status")
    assert code == 0
    assert f"candidates {project.counts_of('candidates')} 0 20" in said
    assert project.path.read_bytes() == before


def test_the_doctor_on_a_terminal(run: Run, sandbox: Sandbox, pytestconfig: pytest.Config) -> None:
    sandbox.rules.without = {"nps-responses": 403}
    run("status", RECRUIT_API_REQUESTS_PER_10S="48")  # leaves the settings in the environment
    screen = Console(record=True, width=90, file=StringIO(), markup=False, highlight=False)
    found = examine("", (), lambda _: None)
    found.folder = Path("/home/you/recruit-assets")
    show_diagnosis(screen, found)
    picture = screen.export_svg(title="recruit-assets doctor", clear=False)
    lines = screen.export_text().splitlines()
    assert max(map(len, lines)) <= 90
    assert all(any(line.startswith(each.name) for line in lines) for each in ENDPOINTS)
    words = [line.split() for line in lines]
    assert ["nightly", "37", "8", "s"] in words
    assert ["hourly", "at", "least", "30", "at", "least", "6", "s"] in words
    if folder := pytestconfig.getoption("pictures"):
        fonts = re.compile(r"@font-face \{.*?\}", re.DOTALL)  # the reader's own will do
        (ROOT / folder / "doctor.svg").write_text(fonts.sub("", picture))


@pytest.mark.ring(2)
@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_bar_shows_how_far_it_is_on_a_terminal_only(
    sandbox: Sandbox, tmp_path: Path, *, on_terminal: bool
) -> None:
    (tmp_path / ".env").write_text(
        f"RECRUIT_API_BASE_URL={sandbox.base_url}\nRECRUIT_API_KEY={KEY}\n"
        "RECRUIT_API_REQUESTS_PER_10S=0\n"
    )
    shown, screen = os.openpty() if on_terminal else os.pipe()
    plain = {name: each for name, each in os.environ.items() if name != "FORCE_COLOR"}
    with (
        (tmp_path / "printed").open("wb") as printed,
        subprocess.Popen(
            [Path(sys.executable).with_name("recruit-assets"), "doctor"],
            cwd=tmp_path,
            env={**plain, "TERM": "xterm", "COLUMNS": "100"},
            stdout=printed,
            stderr=screen,
        ) as process,
    ):
        os.close(screen)
        said = b"".join(iter(partial(read, shown), b""))
    os.close(shown)
    assert process.returncode == 0
    assert b"\x1b" not in (tmp_path / "printed").read_bytes()  # it can be piped
    assert (b"Asking" in said) is on_terminal
    assert (f"/{len(ENDPOINTS)}".encode() in said) is on_terminal
    assert on_terminal or said == b""


def read(terminal: int) -> bytes:
    """What was written to it; empty at the end, which for a terminal is an error."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return b""


@pytest.mark.ring(2)
def test_the_command_reads_the_file_that_dagster_reads(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"RECRUIT_API_BASE_URL={sandbox.base_url}\nRECRUIT_API_KEY={KEY}\n"
        "RECRUIT_API_REQUESTS_PER_10S=0\n"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RECRUIT_")}
    done = subprocess.run(
        [Path(sys.executable).with_name("recruit-assets"), "doctor", "--json"],
        cwd=tmp_path,
        env=clean | {"RECRUIT_API_KEY": "exported, and wrong"},
        capture_output=True,
        text=True,
        check=False,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, told["readiness"]) == (0, "good")
    assert told["settings"]["RECRUIT_API_KEY"] == {"value": "set", "from": ".env"}
    assert KEY not in done.stdout + done.stderr


@pytest.mark.ring(2)
@FULL
def test_a_reader_that_ends_early_sees_no_traceback(sandbox: Sandbox, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("recruit-assets")
    shell = f"{command} doctor --json | head -1; {command} status | head -0; {command} --version"
    done = subprocess.run(
        ["bash", "-c", shell],
        cwd=tmp_path,
        env=os.environ | {"RECRUIT_API_BASE_URL": sandbox.base_url, "RECRUIT_API_KEY": KEY},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{{\nrecruit-assets {version('recruit-assets')}\n"
    assert done.stderr == ""
