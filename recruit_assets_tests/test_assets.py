"""The product from outside: real runs against the sandbox, into a real DuckDB file."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from recruit_assets.assets import build_asset
from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.options import Mode
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests.conftest import KEY, Project, metadata, served
from recruit_assets_tests.load.test_connection import held_elsewhere
from recruit_assets_tests.syncing import ASSETS
from recruit_assets_tests.test_checks import must_be_well

TABLES = {endpoint.name: endpoint.path for endpoint in ENDPOINTS}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project that has synced everything, in front of a sandbox that nobody changes."""
    path = tmp_path_factory.mktemp("loaded") / "test.duckdb"
    sandbox = Sandbox(candidates=40, rules=Rules(key=KEY))
    with served(sandbox), dg.DagsterInstance.ephemeral() as instance:
        project = Project(sandbox, path, instance)
        project.materialize()
        yield project


@pytest.mark.ring(2)
def test_all_18_tables_hold_what_the_api_has(loaded: Project) -> None:
    world = loaded.sandbox.world
    assert loaded.counts() == {name: world.count(path) for name, path in TABLES.items()}
    for name, path in TABLES.items():
        ids = {record["id"] for record in world.records(path)}
        assert {key for (key,) in loaded.query(f"SELECT id FROM recruit.{name}")} == ids


@pytest.mark.ring(2)
def test_a_second_sync_writes_nothing_and_all_is_well(loaded: Project) -> None:
    everything = " UNION ALL ".join(
        f"SELECT '{name}', id, _loaded_at, _run_id, _row_hash FROM recruit.{name}"
        for name in TABLES
    )
    before = sorted(loaded.query(everything))
    result = loaded.materialize(mode=Mode.full)
    assert sorted(loaded.query(everything)) == before
    for name, path in TABLES.items():
        found = metadata(result, name)
        assert (found["inserted"], found["updated"]) == (0, 0)
        assert found["unchanged"] == loaded.sandbox.world.count(path)
    must_be_well(result)  # keys are only looked at once what they lead to was read


@pytest.mark.ring(2)
def test_the_source_of_each_attribute_is_its_column(project: Project) -> None:
    project.materialize("candidates")
    for record in project.sandbox.world.records("candidates"):
        (found,) = project.query(
            "SELECT email, first_name, internal, tags, _unparsed "
            f"FROM recruit.candidates WHERE id = '{record['id']}'"
        )
        attributes = record["attributes"]
        names = ("email", "first-name", "internal", "tags")
        assert found == (*(attributes[name] for name in names), None)


@pytest.mark.ring(2)
def test_every_attribute_has_the_type_of_the_catalogue(loaded: Project) -> None:
    found = {
        (table, column): sql_type
        for table, column, sql_type in loaded.query(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE schema_name = 'recruit'"
        )
    }
    for endpoint in ENDPOINTS:
        for column in endpoint.columns():
            assert found.pop((endpoint.name, column.name)) == column.kind.sql
    bookkeeping = {"_loaded_at", "_run_id", "_row_hash", "_deleted_at", "_unparsed"}
    assert {column for _, column in found} == bookkeeping  # the catalogue knows all else


def test_tables_and_columns_carry_their_meaning(project: Project) -> None:
    project.materialize("jobs")
    assert project.query(
        "SELECT comment FROM duckdb_tables() WHERE table_name = 'jobs' AND schema_name = 'recruit'"
    ) == [("All jobs of any status, public and internal.",)]
    assert project.query(
        "SELECT count(*) FROM duckdb_columns() WHERE comment IS NULL AND schema_name = 'recruit'"
    ) == [(0,)]


@pytest.mark.ring(2)
def test_foreign_keys_resolve(loaded: Project) -> None:
    for key, target in [("candidate_id", "candidates"), ("job_id", "jobs"), ("stage_id", "stages")]:
        assert loaded.query(
            f"SELECT count({key}) = count(*), count(*) = (SELECT count(*) FROM "
            f"recruit.job_applications a JOIN recruit.{target} t ON t.id = a.{key}) "
            "FROM recruit.job_applications"
        ) == [(True, True)]
    assert loaded.query(
        "SELECT count(*) FILTER (user_id IS NULL OR team_id IS NULL OR team_type IS NULL), "
        "count(DISTINCT team_type) FROM recruit.team_memberships"
    ) == [(0, 2)]


def test_every_job_is_there_whatever_its_status_and_feed(project: Project) -> None:
    project.materialize("jobs")
    found = dict(project.query("SELECT id, {'s': status, 'i': internal} FROM recruit.jobs"))
    expected = {
        record["id"]: {"s": record["attributes"]["status"], "i": record["attributes"]["internal"]}
        for record in project.sandbox.world.records("jobs")
    }
    assert found == expected
    assert len({value["s"] for value in found.values()}) > 2


def test_changes_at_the_source_arrive(project: Project) -> None:
    project.materialize("regions")
    world = project.sandbox.world
    first, second, *_ = (record["id"] for record in world.records("regions"))
    world.change("regions", first, {"name": "Renamed"})
    world.change("regions", second, {"name": None})
    new = world.add("regions", {"name": "New"})
    found = metadata(project.materialize("regions"), "regions")
    assert (found["inserted"], found["updated"]) == (1, 2)
    names = dict(project.query("SELECT id, name FROM recruit.regions"))
    assert (names[first], names[second], names[new]) == ("Renamed", None, "New")


@pytest.mark.ring(2)
def test_counters_are_refreshed_on_demand(project: Project) -> None:
    def count_anew(document: dict[str, Any]) -> None:
        for each in document["data"]:
            each["attributes"]["active-job-applications-count"] = 4711

    project.materialize("stages")
    project.sandbox.alter("stages", count_anew)
    count = "SELECT count(*) FROM recruit.stages WHERE active_job_applications_count = 4711"
    project.materialize("stages")
    assert project.query(count) == [(0,)]
    found = metadata(project.materialize("stages", refresh_volatile=True), "stages")
    assert found["refreshed"] == found["unchanged"] == project.query(count)[0][0]


def test_an_attribute_nobody_knew_becomes_a_column(project: Project) -> None:
    project.materialize("regions")
    first = project.sandbox.world.records("regions")[0]["id"]
    project.sandbox.world.change("regions", first, {"climate": "mild", 'Quo"ted': {"a": [1]}})
    project.materialize("regions")
    assert project.query(
        f"SELECT climate, COLUMNS('quo_ted_.*') FROM recruit.regions WHERE id = '{first}'"
    ) == [("mild", '{"a":[1]}')]


def test_a_value_that_does_not_fit_is_kept_and_counted(project: Project) -> None:
    first, *_ = (record["id"] for record in project.sandbox.world.records("regions"))
    project.sandbox.world.change("regions", first, {"name": 12, "created-at": "2025-02-30"})
    result = project.materialize("regions")
    assert metadata(result, "regions")["unparsed"] == 2
    assert project.query(
        f"SELECT name, created_at, _unparsed FROM recruit.regions WHERE id = '{first}'"
    ) == [(None, None, '{"created_at":"2025-02-30","name":12}')]


def test_values_that_nothing_can_hold_spoil_neither_page_nor_run(project: Project) -> None:
    values = {
        "half": '"\\ud83d"',
        "huge": "1e400",
        "exact": "0.12345678901234567890123",
        "long": "7" * 5000,
        "nested": '{"a":["\\ud83d"]}',
    }
    attributes = ",".join(f'"{name}":{value}' for name, value in values.items())
    body = f'{{"data":[{{"id":"1","attributes":{{"name":"plain",{attributes}}}}}]}}'
    project.sandbox.fail("regions", status=200, body=body)
    result = project.materialize("regions")
    assert project.query(
        "SELECT name, half, huge, exact::VARCHAR, long, nested, _unparsed->>'half' "
        "FROM recruit.regions"
    ) == [
        (
            "plain",
            None,
            "1e400",
            values["exact"],
            "7" * 5000,
            '"{\\"a\\": [\\"\\\\ud83d\\"]}"',
            '"\\ud83d"',
        )
    ]
    assert metadata(result, "regions")["unparsed"] == 1


def test_duplicates_on_a_page_and_across_pages(project: Project) -> None:
    sent: list[dict[str, Any]] = []

    def repeat(document: dict[str, Any]) -> None:
        copies = [dict(each, attributes={"name": f"later {each['id']}"}) for each in sent[:1]]
        sent.extend(document["data"][:1])
        document["data"] += copies or [dict(document["data"][1], id=int(document["data"][1]["id"]))]

    for _ in range(40):
        project.sandbox.world.add("regions")
    project.sandbox.alter("regions", repeat)
    found = metadata(project.materialize("regions"), "regions")
    assert found["repeated"] >= 2
    assert found["verdict"] == "incomplete"
    assert "records where" in found["reason"]
    assert found["dagster/row_count"] == project.sandbox.world.count("regions")
    first = sent[0]["id"]
    assert project.query(f"SELECT name FROM recruit.regions WHERE id = '{first}'") == [
        (f"later {first}",)
    ]


@pytest.mark.ring(2)
@pytest.mark.parametrize("status", [403, 404])
def test_an_endpoint_that_is_not_available_keeps_its_rows_and_stops_nobody(
    project: Project, status: int
) -> None:
    project.sync("job_offers")
    before = project.counts_of("job_offers")
    project.sandbox.rules.without = {"job-offers": status}
    result = project.materialize("job_offers", "regions")
    assert metadata(result, "job_offers")["verdict"] == "unavailable"
    assert metadata(result, "regions")["verdict"] == "complete"
    assert project.counts_of("job_offers") == before > 0


def test_an_endpoint_that_was_never_available_has_an_empty_table(project: Project) -> None:
    project.sandbox.rules.without = {"job-offers": 403}
    project.materialize("job_offers")
    assert project.counts_of("job_offers") == 0


@pytest.mark.ring(2)
def test_a_bad_answer_leaves_the_table_as_it_was(project: Project) -> None:
    """`test_complete` shows it of every kind of fault, without a run."""
    project.sync("candidates")
    before = sorted(project.query("FROM recruit.candidates"))
    first = project.sandbox.world.records("candidates")[0]["id"]
    project.sandbox.world.change("candidates", first, {"first-name": "Changed"})
    project.sandbox.fail("candidates", kind="list", page=2, times=None)
    said = project.failure("candidates", mode=Mode.full)
    assert said.startswith("candidates, page 2: ")
    assert "The table is unchanged" in said
    assert sorted(project.query("FROM recruit.candidates")) == before
    project.sandbox.clear_faults()
    assert project.sync("candidates").merged.updated == 1


def test_an_outage_is_waited_out_if_the_config_says_so(project: Project) -> None:
    project.sandbox.fail("regions", status=502, times=20)
    assert "HTTP 502 (8 tries)" in project.failure("regions")
    found = metadata(project.materialize("regions", outage_minutes=60), "regions")
    assert (found["verdict"], found["retries"]) == ("complete", 12)


def test_a_bad_setting_fails_the_run_before_any_step(project: Project) -> None:
    project.settings = {"base_url": "http://api.example.com/v1/"}
    result = project.materialize("regions", raises=False)
    assert not result.success
    assert not [event for event in result.all_events if event.is_step_start]
    assert not project.path.exists()


def test_a_bad_database_fails_before_anything_is_asked(project: Project) -> None:
    project.path = project.path.parent / "missing" / "x.duckdb"
    assert "There is no folder" in project.failure("regions")
    assert project.sandbox.requests == []


def test_a_database_that_another_process_holds_is_told_with_its_holder(project: Project) -> None:
    with held_elsewhere(project.path) as holder:
        assert f"(PID {holder.pid})" in project.failure("regions")
    assert project.sandbox.requests == []


def test_the_other_form_of_the_key(project: Project) -> None:
    project.settings = {"auth_header": "Authorization", "auth_prefix": "Token token="}
    project.materialize("regions")
    assert project.counts_of("regions") == project.sandbox.world.count("regions")


def test_another_endpoint_is_one_more_entry(project: Project) -> None:
    entry = Endpoint("regions", group="more", description="Nothing is known of it but its name.")
    dg.materialize([build_asset(entry)], resources=project.resources(), instance=project.instance)
    world = project.sandbox.world.records("regions")
    assert dict(project.query("SELECT id, name FROM recruit.regions")) == {
        record["id"]: record["attributes"]["name"] for record in world
    }


def test_a_downstream_asset_gets_the_table(project: Project) -> None:
    @dg.asset(
        io_manager_key="plain", ins={"regions": dg.AssetIn(input_manager_key="recruit_io_manager")}
    )
    def names(regions: pa.Table) -> list[str]:
        return sorted(regions["name"].to_pylist())

    (regions,) = [each for each in ASSETS if each.key == dg.AssetKey("regions")]
    result = dg.materialize(
        [regions, names],
        resources={**project.resources(), "plain": dg.mem_io_manager},
        instance=project.instance,
    )
    world = project.sandbox.world.records("regions")
    assert result.output_for_node("names") == sorted(
        record["attributes"]["name"] for record in world
    )


@pytest.mark.parametrize("before", [[], ["regions"]])
def test_an_input_that_was_never_materialized_is_a_sentence(
    project: Project, before: list[str]
) -> None:
    @dg.asset(
        io_manager_key="plain", ins={"teams": dg.AssetIn(input_manager_key="recruit_io_manager")}
    )
    def names(teams: pa.Table) -> None: ...

    for name in before:
        project.materialize(name)
    (teams,) = [each for each in ASSETS if each.key == dg.AssetKey("teams")]
    with pytest.raises(dg.Failure, match=r"no table recruit\.teams yet: materialize it first"):
        dg.materialize(
            [teams, names],
            selection=[names],
            resources={**project.resources(), "plain": dg.mem_io_manager},
            instance=project.instance,
        )
    assert project.path.exists() == bool(before)


def test_an_asset_that_returns_something_else_is_told_what_to_return(project: Project) -> None:
    @dg.asset(io_manager_key="recruit_io_manager")
    def numbers() -> list[int]:
        return [1]

    with pytest.raises(dg.Failure, match=r"type int \(in a list\) has no rows to merge: return"):
        dg.materialize([numbers], resources=project.resources(), instance=project.instance)


def test_metadata_of_a_sync(project: Project) -> None:
    found = metadata(project.materialize("candidates"), "candidates")
    columns = {column.name: column for column in found.pop("dagster/column_schema").columns}
    (candidates,) = [each for each in ENDPOINTS if each.name == "candidates"]
    known = [column.name for column in candidates.columns()]
    assert [*columns] == [*known, "_loaded_at", "_run_id", "_row_hash", "_deleted_at", "_unparsed"]
    assert columns["email"].tags == {"personal": ""}
    assert columns["created_at"].tags == {}
    for varying in ("bytes", "seconds", "records_per_second", "seconds_since_newest_change"):
        assert found.pop(varying) >= 0
    assert found.pop("cursor") == found.pop("values_as_of") == found.pop("read_as_of") > 0
    assert found.pop("preview").startswith("|")
    assert found == {
        "dagster/row_count": 40,
        "verdict": "complete",
        "proof": "read",
        "mode": "full",
        "read": 70,
        "inserted": 40,
        "updated": 0,
        "unchanged": 0,
        "undeleted": 0,
        "refreshed": 0,
        "repeated": 30,
        "deleted": 0,
        "unparsed": 0,
        "pages": 3,
        "requests": 3,
        "retries": 0,
        "seconds_waited_for_budget": 0.0,
        "seconds_waited_to_retry": 0.0,
        "record_count": 40,
    }


def test_the_key_is_in_nothing_that_a_failing_run_leaves(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    project.sandbox.fail("regions", status=500, body=f"debug: key={KEY}", times=None)
    project.sandbox.fail("teams", status=400, body=f'{{"errors":[{{"detail":"{KEY}"}}]}}')
    result = project.materialize("regions", "teams", "users", raises=False)
    assert not result.success
    left = [repr(entry) for entry in project.instance.all_logs(result.run_id)]
    left += [repr(event) for event in result.all_events]
    left += [repr(project.instance.get_runs()), *capfd.readouterr()]
    assert [text for text in left if "debug: key=…" in text]
    assert not [text for text in left if KEY in text]
