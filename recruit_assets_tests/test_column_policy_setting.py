"""What a column policy may say, and how it is told what is wrong."""

import hashlib
import hmac
import re
import tomllib
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.errors import DagsterResourceFunctionError

from recruit_assets import RecruitComponent
from recruit_assets.build import build_defs
from recruit_assets.catalogue import ColumnPolicy, Endpoint, Kind, snake_case
from recruit_assets.column_policy import (
    READ_BY_MARTS,
    TEXTUAL,
    policy_problems,
    read_policy,
    under_policy,
)
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import BadSetting
from recruit_assets.extract.jsonapi import Record
from recruit_assets.extract.privacy import pseudonym
from recruit_assets.extract.records import RecordTable
from recruit_assets.load.salt import hashed, hashing
from recruit_assets.marts.mart import MARTS
from recruit_assets.resources import RecruitApi
from recruit_assets.sandbox import Sandbox
from recruit_assets.settings import Settings
from recruit_assets_tests.conftest import BY_NAME, KEY, settings_for

CANDIDATES = BY_NAME["candidates"]
SALT = bytes(range(32))
GOOD = """
personal = "hash"
unknown = "drop"

[candidates]
personal = "drop"
email = "keep"
country = "hash"
"""


def test_a_file_says_what_becomes_of_each_column(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(GOOD)
    policy = read_policy(str(path))
    assert policy_problems(policy, ENDPOINTS) == []
    candidates, users, stages = (
        under_policy(BY_NAME[name], policy).policy for name in ("candidates", "users", "stages")
    )
    assert candidates["phone"] is ColumnPolicy.drop
    assert "email" not in candidates
    assert candidates["country"] is ColumnPolicy.hash
    assert users["email"] is ColumnPolicy.hash
    assert "title" in users
    assert stages == {"unknown": ColumnPolicy.drop}
    assert under_policy(CANDIDATES, {}) == CANDIDATES


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "endpoint": (
        {"candidate": {"email": "drop"}},
        "there is no endpoint candidate: did you mean candidates?",
    ),
    "column": (
        {"candidates": {"e-mail": "drop"}},
        "there is no column of candidates e-mail: did you mean email?",
    ),
    "no text": ({"candidates": {True: "drop"}}, "there is no column of candidates True."),
    "word": (
        {"candidates": {"email": "hashed"}},
        "candidates.email is 'hashed': set it to one of keep, hash, drop. Did you mean hash?",
    ),
    "number": ({"personal": 5}, "personal is 5: set it to one of keep, hash, drop."),
    "one word": (
        {"candidates": "drop"},
        "candidates needs the policy of each column, not one word for all.",
    ),
    "unknown": ({"unknown": "hash"}, "unknown is 'hash': set it to one of keep, drop."),
    "id": ({"candidates": {"id": "drop"}}, "candidates.id cannot be hashed or dropped: tables are"),
    "key": ({"notes": {"user_id": "hash"}}, "notes.user_id cannot be hashed or dropped: tables"),
    "history": ({"jobs": {"title": "drop"}}, "jobs.title cannot be hashed or dropped: its history"),
    "mart": ({"departments": {"name": "drop"}}, "departments.name cannot be hashed or dropped: "),
    "kind": ({"candidates": {"created_at": "drop"}}, "cannot be hashed or dropped: only texts"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_policy_is_a_sentence(case: str) -> None:
    policy, sentence = WRONG[case]
    (found,) = policy_problems(policy, ENDPOINTS)
    assert found.startswith("Column policy: ")
    assert sentence in found


def test_all_problems_are_named_at_once() -> None:
    wrong = {"users": {"emial": "drop", "name": "burn"}, "user": {}, "personal": "no"}
    assert len(policy_problems(wrong, ENDPOINTS)) == 4


def test_every_personal_column_can_be_limited_and_no_name_is_taken() -> None:
    for endpoint in ENDPOINTS:
        names = {each.name for each in endpoint.columns()}
        assert not names & {"personal", "unknown"}
        personal = {each.name: "drop" for each in endpoint.columns() if each.personal}
        assert policy_problems({endpoint.name: personal}, [endpoint]) == []


def test_the_marts_read_no_column_that_can_be_limited() -> None:
    with duckdb.connect() as parser:
        named = {
            name
            for mart in MARTS
            for (name,) in parser.execute(
                "SELECT DISTINCT json_extract_string(value, '$[#-1]') FROM "
                "json_tree(json_serialize_sql(?)) WHERE key = 'column_names'",
                [mart.sql],
            ).fetchall()
        }
    read = {table for mart in MARTS for schema, table in mart.reads if schema == "recruit"}
    limitable = {
        (endpoint.name, name)
        for endpoint in ENDPOINTS
        if endpoint.name in read
        for name in (snake_case(each.name) for each in endpoint.attributes)
        if name in named and not policy_problems({endpoint.name: {name: "drop"}}, [endpoint])
    }
    assert limitable == {("candidates", "city")}  # the marts read the city of locations only
    for table, names in READ_BY_MARTS.items():
        for name in names:
            attributes = {snake_case(each.name): each for each in BY_NAME[table].attributes}
            assert attributes[name].kind in TEXTUAL


TEXTS = ["a", " A@b.c ", "\0", "\n\t", "ä€😀", "\u202e\u200b", "x" * 5000, "NULL", '"', "''", "5"]


def test_a_stored_value_gets_the_hash_of_a_read_one() -> None:
    with duckdb.connect() as database:
        for salt in (b"\0", SALT, bytes(range(224, 256))):
            with hashing(database, salt):
                found = database.execute(
                    f"SELECT {hashed('value')} FROM (SELECT unnest(?::VARCHAR[]) AS value)", [TEXTS]
                ).fetchall()
            expected = [hmac.new(salt, each.encode(), hashlib.sha256).hexdigest() for each in TEXTS]
            assert [text for (text,) in found] == expected
            assert [pseudonym(salt, each) for each in TEXTS] == expected
        with hashing(database, SALT):
            nothing = f"SELECT {hashed('NULL')}, {hashed(chr(39) * 2)}"
            assert database.execute(nothing).fetchall() == [(None, "")]


def test_nothing_of_a_limited_value_is_converted() -> None:
    policy = {"unknown": "drop", "candidates": {"email": "drop", "picture": "hash"}}
    table = RecordTable(under_policy(CANDIDATES, policy), {}, SALT)
    records = [
        Record("1", {"email": "hidden", "picture": {"b": 1, "a": "hidden"}}),
        Record("2", {"odd": "hidden", "email": {"a": "hidden"}}, meta={"a": "hidden"}),
        Record("3", "hidden"),
    ]
    found = table.table(records)
    assert "hidden" not in str(found.to_pylist())
    assert not {"email", "odd", "_meta"} & set(found.column_names)
    assert found["picture"][0].as_py() == pseudonym(SALT, {"a": "hidden", "b": 1})
    assert found["_unparsed"][2].as_py() == '{"attributes":"withheld by the column policy"}'
    assert table.unparsed == {"attributes": 1}


def test_what_the_metadata_says_of_the_columns() -> None:
    limited = under_policy(CANDIDATES, {"candidates": {"email": "hash", "phone": "drop"}})
    columns = {each.name: each for each in limited.columns()}
    assert "phone" not in columns
    assert columns["email"].meaning == "E-mail address, unique when set (salted hash)"
    assert columns["email"].personal
    assert columns["tags"].kind is Kind.TEXTS


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "RECRUIT_COLUMN_POLICY: policy.toml cannot be read as a TOML file: No such file"),
        ("candidates", "RECRUIT_COLUMN_POLICY: policy.toml cannot be read as a TOML file: "),
        ("[candidates]\nemial = 'drop'", "there is no column of candidates emial: did you mean"),
    ],
)
def test_a_wrong_file_loads_and_is_a_problem(
    text: str | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECRUIT_COLUMN_POLICY", "policy.toml")
    if text is not None:
        Path("policy.toml").write_text(text)
    settings = Settings.from_environment()
    (found,) = settings.policy_problems(ENDPOINTS)
    assert sentence in found


def test_a_secret_as_path_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECRUIT_API_KEY", KEY)
    monkeypatch.setenv("RECRUIT_COLUMN_POLICY", KEY)
    (found,) = Settings.from_environment().policy_problems(ENDPOINTS)
    assert KEY not in found


def test_a_policy_may_name_an_endpoint_of_your_own() -> None:
    own = Endpoint("divisions", group="company", description="Divisions.")
    assert policy_problems({"divisions": {"personal": "drop"}}, [own]) == []


@pytest.mark.ring(2)
@pytest.mark.parametrize("own_api", [False, True])
def test_nothing_is_read_under_a_wrong_policy(
    sandbox: Sandbox, tmp_path: Path, *, own_api: bool
) -> None:
    settings = Settings(database=str(tmp_path / "x.duckdb"), column_policy={"users": {"a": "drop"}})
    api = {"api": RecruitApi(**settings_for(sandbox))} if own_api else {}
    defs = build_defs(settings, endpoints=["users"], marts=False, resources=api)
    job = defs.resolve_job_def("sync_company")
    if own_api:
        result = job.execute_in_process(raise_on_error=False)
        (event,) = [each for each in result.all_node_events if each.is_step_failure]
        said = event.step_failure_data.user_failure_data.description  # type: ignore[union-attr]
    else:
        with pytest.raises(DagsterResourceFunctionError) as raised:
            job.execute_in_process()
        said = str(raised.value.__cause__)
    assert "Column policy: there is no column of users a" in str(said)
    assert sandbox.requests == []
    assert list(tmp_path.iterdir()) == []


def test_unreadable_files_are_bad_settings(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff")
    for path in (tmp_path, tmp_path / "x.toml"):
        with pytest.raises(BadSetting, match="cannot be read as a TOML file"):
            read_policy(str(path))


@pytest.mark.ring(2)
def test_an_asset_without_personal_columns_is_not_tagged() -> None:
    defs = build_defs(Settings(column_policy={"personal": "drop"}), marts=False)
    tags = {spec.key: spec.tags for spec in defs.resolve_all_asset_specs()}
    assert "personal_data" not in tags[dg.AssetKey("candidates")]


@pytest.mark.ring(2)
@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated")  # called by Dagster
def test_the_examples_of_the_documentation() -> None:
    text = (Path(__file__).parents[1] / "docs" / "settings.md").read_text()
    section = text.partition("## Column policy")[2].partition("\n## ")[0]
    (in_toml,) = re.findall(r"```toml\n(.+?)```", section, re.DOTALL)
    (in_yaml,) = re.findall(r"```yaml\n(.+?)```", section, re.DOTALL)
    component = RecruitComponent.resolve_from_yaml(in_yaml)
    assert component.settings is not None
    for policy in (tomllib.loads(in_toml), component.settings.column_policy):
        assert policy
        assert policy_problems(policy, ENDPOINTS) == []
        assert under_policy(CANDIDATES, policy).policy["email"] is ColumnPolicy.hash
