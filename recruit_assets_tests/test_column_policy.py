"""A policy per column, seen from outside: what is stored, where, and what a change rewrites."""

import hashlib
import hmac
import json
import random
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from recruit_assets.build import build_defs
from recruit_assets.catalogue import DeletionPolicy, Kind, snake_case
from recruit_assets.cli.main import main
from recruit_assets.column_policy import policy_problems, under_policy
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import DatabaseProblem, RecruitError
from recruit_assets.load.connection import connection
from recruit_assets.load.erasure import pending
from recruit_assets.load.reading import reading
from recruit_assets.options import Mode
from recruit_assets.resources import RecruitDatabase
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets.settings import Settings
from recruit_assets_tests.conftest import BY_NAME, KEY, Project, served
from recruit_assets_tests.rings import FULL

pytestmark = pytest.mark.ring(2)

PLAIN = {"force_compression": "uncompressed"}  # or a search for bytes misses most texts
PLANTED = "Zyxhidden"


LIMITABLE = [  # endpoint, attribute, column, kind and whether it is personal
    (endpoint.name, each.name, snake_case(each.name), each.kind, each.personal)
    for endpoint in ENDPOINTS
    for each in endpoint.attributes
    if not policy_problems({endpoint.name: {snake_case(each.name): "drop"}}, [endpoint])
]


def plant(project: Project, **more: Any) -> str:
    """Give a candidate values that are found nowhere else; return its id."""
    id_ = min(project.sandbox.world.table("candidates"))
    values = {
        "email": f"{PLANTED}@example.com",
        "phone": f"{PLANTED}-phone",
        "pitch": f"{PLANTED} pitch",
        "tags": [f"{PLANTED} a", f"{PLANTED} b"],
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    project.sandbox.world.change("candidates", id_, values)
    return id_


def salt_of(project: Project) -> bytes:
    ((found,),) = project.query("SELECT salt FROM recruit_meta.salt")
    return bytes.fromhex(found)


def independent(project: Project, text: str) -> str:
    """The hash that the documentation promises."""
    return hmac.new(salt_of(project), text.encode(), hashlib.sha256).hexdigest()


def columns(project: Project, table: str = "candidates") -> set[str]:
    return {name for name, *_ in project.query(f"DESCRIBE recruit.{table}")}


def row(project: Project, id_: str, *names: str) -> tuple[Any, ...]:
    (found,) = project.query(
        f"SELECT {', '.join(names)} FROM recruit.candidates WHERE id = '{id_}'"
    )
    return found


def stored(project: Project) -> list[tuple[Any, ...]]:
    """All rows, without bookkeeping of runs, and without links that differ in every response."""
    left_out = "_loaded_at, _run_id, resume, original_resume"
    return project.query(f"SELECT * EXCLUDE ({left_out}) FROM recruit.candidates ORDER BY id")


def hidden_in(folder: Path) -> set[str]:
    """Files with planted bytes."""
    files = (each for each in folder.rglob("*") if each.is_file())
    return {each.name for each in files if PLANTED.encode() in each.read_bytes()}


def test_a_dropped_column_is_not_there_and_a_hashed_one_joins(project: Project) -> None:
    id_ = plant(project)
    user = min(project.sandbox.world.table("users"))
    project.sandbox.world.change("users", user, {"email": f"{PLANTED}@example.com"})
    project.policy = {
        "candidates": {"phone": "drop", "pitch": "drop", "email": "hash", "tags": "hash"},
        "users": {"email": "hash"},
    }
    project.sync("candidates")
    project.sync("users")
    assert not {"phone", "pitch"} & columns(project)
    email, tags = row(project, id_, "email", "tags")
    assert email == independent(project, f"{PLANTED}@example.com")
    assert tags == [independent(project, f"{PLANTED} {each}") for each in "ab"]
    assert project.query(
        "SELECT c.id, u.id FROM recruit.candidates c JOIN recruit.users u USING (email)"
    ) == [(id_, user)]
    again = project.sync("candidates", mode=Mode.full)
    assert again.merged.unchanged == project.counts_of("candidates")


def test_another_account_has_other_hashes(project: Project, tmp_path: Path) -> None:
    plant(project)
    project.policy = {"personal": "hash"}
    other = Project(project.sandbox, tmp_path / "other.duckdb", project.instance)
    other.policy = project.policy
    emails = []
    for each in (project, other):
        each.sync("candidates")
        emails.append({email for (email,) in each.query("SELECT email FROM recruit.candidates")})
    assert emails[0] & emails[1] <= {None, ""}


def test_a_value_that_does_not_fit_is_limited_as_well(project: Project) -> None:
    misfits = (5, {"b": f"{PLANTED} x", "a": [1.5, None]}, [PLANTED], True, "", ["", PLANTED])
    ids = sorted(project.sandbox.world.table("candidates"))
    for id_, misfit in zip(ids, misfits, strict=False):
        values = dict.fromkeys(("email", "phone", "tags"), misfit)
        project.sandbox.world.change("candidates", id_, values)
    limits = {"candidates": {"phone": "drop", "email": "hash", "tags": "hash"}}
    project.policy = limits
    project.sync("candidates")
    texts = "5", f'{{"a":[1.5,null],"b":"{PLANTED} x"}}', f'["{PLANTED}"]', "true"
    hashes = [independent(project, text) for text in texts]
    for id_, expected in zip(ids, [*hashes, ""], strict=False):
        assert row(project, id_, "email") == (expected,)
    assert row(project, ids[0], "_unparsed") == (f'{{"tags":"{hashes[0]}"}}',)
    assert row(project, ids[5], "tags") == (["", independent(project, PLANTED)],)
    before = stored(project)
    project.policy = {}
    project.sync("candidates")
    assert '"phone":5' in row(project, ids[0], "_unparsed")[0]
    project.policy = limits  # the stored rows become what a sync would have stored
    assert project.sync("candidates").merged.updated == 0
    assert stored(project) == before


def test_a_change_rewrites_the_rows_and_says_how_many(project: Project) -> None:
    project.config = PLAIN
    id_ = plant(project)
    project.sync("candidates")
    rows = project.counts_of("candidates")
    assert hidden_in(project.path.parent) == {project.path.name}  # the positive control

    project.policy = {"personal": "drop", "candidates": {"email": "hash"}}
    result = project.sync("candidates")
    assert f"{rows:,} rows were rewritten, and this sync reads the whole list." in (
        result.reading.state.note
    )
    assert result.mode is Mode.full
    assert result.merged.unchanged == rows
    assert not {"phone", "pitch", "tags", "first_name"} & columns(project)
    assert row(project, id_, "email") == (independent(project, f"{PLANTED}@example.com"),)
    with reading(str(project.path), 1) as database:
        erased = pending(database)
    assert erased
    assert erased.rows == rows

    again = project.sync("candidates")
    assert (again.reading.state.note, again.mode) == ("", Mode.incremental)


def test_values_come_back_with_the_next_complete_read(project: Project) -> None:
    id_ = plant(project)
    project.policy = {"candidates": {"phone": "drop", "email": "hash", "tags": "drop"}}
    project.sync("candidates")
    project.policy = {"candidates": {"tags": "hash"}}
    project.sandbox.fail("candidates", status=422, times=None)
    with pytest.raises(RecruitError):
        project.sync("candidates")
    assert row(project, id_, "email", "phone", "tags") == (None, None, None)
    project.sandbox.clear_faults()
    result = project.sync("candidates")  # the change is stored, and what was not read is known
    assert result.mode is Mode.full
    assert row(project, id_, "email", "phone", "tags") == (
        f"{PLANTED}@example.com",
        f"{PLANTED}-phone",
        [independent(project, f"{PLANTED} {each}") for each in "ab"],
    )
    assert project.sync("candidates").mode is Mode.incremental
    assert project.query("SELECT column_name, complete FROM recruit_meta.column_policies") == [
        ("tags", True)
    ]


def test_what_the_catalogue_does_not_know_can_be_dropped(project: Project) -> None:
    id_ = plant(project, odd=PLANTED, email=5)
    project.sync("candidates")
    assert "odd" in columns(project)
    project.policy = {"unknown": "drop"}
    project.sync("candidates")
    assert "odd" not in columns(project)
    assert row(project, id_, "_unparsed") == ('{"email":5}',)
    project.sandbox.world.change("candidates", id_, {"odder": PLANTED})
    project.sync("candidates")
    assert "odder" not in columns(project)
    project.policy = {}
    project.sync("candidates")
    assert row(project, id_, "odd", "odder") == (PLANTED, PLANTED)


@FULL
def test_a_dry_run_changes_nothing(project: Project) -> None:
    project.policy = {"personal": "hash"}
    assert project.sync("candidates", dry_run=True).merged.inserted == 40
    assert project.query("SELECT table_name FROM duckdb_tables()") == []
    project.policy = {}
    project.sync("candidates")
    project.policy = {"personal": "hash"}
    with pytest.raises(DatabaseProblem, match="has changed, which a dry run cannot apply"):
        project.sync("candidates", dry_run=True)
    assert row(project, plant(project), "email")[0].count("@")


@FULL
@pytest.mark.parametrize("also_the_record", [False, True])
def test_a_lost_salt_is_replaced_and_everything_hashed_with_the_new_one(
    project: Project, *, also_the_record: bool
) -> None:
    id_ = plant(project)
    project.policy = {"candidates": {"email": "hash"}}
    project.sync("candidates")
    before = row(project, id_, "email")
    with connection(str(project.path), {}, 1) as database:
        database.execute("DROP TABLE recruit_meta.salt")
        if also_the_record:
            database.execute("DROP TABLE recruit_meta.column_policies")
    assert project.sync("candidates").mode is Mode.full
    assert row(project, id_, "email") == (independent(project, f"{PLANTED}@example.com"),) != before


@FULL
def test_what_users_have_added_stays_unless_it_needs_a_dropped_column(project: Project) -> None:
    project.sync("referrals")
    with connection(str(project.path), {}, 1) as database:
        database.execute("ALTER TABLE recruit.referrals ADD COLUMN own INTEGER DEFAULT 7")
        database.execute("CREATE INDEX mine ON recruit.referrals(id)")
    project.policy = {"referrals": {"name": "drop"}}
    project.sync("referrals")
    assert "name" not in columns(project, "referrals")
    assert project.query("SELECT DISTINCT own FROM recruit.referrals") == [(7,)]
    assert project.query("SELECT index_name FROM duckdb_indexes()") == [("mine",)]

    with connection(str(project.path), {}, 1) as database:
        database.execute("CREATE INDEX other ON recruit.referrals(email)")
    resource = RecruitDatabase(database=str(project.path), wait_seconds=1)
    with pytest.raises(dg.Failure, match=r"undo what was added .* an index") as raised:
        resource.state(under_policy(BY_NAME["referrals"], {"referrals": {"email": "drop"}}))
    assert "email" in str(raised.value.description)
    assert "email" in columns(project, "referrals")


@FULL
def test_rows_read_under_another_policy_are_not_merged(project: Project) -> None:
    id_ = plant(project)
    project.sync("candidates")
    kept = Project(project.sandbox, project.path, project.instance)
    project.policy = {"candidates": {"phone": "drop"}}
    project.sandbox.before("candidates", lambda _: kept.sync("candidates", mode=Mode.full))
    project.sync("candidates")  # it reads again, under its own policy
    assert "phone" not in columns(project)
    assert project.sync("candidates").mode is Mode.incremental
    assert row(project, id_, "count(*)") == (1,)


def draw(chance: random.Random, endpoint: str) -> dict[str, Any]:
    """A policy for the columns of an endpoint that can be limited, and for unknown ones."""
    names = [column for name, _, column, *_ in LIMITABLE if name == endpoint]
    words = {name: chance.choice(("keep", "hash", "drop")) for name in names}
    return {endpoint: words, "unknown": chance.choice(("keep", "drop"))}


@FULL
@pytest.mark.parametrize("seed", range(3))
def test_after_any_changes_the_rows_are_those_of_a_first_sync(
    seed: int, project: Project, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    misfits: tuple[Any, ...] = (5, {"b": 1, "a": [1.5, None, "ä"]}, ["x", ""], "", None, "text")
    names = [attribute for name, attribute, *_ in LIMITABLE if name == "candidates"]
    for id_ in sorted(project.sandbox.world.table("candidates"))[:10]:
        values = {name: chance.choice(misfits) for name in (*names, "odd")}
        project.sandbox.world.change("candidates", id_, values)

    def all_rows(project: Project) -> list[dict[str, Any]]:
        with reading(str(project.path), 1) as database:
            found = database.sql("FROM recruit.candidates ORDER BY id").to_arrow_table()
        left_out = {"_loaded_at", "_run_id", "resume", "original_resume"}
        return [
            {name: value for name, value in each.items() if name not in left_out and value}
            for each in found.to_pylist()
        ]

    for number in range(5):
        project.policy = draw(chance, "candidates")
        project.sync("candidates")
        salt = salt_of(project)
        first = Project(project.sandbox, tmp_path / f"{number}.duckdb", project.instance)
        first.policy = project.policy
        with connection(str(first.path), {}, 1) as database:
            database.execute("CREATE SCHEMA recruit_meta")
            database.execute("CREATE TABLE recruit_meta.salt AS SELECT ? AS salt", [salt.hex()])
        first.sync("candidates")
        assert all_rows(project) == all_rows(first)


@FULL
def test_deleted_rows_that_are_kept_follow_a_change(project: Project) -> None:
    project.deleted_rows = DeletionPolicy.keep
    id_ = plant(project)
    project.sync("candidates")
    project.sandbox.world.remove("candidates", id_)
    project.sync("candidates", mode=Mode.full)
    project.policy = {"personal": "drop", "candidates": {"email": "hash"}}
    project.sync("candidates")
    assert row(project, id_, "email", "_deleted_at IS NOT NULL") == (
        independent(project, f"{PLANTED}@example.com"),
        True,
    )


def test_doctor_and_status_name_the_limited_columns(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.policy = {"referrals": {"name": "hash", "email": "hash"}, "unknown": "drop"}
    project.sync("referrals")
    folder = project.path.parent
    (folder / "policy.toml").write_text('unknown = "drop"\n[referrals]\nname = "hsh"\n')
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RECRUIT_DATABASE", str(project.path))
    monkeypatch.setenv("RECRUIT_API_BASE_URL", project.sandbox.base_url)
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    monkeypatch.setenv("RECRUIT_COLUMN_POLICY", "policy.toml")

    def told(*words: str) -> str:
        main(words)
        return " ".join(capsys.readouterr().out.split())

    line = "Column policy: drop referrals.unknown; hash referrals.email, referrals.name."
    assert line in told("status")
    assert json.loads(told("status", "--json"))["column_policy"] == {
        "drop": ["referrals.unknown"],
        "hash": ["referrals.email", "referrals.name"],
    }
    assert "Column policy: referrals.name is 'hsh'" in told("doctor")
    (folder / "policy.toml").write_text('[referrals]\npersonal = "drop"\n')
    told_by_doctor = told("doctor")
    assert "Column policy: drop referrals.comment, referrals.email, referrals.name and 1 more." in (
        told_by_doctor
    )


def text_of(endpoint: str, column: str) -> str:
    return f"Zyx-{endpoint}-{column}-end"


def plant_everywhere(sandbox: Sandbox) -> None:
    """Give a record of each endpoint a value of its own in each column that can be limited."""
    for endpoint, attribute, column, kind, _ in LIMITABLE:
        type_, text = endpoint.replace("_", "-"), text_of(endpoint, column)
        value = {Kind.TEXTS: [text], Kind.JSON: {"a": text}}.get(kind, text)
        sandbox.world.change(type_, min(sandbox.world.table(type_)), {attribute: value})


def everything_in(folders: list[Path]) -> bytes:
    files = [each for folder in folders for each in folder.rglob("*") if each.is_file()]
    return b"".join(each.read_bytes() for each in files)


@FULL
@pytest.mark.parametrize("seed", range(2))
def test_any_policy_holds_in_every_place_and_the_marts_are_built(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = data, home, temporary = [tmp_path / each for each in ("data", "home", "temporary")]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.chdir(data)
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    chance = random.Random(seed)
    drawn: dict[str, Any] = {}
    for endpoint, _, column, *_ in LIMITABLE:
        drawn.setdefault(endpoint, {})[column] = chance.choice(("keep", "hash", "drop"))
    with (
        served(Sandbox(candidates=30, rules=Rules(key=KEY))) as sandbox,
        dg.DagsterInstance.local_temp(str(home)) as instance,
    ):
        plant_everywhere(sandbox)
        database = RecruitDatabase(database=str(data / "x.duckdb"), connection_config=PLAIN)
        policies: list[dict[str, Any]] = [drawn, {"personal": "drop"}]
        for policy in policies:
            settings = Settings(base_url=sandbox.base_url, requests_per_10s=0, column_policy=policy)
            defs = build_defs(settings, resources={"database": database})
            result = defs.resolve_job_def("full_sync").execute_in_process(instance=instance)
            assert result.success
            assert result.asset_materializations_for_node("report")
            checks = result.get_asset_check_evaluations()
            errors = [each for each in checks if each.severity is dg.AssetCheckSeverity.ERROR]
            assert all(each.passed for each in errors)
            found = everything_in(folders)
            for endpoint, _, column, _, personal in LIMITABLE:
                everywhere = policy.get("personal") if personal else None
                word = policy.get(endpoint, {}).get(column) or everywhere or "keep"
                assert (text_of(endpoint, column).encode() in found) is (word == "keep"), column
