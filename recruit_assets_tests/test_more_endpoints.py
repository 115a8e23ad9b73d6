"""The endpoints that an account must name: chosen, complete, quiet where missing, and private."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from recruit_assets import Settings, build_defs
from recruit_assets.assets import build_asset
from recruit_assets.catalogue import DeletionPolicy, Endpoint, snake_case
from recruit_assets.column_policy import under_policy
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import BadSetting
from recruit_assets.extract.jsonapi import Document, Single, read
from recruit_assets.extract.records import RecordTable
from recruit_assets.extract.report import Verdict
from recruit_assets.load.read_copy import public_columns, publish
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS, MORE_ENDPOINTS
from recruit_assets.options import Mode
from recruit_assets.person import File, export, find, forget, only
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import BY_NAME, Project
from recruit_assets_tests.person.persons import PLAIN, planted_in
from recruit_assets_tests.rings import FULL, first

NAMES = [each.name for each in MORE_ENDPOINTS]
RECORDED = Path(__file__).parents[2] / "shared" / "recorded"
ORDINARY = [each.name for each in ENDPOINTS]
PERSONAL: dict[str, dict[str, Any]] = {  # what leads to a candidate, and what is planted there
    "uploads": {"url": "https://files.example/Zyxlink", "file-name": "Zyxname.pdf"},
    "partner-results": {
        "summary": "Zyxsummary",
        "details": '{"a": "Zyxdetails"}',
        "url": "https://partner.example/Zyxurl",
        "attachments": [{"url": "Zyxattached"}],
    },
    "answers": {"text": "Zyxtext", "video-token": "Zyxtoken", "choices": ["Zyxchoice"]},
    "custom-field-values": {
        "field-type": "CustomField::MultiSelect",
        "value": ["Zyxone", "Zyxtwo"],
    },
}
ACTIVITY = {  # of which no text is stored
    "code": "message",
    "data": json.dumps({"from": "Zyxsender", "to": ["Zyxreceiver"], "body": "Zyxbody"}),
    "unknown": "Zyxunknown",
}
OWNER = {"custom-field-values": "owner"}  # the relationship that leads there, if no `candidate`


def tables(defs: Any) -> list[str]:
    keys = {key.path[-1] for key in defs.resolve_asset_graph().get_all_asset_keys()}
    return [name for name in (*ORDINARY, *NAMES) if name in keys]


def listed(sandbox: Sandbox, name: str) -> set[str]:
    """The records that can be read: activities only in the list of a job."""
    records = sandbox.world.table(BY_NAME[name].path)
    nested = name == "activities"
    return {id_ for id_, each in records.items() if not nested or each["relationships"]["job"]}


def current(project: Project, name: str) -> set[str]:
    found = project.query(f"SELECT id FROM recruit_now.{name}")
    return {id_ for (id_,) in found}


def with_records(sandbox: Sandbox, **more: Any) -> str:
    """Add a candidate with a planted record of each kind; return its id."""
    world = sandbox.world
    person = world.add("candidates", {"first-name": "Zyxfirst", **more})
    for path, attributes in PERSONAL.items():
        plant(sandbox, path, attributes, person)
    plant(sandbox, "activities", ACTIVITY, person)
    return person


def plant(sandbox: Sandbox, path: str, attributes: dict[str, Any], person: str) -> None:
    keys = {OWNER.get(path, "candidate"): person}
    if path == "answers":
        keys["question"] = min(sandbox.world.table("questions"))
    if path == "activities":
        keys["job"] = min(sandbox.world.table("jobs"))
    sandbox.world.add(path, attributes, keys)


def paths() -> list[str]:
    return [path.replace("-", "_") for path in (*PERSONAL, "activities")]


def test_none_is_synced_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tables(build_defs(Settings())) == ORDINARY
    named = ["requisitions", "uploads"]
    assert tables(build_defs(Settings(more_endpoints=named))) == [*ORDINARY, *named]
    assert tables(build_defs(Settings(more_endpoints=named), endpoints=["jobs"])) == ["jobs"]
    assert tables(build_defs(Settings(), endpoints=["jobs", "uploads"])) == ["jobs", "uploads"]
    monkeypatch.setenv("RECRUIT_MORE_ENDPOINTS", " uploads, requisitions,uploads,")
    assert tables(build_defs()) == [*ORDINARY, *named]
    monkeypatch.setenv("RECRUIT_ACME_MORE_ENDPOINTS", "")
    assert Settings.from_environment("acme").more_endpoints == []
    monkeypatch.setenv("RECRUIT_ACME_MORE_ENDPOINTS", "stage_types")
    assert Settings.from_environment("acme").more_endpoints == ["stage_types"]
    assert Settings.from_environment("globex").more_endpoints == ["uploads", "requisitions"]


def test_a_wrong_name_is_a_sentence_and_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSetting, match="more_endpoints: write a list of some of stage_types, re"):
        Settings.of({"more_endpoints": ["files"]})
    monkeypatch.setenv("RECRUIT_MORE_ENDPOINTS", "uploads,files")
    found = Settings.from_environment()
    assert found.endpoints == list(ENDPOINTS)
    (sentence,) = [each for each in found.problems if "MORE" in each]
    assert sentence.startswith("RECRUIT_MORE_ENDPOINTS is 'uploads,files': name some of stage_ty")


@pytest.mark.parametrize("name", NAMES)
def test_complete_with_changes_and_deletions(project: Project, name: str) -> None:
    world, path = project.sandbox.world, BY_NAME[name].path
    result = project.sync(name)
    assert result.report.verdict is Verdict.COMPLETE
    assert current(project, name) == listed(project.sandbox, name)
    assert result.unparsed == {}
    gone, changed, *_ = sorted(listed(project.sandbox, name), key=lambda id_: (len(id_), id_))
    world.remove(path, gone)
    # Their unknown ones are not stored.
    attribute = {"uploads": "file-name", "activities": "code"}.get(name, "added")
    world.change(path, changed, {attribute: "later"})
    of = {"answers": "question", "activities": "job"}.get(name)
    keys = {of: min(world.table(f"{of}s"))} if of else {}
    added = world.add(path, {}, keys)
    for mode in (Mode.auto, Mode.full):
        result = project.sync(name, mode=mode)
        known = {Verdict.COMPLETE, Verdict.WINDOW} if name == "activities" else {Verdict.COMPLETE}
        assert result.report.verdict in known
    assert result.report.verdict is Verdict.COMPLETE
    assert current(project, name) == listed(project.sandbox, name)
    assert gone not in current(project, name) >= {changed, added}
    later = f"SELECT {snake_case(attribute)} FROM recruit.{name} WHERE id = '{changed}'"
    assert project.query(later) == [("later",)]
    deleted = f"SELECT id FROM recruit.{name} WHERE _deleted_at IS NOT NULL"
    assert project.query(deleted) == [(gone,)]


def values_of(project: Project) -> dict[str, list[Any]]:
    """The columns of the values of custom fields, by type of field, without empty ones."""
    found = project.query(
        "SELECT field_type, value, value_boolean, value_date, value_number, value_texts "
        "FROM recruit_now.custom_field_values"
    )
    columns: dict[str, list[Any]] = {}
    for kind, *values in found:
        number, value = next((n, each) for n, each in enumerate(values) if each is not None)
        assert sum(each is not None for each in values) == 1
        name = ("value", "boolean", "date", "number", "texts")[number]
        columns.setdefault(f"{kind.removeprefix('CustomField::')}: {name}", []).append(value)
    return columns


def test_each_value_of_a_custom_field_is_in_the_column_of_its_type(project: Project) -> None:
    world, path = project.sandbox.world, "custom-field-values"
    project.sync("custom_field_values")
    values = values_of(project)
    assert set(values) == {
        "Text: value", "Email: value", "Url: value", "Phone: value", "Select: value",
        "Checkbox: boolean", "Date: date", "Number: number", "MultiSelect: texts",
    }  # fmt: skip
    assert {type(each) for each in values["Checkbox: boolean"]} == {bool}
    served = [each["attributes"]["value"] for each in world.records(path)]
    told = {json.dumps(each) for found in values.values() for each in found if type(each) is list}
    assert told == {json.dumps(each) for each in served if isinstance(each, list)}
    owners = (
        "SELECT owner_type, count(*) FROM recruit_now.custom_field_values GROUP BY 1 ORDER BY 1"
    )
    assert [kind for kind, _ in project.query(owners)] == ["candidates", "jobs"]


def test_a_field_gets_another_name_and_another_type(project: Project) -> None:
    world = project.sandbox.world
    field = world.add("custom-fields", {"name": "Start", "field-type": "CustomField::Text"})
    texts = ("2026-11-02", "soon", "2027-01-31")
    ids = [
        world.add(
            "custom-field-values",
            {"field-type": "CustomField::Text", "value": text},
            {"custom-field": field},
        )
        for text in texts
    ]

    def found() -> list[tuple[Any, ...]]:
        for name in ("custom_fields", "custom_field_values"):
            assert project.sync(name, mode=Mode.full).report.verdict is Verdict.COMPLETE
        return project.query(
            "SELECT f.name, v.value, v.value_date::VARCHAR, v._unparsed::VARCHAR "
            "FROM recruit.custom_field_values v "
            f"JOIN recruit.custom_fields f ON f.id = v.custom_field_id AND f.id = '{field}' "
            "WHERE v._deleted_at IS NULL ORDER BY v.id"
        )

    assert found() == [("Start", text, None, None) for text in texts]
    world.change("custom-fields", field, {"name": "First day", "field-type": "CustomField::Date"})
    for id_ in ids:
        world.change("custom-field-values", id_, {"field-type": "CustomField::Date"})
    assert found() == [
        ("First day", None, texts[0], None),
        ("First day", None, None, '{"value_date":"soon"}'),
        ("First day", None, texts[2], None),
    ]
    world.change("custom-field-values", ids[1], {"field-type": None, "value": "never"})
    assert found()[1] == ("First day", "never", None, None)


@pytest.mark.ring(2)
@FULL
def test_all_of_them_in_a_run_whose_checks_pass(project: Project) -> None:
    project.materialize()
    result = dg.materialize(
        [build_asset(each) for each in MORE_ENDPOINTS],
        resources=project.resources(),
        instance=project.instance,
    )
    checked = result.get_asset_check_evaluations()
    assert {each.asset_key.path[-1] for each in checked} == set(NAMES)
    assert [(each.asset_key, each.metadata) for each in checked if not each.passed] == []
    for name in NAMES:
        assert current(project, name) == listed(project.sandbox, name)


@pytest.mark.ring(2)
@pytest.mark.parametrize("status", first(1, [403, 404]))
def test_an_account_without_them_is_quiet(project: Project, status: int) -> None:
    project.sandbox.rules.without = dict.fromkeys([BY_NAME[name].path for name in NAMES], status)
    for name in NAMES:
        for _ in range(2):
            result = project.sync(name)
            assert (result.report.verdict, result.deleted) == (Verdict.UNAVAILABLE, 0)


def test_a_text_of_an_activity_is_stored_nowhere(project: Project, tmp_path: Path) -> None:
    project.config = PLAIN
    person = with_records(project.sandbox)
    project.policy = {"personal": "keep", "unknown": "keep"}
    project.sync("activities")
    found = project.query(f"SELECT code FROM recruit.activities WHERE candidate_id = '{person}'")
    assert found == [("message",)]
    assert planted_in(tmp_path) == set()


def test_a_link_to_a_file_is_stored_nowhere(project: Project, tmp_path: Path) -> None:
    project.config = PLAIN
    names = "SELECT count(*) FROM recruit.uploads WHERE file_name IS NOT NULL"
    person = with_records(project.sandbox)
    unknown = {"preview-url": "https://files.example/Zyxlink", "file-name": "Zyxname.pdf"}
    plant(project.sandbox, "uploads", unknown, person)
    project.policy = {"personal": "keep", "unknown": "keep"}
    project.sync("uploads")
    assert project.query(names) == [(project.sandbox.world.count("uploads"),)]
    assert planted_in(tmp_path) == {project.path.name}  # by the name of a file
    for file in tmp_path.rglob("*"):
        assert b"Zyxlink" not in file.read_bytes()
        assert b"signature=" not in file.read_bytes()


@pytest.mark.ring(2)
@pytest.mark.parametrize("policy", first(1, ["hash", "drop"]))
def test_a_column_policy_limits_what_is_personal(
    project: Project, tmp_path: Path, policy: str
) -> None:
    project.config = PLAIN
    project.policy = {"personal": policy, "unknown": "drop"}
    with_records(project.sandbox, unknown="Zyxunknown")
    for name in ["candidates", *paths()]:
        result = project.sync(name)
        assert result.report.verdict is Verdict.COMPLETE
        assert result.unparsed == {}
    assert planted_in(tmp_path) == set()


@pytest.mark.ring(2)
@FULL
def test_a_person_is_exported_forgotten_and_left_out(project: Project, tmp_path: Path) -> None:
    project.config, project.deleted_rows = PLAIN, DeletionPolicy.keep
    person = with_records(project.sandbox)
    for name in ["candidates", *paths()]:
        project.sync(name)
    file = File(str(project.path), config=project.config)
    found = export(file, KNOWN_ENDPOINTS, only(find(file, KNOWN_ENDPOINTS, person)), tmp_path / "x")
    assert found == {f"recruit.{name}": 1 for name in ["candidates", *paths()]}
    exported = (tmp_path / "x").read_text()
    never = ("https://files.example/Zyxlink", "Zyxtoken")
    planted = [text for each in PERSONAL.values() for text in _texts(each) if text not in never]
    assert all(json.dumps(text)[1:-1] in exported or text in exported for text in planted)
    (tmp_path / "x").unlink()

    assert planted_in(tmp_path) == {project.path.name}  # the positive control
    forget(file, KNOWN_ENDPOINTS, only(find(file, KNOWN_ENDPOINTS, person)), "by hand")
    assert planted_in(tmp_path) == set()
    for path, attributes in {**PERSONAL, "activities": ACTIVITY}.items():  # what is written later
        plant(project.sandbox, path, attributes, person)
    for name in ["candidates", *paths()]:
        for mode in (Mode.auto, Mode.full):
            assert project.sync(name, mode=mode).report.verdict.proven
    assert planted_in(tmp_path) == set()


@pytest.mark.ring(2)
@FULL
def test_a_deleted_record_and_a_read_copy_have_nothing_personal(
    project: Project, tmp_path: Path
) -> None:
    with_records(project.sandbox)
    copy = tmp_path / "copies" / "copy.duckdb"
    copy.parent.mkdir()
    for path in PERSONAL:
        name = path.replace("-", "_")
        project.sync(name)
        publish(str(project.path), str(copy), 0.1, {}, public_columns(KNOWN_ENDPOINTS))
        planted = _texts(project.query(f"FROM recruit.{name}"))
        assert [text for text in planted if "Zyx" in text]
        id_ = list(project.sandbox.world.table(path))[-1]
        project.sandbox.world.remove(path, id_)
        assert project.sync(name, mode=Mode.full).deleted == 1
        left = _texts(project.query(f"FROM recruit.{name} WHERE id = '{id_}'"))
        assert id_ in left
        assert not [text for text in left if "Zyx" in text]
    assert planted_in(copy.parent) == set()


def _texts(value: Any) -> list[str]:
    """All texts in a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


FILES = {
    "requisitions": ("docs-requisitions-*", "rb-requisitions*"),
    "custom_field_options": ("docs-custom-field-options-*",),
    "custom_field_values": (
        "docs-custom_field_values-*",
        "rb-custom-field-values*",
        "live-custom-field-values*",
    ),
    "answers": ("docs-answers-*",),
    "uploads": ("docs-uploads-*", "rb-upload*"),
    "partner_results": ("docs-partner_results-*", "rb-partner-results*"),
    "activities": ("docs-activities-*",),
}


@pytest.mark.parametrize("name", FILES)
def test_recorded_answers_fit_the_columns(name: str) -> None:
    endpoint = BY_NAME[name]
    files = sorted(each for pattern in FILES[name] for each in RECORDED.glob(pattern))
    if not files:
        pytest.skip("no recorded answers here")
    for file in files:
        records = _records(file, endpoint)
        table = RecordTable(under_policy(endpoint, {}))
        rows = table.table(records)
        assert rows.num_rows == len(records) > 0
        assert table.unparsed == {}, file.name
        known = {each.name for each in endpoint.columns()}
        for record, row in zip(records, rows.to_pylist(), strict=True):
            for attribute, value in record.attributes.items():
                stem = snake_case(attribute)
                columns = [name for name in known if name.startswith(stem)]
                assert columns or endpoint.policy, f"{file.name}: {attribute}"
                found = [name for name in columns if row[name] is not None]
                assert bool(found) == bool(columns and value is not None), f"{file.name}: {found}"


def _records(file: Path, endpoint: Endpoint) -> list[Any]:
    """The records of an answer, or of one record that is printed without its document."""
    content = json.loads(file.read_text())
    body = json.dumps(content if "data" in content else {"data": content}).encode()
    if isinstance(json.loads(body)["data"], list):
        found = read(body, Document).data
    else:
        found = [read(body, Single).data]
    return [each for each in found if each.type == endpoint.path]
