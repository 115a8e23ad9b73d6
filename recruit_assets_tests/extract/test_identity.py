"""No two records become one row, and no list shows the records of another one."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import Rejected
from recruit_assets.extract.identity import Identities, Types
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
        retyped("robots", slice(1)),
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
            assert Types(endpoint).wrong([Record("1", type=type_)]) is None
        for other in ENDPOINTS:
            if other is not endpoint:
                wrong = Types(endpoint).wrong([Record("1", type=other.path)])
                assert wrong == other.path


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("other", [int, float])
def test_an_id_that_is_a_number_and_a_text_is_no_one_record(
    sandbox: Sandbox, walk: StartWalk, other: type, *, apart: bool
) -> None:
    first = expected(sandbox, "regions")[0]
    for _ in range(60 if apart else 0):
        sandbox.world.add("regions")
    place = {"page": 2} if apart else {}
    edited(sandbox, lambda records: records[1].update(id=other(first)), **place)
    with pytest.raises(Rejected, match=f"^regions: two records have the id {first}: .*number"):
        ids(walk("regions"))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5), st.sampled_from([str, int]), st.sampled_from(["a", "b", None])
        ),
        max_size=12,
    ),
    st.integers(1, 5),
)
def test_two_records_of_one_id_are_found_wherever_they_are(
    records: list[tuple[int, Callable[[int], Any], str]], size: int
) -> None:
    identities, forms = Identities(), dict[str, set[Any]]()
    came = [Record(form(id_), type=type_) for id_, form, type_ in records]
    for first in range(0, len(came), size):
        identities.add(came[first : first + size])
    for record in came:
        forms.setdefault(str(record.id), set()).add((type(record.id), record.type))
    assert bool(identities.clash) == any(len(each) > 1 for each in forms.values())
    if identities.clash:
        assert len(forms[identities.clash[0]]) > 1


def test_a_float_that_is_no_whole_number_is_no_id(sandbox: Sandbox, walk: StartWalk) -> None:
    edited(sandbox, lambda records: records[2].update(id=1.5))
    said = r"^regions, page 1: record 3 has the id 1\.5, and an id is a text or a whole number\."
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
