"""Accounts beside other definitions: what `build_defs` builds, and that nothing collides."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.errors import DagsterResourceFunctionError
from dagster_duckdb import DuckDBResource

from recruit_assets import (
    ENDPOINTS,
    DuckDBMergeIOManager,
    Endpoint,
    RecruitApi,
    RecruitDatabase,
    Settings,
    build_defs,
)
from recruit_assets.errors import BadSetting
from recruit_assets.marts.mart import MARTS, marts_of
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets.sensors import first_cause
from recruit_assets_tests.cli.test_command_line import environment
from recruit_assets_tests.conftest import KEY, served
from recruit_assets_tests.rings import FULL
from recruit_assets_tests.test_schedules import webhook

NAMES = {each.name for each in ENDPOINTS}
QUIET = {"telemetry": {"enabled": False}}
TYPED = {"north": "Title of the north", "south": "Title of the south"}


@dataclass(frozen=True)
class Two:
    """Two accounts in one code location, each in front of an API of its own."""

    sandboxes: dict[str, Sandbox]
    folder: Path
    defs: dg.Definitions
    instance: dg.DagsterInstance

    def start(self, account: str) -> subprocess.Popen[str]:
        """Start a sync of an account in a process of its own."""
        (sandbox, *_) = self.sandboxes.values()
        env = environment(
            sandbox, self.folder, RECRUIT_API_KEY="", RECRUIT_ACCOUNTS=",".join(self.sandboxes)
        )
        for name, served_by in self.sandboxes.items():
            prefix = f"RECRUIT_{name.upper()}_"
            env[f"{prefix}API_KEY"] = served_by.rules.key
            env[f"{prefix}API_BASE_URL"] = served_by.base_url
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAGSTER_HOME", env["DAGSTER_HOME"])
            with dg.DagsterInstance.get():
                pass  # two processes cannot make its files at the same time
        return subprocess.Popen(
            [Path(sys.executable).with_name("recruit-assets"), "sync", "--account", account],
            cwd=self.folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, job: str) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False
        )

    def rows(self, account: str, table: str, columns: str = "id") -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / f"{account}.duckdb"), read_only=True) as database:
            current = f"FROM recruit.{table} WHERE _deleted_at IS NULL"
            return database.execute(f"SELECT {columns} {current} ORDER BY id").fetchall()

    def check(self, account: str) -> None:
        """Assert that the tables of an account are what its API has."""
        world = self.sandboxes[account].world
        for endpoint in ENDPOINTS:
            expected = sorted(record["id"] for record in world.records(endpoint.path))
            assert [id_ for (id_,) in self.rows(account, endpoint.name)] == expected
        titles = {each["id"]: each["attributes"]["title"] for each in world.records("jobs")}
        assert dict(self.rows(account, "jobs", "id, title")) == titles


def settings_of(account: str, sandbox: Sandbox, folder: Path) -> Settings:
    return Settings(
        base_url=sandbox.base_url,
        key_variable=f"{account.upper()}_KEY",
        failure_webhook_variable=f"{account.upper()}_HOOK",
        requests_per_10s=0,
        database=str(folder / f"{account}.duckdb"),
    )


def host() -> dg.Definitions:
    """A code location with names that ours would like to have."""

    @dg.asset(group_name="hiring")
    def users() -> None: ...

    @dg.op
    def candidates() -> None: ...

    @dg.job
    def sync() -> None:
        candidates()

    return dg.Definitions(
        assets=[users],
        jobs=[sync],
        executor=dg.multiprocess_executor,
        resources={"duckdb": DuckDBResource(database="own.duckdb"), "api": "a text"},
    )


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    """Two accounts whose records have the same ids, and other contents."""
    sandboxes = {name: Sandbox(20, rules=Rules(key=f"{KEY}-{name}")) for name in TYPED}
    for name, sandbox in sandboxes.items():
        monkeypatch.setenv(f"{name.upper()}_KEY", f"{KEY}-{name}")
        for record in sandbox.world.records("jobs"):
            sandbox.world.change("jobs", record["id"], {"title": TYPED[name]})
    with ExitStack() as stack:
        for sandbox in sandboxes.values():
            stack.enter_context(served(sandbox))
        instance = stack.enter_context(dg.DagsterInstance.local_temp(overrides=QUIET))
        accounts = [
            build_defs(settings_of(name, sandbox, tmp_path), key_prefix=name)
            for name, sandbox in sandboxes.items()
        ]
        yield Two(sandboxes, tmp_path, dg.Definitions.merge(host(), *accounts), instance)


@pytest.mark.ring(3)
def test_two_accounts_at_once_leave_each_other_alone(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    dg.Definitions.validate_loadable(two.defs)
    syncs = [two.start(name) for name in TYPED]
    said = [sync.communicate()[0] for sync in syncs]
    assert [sync.returncode for sync in syncs] == [0, 0], said
    for name in TYPED:
        two.check(name)

    # One fails, erases and compacts; the other stays as it is, and hears nothing of it.
    before = (two.folder / "south.duckdb").read_bytes()
    north = two.sandboxes["north"]
    gone = north.world.records("candidates")[0]["id"]
    north.world.remove("candidates", gone)
    north.fail("jobs", status=409, times=None)
    failed = two.run("north_full_sync")
    assert not failed.success
    assert two.run("north_compact").success
    assert (two.folder / "south.duckdb").read_bytes() == before
    assert gone not in [id_ for (id_,) in two.rows("north", "candidates")]
    with webhook() as (url, texts), webhook() as (other, others):
        monkeypatch.setenv("NORTH_HOOK", url)
        monkeypatch.setenv("SOUTH_HOOK", other)
        skipped = [notified(two, name, failed) for name in TYPED]
    assert skipped[0] is None
    assert "is not of this account" in skipped[1]
    assert ("north__jobs: jobs, page 1" in texts[0], others) == (True, [])


@pytest.mark.ring(2)
@FULL
def test_a_file_has_the_records_of_one_account(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    path = str(tmp_path / "shared.duckdb")

    def sync(account: str) -> str:
        """Sync a table as an account; return the error, or an empty text."""
        database = RecruitDatabase(database=path, account=account)
        defs = build_defs(
            Settings(base_url=sandbox.base_url, requests_per_10s=0),
            key_prefix=account,
            endpoints=["regions"],
            resources={
                "database": database,
                "io_manager": DuckDBMergeIOManager(database=database),
            },
        )
        job = defs.resolve_job_def(f"{account}_sync".strip("_").replace("/", "_"))
        sent = len(sandbox.requests)
        result = job.execute_in_process(raise_on_error=False)
        failures = [event for event in result.all_events if event.is_step_failure]
        assert bool(failures) == (len(sandbox.requests) == sent)
        return first_cause(failures[0]) if failures else ""

    assert sync("") == ""
    assert sync("acme/eu") == ""
    for other in ("globex", ""):
        said = sync(other)
        assert "The file has the records of the account acme/eu, and this is " in said
        others = build_defs(Settings(base_url=sandbox.base_url, database=path), key_prefix=other)
        for name in ("build_marts", "compact"):
            with pytest.raises(dg.Failure, match="has the records of the account acme/eu"):
                others.resolve_job_def(f"{other}_{name}".strip("_")).execute_in_process()
    with duckdb.connect(path) as database:
        update = re.search(r"UPDATE .*''", said)
        assert update
        database.execute(update[0])
    assert sync("globex") == sync("globex") == ""


def notified(two: Two, account: str, result: dg.ExecuteInProcessResult) -> Any:
    """What an account's sensor says about a failed run."""
    (failure,) = [event for event in result.all_events if event.is_run_failure]
    sensor: Any = two.defs.resolve_sensor_def(f"{account}_notify_on_failure")
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=two.instance,
        dagster_run=result.dagster_run,
        dagster_event=failure,
    ).for_run_failure()
    skipped = sensor(context)
    return skipped and skipped.skip_message


def test_every_name_begins_with_the_prefix() -> None:
    defs = build_defs(Settings(), key_prefix="europe/acme")
    repository = defs.get_repository_def()
    specs = defs.resolve_all_asset_specs()
    assert {spec.key.path[:-1] == ["europe", "acme"] for spec in specs} == {True}
    assert {spec.key.path[-1] for spec in specs} > NAMES
    names = [
        *(job.name for job in repository.get_all_jobs() if not job.name.startswith("__")),
        *(each.name for each in repository.schedule_defs),
        *(each.name for each in repository.sensor_defs),
        *(spec.group_name or "" for spec in specs),
        *repository.get_implicit_global_asset_job_def().graph.node_dict,
        *(defs.resources or {}),
    ]
    assert [name for name in names if not name.startswith("europe_")] == []
    deps = {dep.asset_key.path[0] for spec in specs for dep in spec.deps}
    assert deps == {"europe"}


def test_without_a_prefix_the_names_are_short() -> None:
    defs = build_defs(Settings())
    assert {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()} > NAMES
    assert {"sync", "full_sync", "sync_hiring"} <= {
        job.name for job in defs.get_repository_def().get_all_jobs()
    }


def test_parts_can_be_left_out() -> None:
    defs = build_defs(
        Settings(), endpoints=["jobs", "users"], marts=False, schedules=False, sensors=False
    )
    repository = defs.get_repository_def()
    assert {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()} == {
        "jobs",
        "users",
    }
    assert [*repository.schedule_defs, *repository.sensor_defs] == []
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == {
        "sync",
        "audit",
        "full_sync",
        "sync_company",
        "sync_hiring",
        "compact",
        "export_person",
        "forget_person",
    }


def test_a_mart_of_which_an_endpoint_is_missing_is_left_out() -> None:
    """It would show what it cannot know as 0."""
    for left_out in ("stages", "reject_reasons", "regions"):
        defs = build_defs(Settings(), endpoints=sorted(NAMES - {left_out}), key_prefix="acme")
        specs = {spec.key.path[-1]: spec for spec in defs.resolve_all_asset_specs()}
        keys = {spec.key for spec in specs.values()}
        assert {dep.asset_key for spec in specs.values() for dep in spec.deps} <= keys
        built = [mart.name for mart in MARTS if mart.name in specs]
        assert built == [mart.name for mart in marts_of(NAMES - {left_out})]
        assert ("report" in specs) == (len(built) == len(MARTS)) == (left_out == "regions")


def test_marts_need_all_that_they_read() -> None:
    assert marts_of(NAMES) == MARTS
    for left_out in NAMES:
        for mart in marts_of(NAMES - {left_out}):
            assert left_out not in {name for _, name in mart.reads}


def test_without_any_mart_there_is_no_job_for_them() -> None:
    defs = build_defs(Settings(), endpoints=["regions"])
    jobs = {job.name for job in defs.get_repository_def().get_all_jobs()}
    assert "sync" in jobs
    assert "build_marts" not in jobs


def test_specs_can_be_changed_from_outside() -> None:
    soon = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=1))

    def translate(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(
            key=spec.key.with_prefix("raw"),
            group_name="ours",
            owners=["team:data"],
            automation_condition=dg.AutomationCondition.eager(),
            freshness_policy=soon,
        ).merge_attributes(tags={"tier": "1"})

    defs = build_defs(Settings(), translation=translate)
    specs = defs.resolve_all_asset_specs()
    assert {spec.key.path[0] for spec in specs} == {"raw"}
    assert {spec.group_name for spec in specs} == {"ours"}
    assert all(spec.tags["tier"] == "1" for spec in specs)
    assert all(spec.automation_condition == dg.AutomationCondition.eager() for spec in specs)
    job = defs.resolve_job_def("sync_hiring")
    assert dg.AssetKey(["raw", "jobs"]) in job.asset_layer.selected_asset_keys
    assert dg.AssetKey(["raw", "users"]) not in job.asset_layer.selected_asset_keys


def test_an_endpoint_of_your_own_is_an_entry() -> None:
    own = Endpoint("divisions", group="company", description="Divisions.")
    defs = build_defs(Settings(), endpoints=["jobs", own], marts=False)
    keys = {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}
    assert keys == {"jobs", "divisions"}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"endpoints": ["job"]}, r"no endpoint 'job': do you mean jobs\?"),
        ({"endpoints": ["funnel"]}, "no endpoint 'funnel': name some of candidates,"),
        ({"endpoints": ["jobs", "jobs"]}, "Two endpoints have the name jobs"),
        ({"endpoints": []}, "No endpoint is chosen"),
        ({"endpoints": 5}, "endpoints is of type int: it must be Iterable"),
        ({"endpoints": [1]}, "an endpoint is of type int: it must be str |"),
        ({"settings": {"base_url": "x"}}, "settings is of type dict: it must be .*Settings |"),
        ({"translation": {}}, "translation is of type dict: it must be Callable"),
        ({"translation": lambda spec: None}, "the result of translation is of type NoneType"),
        ({"marts": "no"}, "marts is of type str: it must be bool"),
        ({"resources": 5}, "resources is of type int: it must be Mapping"),
        ({"key_prefix": None}, "The key prefix must be a text"),
        ({"key_prefix": "2024"}, "The key prefix '2024' begins with a digit"),
        ({"key_prefix": "a b"}, "'a b' cannot be part of a name"),
        ({"resources": {"duckdb": None}}, "no resource duckdb: name api, database, io_manager"),
        (
            {"translation": lambda spec: spec.replace_attributes(key="one")},
            "Two assets have the name one",
        ),
    ],
)
def test_what_cannot_be_built_is_a_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadSetting, match=sentence):
        build_defs(**({"settings": Settings()} | wrong))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"databse": "s3cret"}, "There is no setting databse: do you mean database?"),
        ({"key": "s3cret"}, "There is no setting key: do you mean key_variable?"),
        ({"RECRUIT_API_BASE_URL": "s3cret"}, "RECRUIT_API_BASE_URL: do you mean base_url?"),
        ({"s": "s3cret", "concurrency": "s3cret"}, "concurrency: Input should be a valid integer"),
        ({"owners": ["s3cret"]}, "owners: write e-mail addresses or team:name, as a list."),
        ({"deleted_rows": "s3cret"}, "deleted_rows: Input should be 'erase', 'keep' or 'drop'."),
        ({"base_url": None}, "base_url is empty: is the variable in its template set?"),
        (["s3cret"], "The settings are not a mapping"),
        ({"nothing of ours": "s3cret"}, "nothing of ours: name one of base_url, key_variable,"),
        ({"": "s3cret", 1: 2}, "There is no setting 1: do you mean "),
    ],
)
def test_wrong_settings_are_sentences_without_values(given: Any, sentence: str) -> None:
    with pytest.raises(BadSetting) as raised:
        Settings.of(given)
    assert sentence in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("database", "shared"),
    [
        ("recruitment.duckdb", ""),
        ("ducklake:sqlite:lake.sqlite", ""),
        ("ducklake:postgres:host=db dbname=lake (DATA_PATH '/data/lake')", "host=db dbname=lake"),
        ("ducklake:postgres:host=db (NO_OPTION '/data/lake')", ""),
    ],
)
def test_machines_share_the_budget_where_they_share_a_catalogue(database: str, shared: str) -> None:
    resources = build_defs(Settings(database=database)).resources or {}
    assert resources["recruit_api"].shared_budget == shared


def test_a_resource_can_be_replaced() -> None:
    api = RecruitApi(base_url="https://api.example.com/v1/", key="k")
    assert (build_defs(Settings(), resources={"api": api}).resources or {})["recruit_api"] is api


WRONG = {
    "RECRUIT_API_CONCURRENCY": ("four", "RECRUIT_API_CONCURRENCY is 'four': set it to a whole"),
    "RECRUIT_API_REQUESTS_PER_10S": ("-1", "RECRUIT_API_REQUESTS_PER_10S is '-1': set it to"),
    "RECRUIT_DELETED_ROWS": ("burn", "RECRUIT_DELETED_ROWS is 'burn': set it to one of erase,"),
    "RECRUIT_MORE_ENDPOINTS": ("files", "RECRUIT_MORE_ENDPOINTS is 'files': name some of"),
    "RECRUIT_TIME_ZONE": ("Sweden", "RECRUIT_TIME_ZONE is 'Sweden': set it to the name of a time"),
    "RECRUIT_OWNERS": ("bad", "RECRUIT_OWNERS is 'bad': write an e-mail address or team:name"),
    "RECRUIT_API_KEY": ("", "RECRUIT_API_KEY is empty: export it or set it in .env"),
    "RECRUIT_API_BASE_URL": ("", "RECRUIT_API_BASE_URL is empty: set it to"),
    "RECRUIT_API_VERSION": ("2024.9.4", "RECRUIT_API_VERSION is '2024.9.4': set it to YYYYMMDD"),
}


@pytest.mark.ring(2)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_loads_and_fails_the_run_in_one_sentence(
    name: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECRUIT_API_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    value, sentence = WRONG[name]
    monkeypatch.setenv(name, value)
    defs = build_defs()
    with pytest.raises(DagsterResourceFunctionError) as raised:
        defs.resolve_job_def("sync_company").execute_in_process()
    assert sentence in str(raised.value.__cause__)
    assert sandbox.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ring(2)
def test_marts_are_not_built_in_another_time_zone_than_was_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECRUIT_TIME_ZONE", "Europe/Atlantis")
    said = failure(build_defs(), "build_marts")
    advice = "set it to the name of a time zone, such as Europe/Stockholm."
    assert said == f"RECRUIT_TIME_ZONE is 'Europe/Atlantis': {advice}"
    assert list(tmp_path.iterdir()) == []


def test_each_account_has_its_own_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECRUIT_ACCOUNTS", "acme,globex,initech")
    monkeypatch.setenv("RECRUIT_TIME_ZONE", "Europe/Stockholm")
    monkeypatch.setenv("RECRUIT_ACME_TIME_ZONE", " America/St_Johns ")
    monkeypatch.setenv("RECRUIT_INITECH_TIME_ZONE", "here")
    acme, globex, initech = map(Settings.from_environment, ("acme", "globex", "initech"))
    assert (acme.time_zone, globex.time_zone) == ("America/St_Johns", "Europe/Stockholm")
    database = (build_defs(acme).resources or {})["recruit_database"]
    assert isinstance(database, RecruitDatabase)
    assert database.time_zone == "America/St_Johns"
    (problem,) = initech.time_zone_problems
    assert problem.startswith("RECRUIT_INITECH_TIME_ZONE is 'here': set it to the name")


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {  # what a sync of fields says of each
    "no address": ({"base_url": ""}, "base_url is empty: set it to the address of the API"),
    "no path": ({"base_url": "{url}nowhere/"}, "Check base_url: it should end in the version path"),
    "wrong key": ({"key_variable": "WRONG"}, "Check WRONG, that base_url is the region"),
    "no key": ({"key_variable": "UNSET"}, "UNSET is empty: export it or set it in .env"),
    "no threads": ({"concurrency": 0}, "concurrency must be 1 or more"),
    "no version": ({"version": "2024-09-04"}, "version is '2024-09-04': set it to YYYYMMDD"),
    "no header": ({"auth_header": ""}, "auth_header must be the name of a header"),
    "no folder": ({"database": "nowhere/x.duckdb"}, "create it, or set database to another path"),
    "no file": ({"database": "."}, "is a folder: set database to a file"),
}


def failure(defs: dg.Definitions, job: str) -> str:
    """Return the error of the job's first step, or of its resources."""
    try:
        ended = defs.resolve_job_def(job).execute_in_process(raise_on_error=True)
    except DagsterResourceFunctionError as error:
        return str(error.__cause__)
    except dg.Failure as error:
        return str(error.description)
    raise AssertionError(f"{ended} did not fail")


@pytest.mark.ring(2)
@pytest.mark.parametrize("name", UNUSABLE)
def test_errors_name_a_setting_as_it_was_set(
    name: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACME_KEY", KEY)
    monkeypatch.setenv("WRONG", "another-key")
    wrong, sentence = UNUSABLE[name]
    right = {"base_url": sandbox.base_url, "key_variable": "ACME_KEY", "requests_per_10s": 0}
    given = {field: str(value).format(url=sandbox.base_url) for field, value in wrong.items()}
    told = failure(build_defs(Settings(**(right | given)), endpoints=["jobs"]), "sync")
    assert sentence in told
    assert "RECRUIT_" not in told


@pytest.mark.ring(2)
def test_errors_name_the_variable_of_the_account(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECRUIT_ACME_API_KEY", "another-key")
    monkeypatch.setenv("RECRUIT_API_BASE_URL", sandbox.base_url)  # shared by all accounts
    told = failure(build_defs(Settings.from_environment("acme"), endpoints=["jobs"]), "sync")
    assert "Check RECRUIT_ACME_API_KEY, that RECRUIT_API_BASE_URL is the region" in told


def test_a_secret_in_the_wrong_place_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    monkeypatch.setenv("RECRUIT_API_CONCURRENCY", f"x{KEY}")
    settings = Settings.from_environment()
    assert "RECRUIT_API_CONCURRENCY is a value that is not shown" in settings.problems[0]
    with pytest.raises(ValueError, match="never the secret itself") as raised:
        Settings(key_variable=f"{KEY}!")
    assert KEY not in str(raised.value) + repr(settings)
    for pasted in ("kT3jfd82KlsecretKEY99aabb", "ABCDEF0123456789ABCD", "k3y_of_the_account"):
        with pytest.raises(ValueError, match="never the secret itself") as raised:
            Settings(key_variable=pasted)
        assert pasted not in str(raised.value)
    for name in ("ACME_TEAMTAILOR_API_KEY_2", "RECRUIT_API_KEY", "key2"):
        assert Settings(key_variable=name).key_variable == name


PROCESS = """
import gc, os
import duckdb
import pyarrow as pa

def state():
    settings = duckdb.sql("SELECT name, value FROM duckdb_settings()").fetchall()
    pool = pa.default_memory_pool().backend_name
    return [settings, pool, gc.get_threshold(), gc.isenabled(), dict(os.environ), os.umask(0o022)]

duckdb.sql("CREATE TABLE mine AS FROM range(10)")
os.umask(0o022)
before = state()
import recruit_assets
from recruit_assets import *
from recruit_assets import build_defs
assert state() == before, "after the import"
defs = build_defs()
assert state() == before, "after build_defs"
assert defs.resolve_job_def("sync_company").execute_in_process().success
assert state() == before, "after a sync"
assert duckdb.sql("SELECT count(*) FROM mine").fetchall() == [(10,)]
"""


@pytest.mark.ring(2)
def test_an_embedding_process_notices_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "RECRUIT_API_BASE_URL": sandbox.base_url,
        "RECRUIT_API_KEY": KEY,
        "RECRUIT_API_REQUESTS_PER_10S": "0",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    environment.pop("ARROW_DEFAULT_MEMORY_POOL", None)
    subprocess.run(
        [sys.executable, "-c", PROCESS], cwd=tmp_path, env=environment, check=True, timeout=300
    )
