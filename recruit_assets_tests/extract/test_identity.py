"""No two records become one row, and no list shows the records of another one."""

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import Rejected
from recruit_assets.extract.identity import one_id_twice, type_of_another
from recruit_assets.extract.jsonapi import Record
from recruit_assets.extract.report import Verdict
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.extract.test_walk import StartWalk, expected, ids

Edit = Callable[[list[dict[str, Any]]], object]  # of the records of a page


def edited(sandbox: Sandbox, edit: Edit, **where: Any) -> None:
    def alter(document: dict[str, Any]) -> None:
        edit(document["data"])

    sandbox.alter("regions", alter, **where)


def retyped(type_: Any, place: slice = slice(None)) -> Edit:
    """Give records another type."""

    def edit(records: list[dict[str, Any]]) -> None:
        for record in records[place]:
            record["type"] = type_

    return edit


def twin(**changed: Any) -> Edit:
    """Show a record after the first that has its id, but is not the same."""
    return lambda records: records[1].update(records[0] | changed)


@pytest.mark.parametrize(
    "edit",
    [
        retyped("users"),
        retyped("jobApplications"),
        retyped("users", slice(1)),
        twin(type="departments"),
    ],
)
def test_a_list_of_another_type_is_refused_once(
    sandbox: Sandbox, walk: StartWalk, edit: Edit
) -> None:
    edited(sandbox, edit)
    with pytest.raises(
        Rejected, match=r"^regions, page 1: .* a record of the type .*, not regions"
    ):
        ids(walk("regions"))
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("type_", ["Regions", "region", "REGION", "areas", "", None, 5, ["x"], {}])
def test_a_type_that_is_only_spelled_otherwise_refuses_no_list(
    sandbox: Sandbox, walk: StartWalk, type_: Any
) -> None:
    edited(sandbox, retyped(type_))
    reading = walk("regions")
    assert ids(reading) == expected(sandbox, "regions")
    assert reading.report.verdict is Verdict.COMPLETE


def test_every_endpoint_takes_the_spellings_of_its_type_and_no_other_endpoints() -> None:
    for endpoint in ENDPOINTS:
        words = endpoint.path.split("-")
        camel = "".join(map(str.capitalize, words)).removesuffix("s")
        for type_ in (endpoint.path, endpoint.name, camel, endpoint.path.upper()):
            assert type_of_another(endpoint, [type_]) is None
        for other in ENDPOINTS:
            if other is not endpoint:
                assert type_of_another(endpoint, [None, "robots", other.path]) == other.path


def more_regions(sandbox: Sandbox) -> list[str]:
    for _ in range(60):
        sandbox.world.add("regions")
    return expected(sandbox, "regions")


@pytest.mark.parametrize(
    "types", [["regions", "areas"], ["places", "areas", "zones"], ["Region", "regions", None]]
)
def test_types_that_nobody_knows_are_kept_beside_each_other(
    project: Project, types: list[str | None]
) -> None:
    everything = more_regions(project.sandbox)

    def edit(records: list[dict[str, Any]]) -> None:
        for record in records:
            record["type"] = types[int(record["id"]) % len(types)]

    edited(project.sandbox, edit)
    assert project.sync("regions").report.verdict is Verdict.COMPLETE
    kept = dict(project.query("SELECT id, _type FROM recruit.regions"))
    said = {id_: types[int(id_) % len(types)] for id_ in everything}
    assert kept == {id_: None if type_ == "regions" else type_ for id_, type_ in said.items()}


def test_thousands_of_types_are_judged_from_several_threads(
    sandbox: Sandbox, walk: StartWalk
) -> None:
    more_regions(sandbox)
    numbers = count()

    def edit(document: dict[str, Any]) -> None:
        kept = document["data"]
        filler = [{"id": f"x{next(numbers)}", "type": f"kind-{n}"} for n in range(1_000)]
        document["data"] = [*kept, *filler]

    def read(number: int) -> int:
        return len(source.page(query, number).records)

    sandbox.alter("regions", edit)
    reading = walk("regions")
    source, query = reading._source, reading.query
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(read, [1, 2] * 8)) > 16_000


@pytest.mark.parametrize("other", [int, float])
def test_an_id_that_is_a_number_and_a_text_is_no_one_record(
    sandbox: Sandbox, walk: StartWalk, other: type
) -> None:
    first = expected(sandbox, "regions")[0]
    edited(sandbox, lambda records: records[1].update(id=other(first)))
    said = f"^regions, page 1: two records have the id {first}: .*number"
    with pytest.raises(Rejected, match=said):
        ids(walk("regions"))


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("id", int),
        ("type", lambda _: "region"),
        ("type", lambda _: None),
        ("type", lambda _: "areas"),
    ],
)
def test_answers_that_write_a_record_in_two_ways_show_one_record(
    sandbox: Sandbox, walk: StartWalk, member: str, change: Callable[[Any], Any]
) -> None:
    everything, answers = more_regions(sandbox), count()

    def edit(records: list[dict[str, Any]]) -> None:
        if next(answers):  # page 1 is read again later
            for record in records:
                record[member] = change(record[member])

    edited(sandbox, edit)
    reading = walk("regions")
    assert ids(reading) == everything
    assert reading.report.verdict is Verdict.COMPLETE


FORMS = st.tuples(
    st.integers(0, 5), st.sampled_from([str, int]), st.sampled_from(["a", "A", "b-s", "B", None])
)


@given(st.lists(FORMS, max_size=12), st.booleans())
def test_two_records_of_one_id_are_found_wherever_they_are(
    records: list[tuple[int, Callable[[int], Any], str | None]], alike: bool
) -> None:
    forms, types = dict[str, set[Any]](), dict[str, set[str]]()
    for id_, form, type_ in records:
        forms.setdefault(str(id_), set()).add(form)
        types.setdefault(str(id_), set()).update((type_ or "")[:1].casefold())
    clash = one_id_twice(
        [
            Record(form(id_), type=type_, attributes={"form": alike or form.__name__})
            for id_, form, type_ in records
        ]
    )
    differ = {id_ for id_ in forms if len(forms[id_]) > 1 and not alike}
    twice = differ | {id_ for id_ in types if len(types[id_]) > 1}
    assert (clash is not None) == bool(twice)
    assert clash is None or clash[0] in twice


def test_a_float_that_is_no_whole_number_is_no_id(sandbox: Sandbox, walk: StartWalk) -> None:
    edited(sandbox, lambda records: records[2].update(id=1.5))
    said = (
        r"^regions, page 1: record 3 has the id 1\.5, but an id must be a text or a whole number\."
    )
    with pytest.raises(Rejected, match=said):
        ids(walk("regions"))
    assert len(sandbox.requests) == 1


def test_a_float_that_is_a_whole_number_is_its_text(sandbox: Sandbox, walk: StartWalk) -> None:
    def edit(records: list[dict[str, Any]]) -> None:
        for record in records:
            record["id"] = float(record["id"])

    edited(sandbox, edit)
    reading = walk("regions")
    assert ids(reading) == expected(sandbox, "regions")
    assert reading.report.verdict is Verdict.COMPLETE


@pytest.mark.parametrize("value", ["x", True, [{"a": 1}]], ids=str)
@pytest.mark.parametrize("member", ["attributes", "relationships", "links"])
def test_what_is_no_object_in_a_record_is_kept_unparsed(
    project: Project, member: str, value: Any
) -> None:
    edited(project.sandbox, lambda records: records[0].update({member: value}))
    outcome = project.sync("regions")
    assert outcome.report.verdict is Verdict.COMPLETE
    assert outcome.unparsed == {member: 1}
    assert outcome.merged.inserted == project.sandbox.world.count("regions")
    ((kept,),) = project.query("SELECT _unparsed FROM recruit.regions WHERE _unparsed IS NOT NULL")
    assert json.loads(kept) == {member: value}
    assert len(project.sandbox.requests) == 1


def test_a_by_id_answer_has_the_type_of_the_list(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.sync("regions")
    (hidden, *_) = expected(project.sandbox, "regions")

    def hide(document: dict[str, Any]) -> None:
        if isinstance(document["data"], list):
            document["data"] = [each for each in document["data"] if each["id"] != hidden]
            document["meta"]["record-count"] -= 1
        else:
            document["data"].update(type="departments", attributes={"name": "Another"})

    before = project.query("FROM recruit.regions ORDER BY id")
    project.sandbox.alter("regions", hide)
    with caplog.at_level(logging.WARNING):
        outcome = project.sync("regions")
    assert (outcome.deleted, outcome.kept) == (0, 1)
    assert project.query("FROM recruit.regions ORDER BY id") == before
    assert f"the record {hidden} of the type departments" in caplog.text
