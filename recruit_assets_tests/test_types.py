"""What may happen to the types of values from sync to sync, through the real API and database."""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from time import process_time
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from recruit_assets.catalogue import MAX_UNKNOWN, Kind, snake_case
from recruit_assets.errors import ConfirmationRequired
from recruit_assets.extract.arrow import storable
from recruit_assets.metadata import CROWDED
from recruit_assets.options import Mode
from recruit_assets_tests.conftest import Project, metadata
from recruit_assets_tests.extract.test_arrow import JSON, must_tell
from recruit_assets_tests.load.test_guards import says_something
from recruit_assets_tests.rings import FULL, sized

Record = dict[str, Any]
TABLE = "recruit.departments"


def sends(project: Project, name: str, change: Callable[[Record], object]) -> None:
    """Change each record of a list on its way out, from now on."""

    def alter(document: Record) -> None:
        for record in document["data"]:
            change(record)

    project.sandbox.clear_faults()
    project.sandbox.alter(name, alter)


PEOPLE = "recruit.candidates"
KINDS = {kind.sql: kind for kind in Kind if kind not in (Kind.KEY, Kind.KEYS)}
# A value that says nothing is refused where all records send it.
SENT = JSON.filter(lambda value: storable(value) == value and says_something(value))
CHANGING = dict.fromkeys(["connected", "created-at", "email", "tags", "fresh"], SENT)


def give(attributes: dict[str, Any], record: Record) -> None:
    record["attributes"].update(attributes)


def give_own(attributes: dict[str, dict[str, Any]], record: Record) -> None:
    give(attributes[record["id"]], record)


@pytest.mark.ring(2)
@pytest.mark.parametrize(
    ("attribute", "column", "before", "now"),
    [
        ("connected", "connected", True, "true"),
        ("fresh", "fresh", 5, "five"),
        ("created-at", "created_at", "2025-01-02T03:04:05Z", 1735787045),
    ],
)
def test_a_type_that_changes_in_all_records_is_stored_and_heals(
    project: Project, attribute: str, column: str, before: Any, now: Any
) -> None:
    columns = f"SELECT count({column}), count(_unparsed->'{column}') FROM recruit.candidates"
    for value, stored in [(before, (40, 0)), (now, (0, 40)), (now, (0, 40)), (before, (40, 0))]:
        sends(project, "candidates", partial(give, {attribute: value}))
        result = project.sync("candidates", mode=Mode.full)
        assert set(result.unparsed) == ({column} if value == now else set())
        assert project.query(columns) == [stored]


def test_an_attribute_that_is_renamed_with_the_api_version_is_no_reason_to_refuse(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    def rename(record: Record) -> None:
        record["attributes"]["label"] = record["attributes"].pop("name")

    while project.sandbox.world.count("departments") < 20:
        project.sandbox.world.add("departments")
    project.settings = {"version": "20240404"}
    project.sync("departments")
    sends(project, "departments", rename)
    with pytest.raises(
        ConfirmationRequired, match=r"New in these records: label\. Nothing was changed"
    ):
        project.sync("departments")
    project.settings = {"version": "20240904"}
    project.sync("departments")
    assert "Since the last good sync the API version changed from 20240404 to 202409" in caplog.text
    assert project.query("SELECT count(name), count(label) >= 20 FROM recruit.departments") == [
        (0, True)
    ]


SERIES = st.lists(
    st.tuples(st.sampled_from([Mode.full, Mode.incremental]), st.fixed_dictionaries(CHANGING)),
    min_size=2,
    max_size=4,
)


@pytest.mark.ring(2)
@settings(
    max_examples=sized(1, 3, 60),
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(SERIES)
def test_types_may_change_from_sync_to_sync(
    project: Project, series: list[tuple[Mode, dict[str, Any]]]
) -> None:
    """More than twenty rows: a full sync changes all of them, an incremental one a third."""
    project.path.unlink(missing_ok=True)
    expected: dict[str, dict[str, Any]] = {}
    ids = [record["id"] for record in project.sandbox.world.records("candidates")]
    for mode, attributes in series:
        come = ids[::3] if expected and mode is Mode.incremental else ids
        expected |= dict.fromkeys(come, attributes)
        sends(project, "candidates", partial(give_own, expected))
        for id_ in ids[::3]:
            project.sandbox.world.change("candidates", id_, {"pitch": str(uuid4())})
        project.sync("candidates", mode=mode)
        must_be_stored(project, expected)


def must_be_stored(project: Project, expected: dict[str, dict[str, Any]]) -> None:
    kinds = {name: KINDS[kind] for name, kind, *_ in project.query(f"DESCRIBE {PEOPLE}")}
    columns = [snake_case(name) for name in CHANGING]
    rows = project.query(f"SELECT id, _unparsed, {', '.join(columns)} FROM {PEOPLE}")
    assert len(rows) == len(expected)
    for id_, unparsed, *values in rows:
        kept = json.loads(unparsed or "{}")
        for name, column, stored in zip(CHANGING, columns, values, strict=True):
            must_tell(kinds[column], expected[id_][name], stored, kept.get(column))


@pytest.mark.ring(2)
def test_a_value_of_a_record_that_came_twice_is_counted_once(project: Project) -> None:
    def repeat(document: Record) -> None:
        for record in document["data"]:
            record["attributes"]["name"] = {"odd": 1}
        document["data"] += deepcopy(document["data"])

    project.sandbox.alter("departments", repeat)
    result = project.sync("departments")
    rows = project.counts_of("departments")
    assert result.merged.repeated == rows
    assert result.unparsed == {"name": rows}
    assert project.query("SELECT unparsed FROM recruit_meta.syncs") == [(rows,)]


@pytest.mark.ring(2)
def test_too_many_unknown_attributes_are_kept_in_one_column_and_told_once(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    def crowd(record: Record) -> None:
        number = int(record["id"])
        record["attributes"] |= {f"x-{number}-{each}": each for each in range(150)}

    sends(project, "departments", crowd)
    told = metadata(project.materialize("departments"), "departments")
    assert told["unknown_attributes"] == CROWDED
    assert capfd.readouterr().err.count(CROWDED) == 1
    assert told["unparsed"] == 0
    merged = project.sync("departments").merged
    assert (merged.inserted, merged.updated) == (0, 0)
    columns = project.query(f"DESCRIBE {TABLE}")
    unknown = [name for name, *_ in columns if name.startswith("x_")]
    assert len(unknown) == MAX_UNKNOWN
    for id_, more, *values in project.query(f"SELECT id, _more, {', '.join(unknown)} FROM {TABLE}"):
        found = {name: each for name, each in zip(unknown, values, strict=True) if each is not None}
        found |= {name.replace("-", "_"): each for name, each in json.loads(more or "{}").items()}
        assert found == {f"x_{id_}_{each}": each for each in range(150)}


@pytest.mark.ring(2)
@FULL
def test_the_price_of_a_change_grows_with_the_columns_and_no_faster(project: Project) -> None:
    """Of processor time, which other processes leave alone; the second sync replaces all values."""
    prices = []
    for columns in (40, 40, 160):
        for value in (5, "five"):
            attributes = {f"x{columns}-{each}": value for each in range(columns)}
            sends(project, "departments", partial(give, attributes))
            before = process_time()
            project.sync("departments", mode=Mode.full)
        prices.append(process_time() - before)
        project.path.unlink()
    assert prices[2] < 10 * prices[1]
