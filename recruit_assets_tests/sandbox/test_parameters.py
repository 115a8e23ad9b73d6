"""Filters, sorts and refusals: what each endpoint knows, and how it says that it does not."""

from typing import Any

import pytest

from recruit_assets.sandbox.draft import number_of
from recruit_assets.sandbox.schema import ENDPOINTS
from recruit_assets.sandbox.times import instant
from recruit_assets.sandbox.world import refs_of
from recruit_assets_tests.sandbox.conftest import Client


@pytest.mark.parametrize(
    ("path", "parameter", "value", "code", "detail"),
    [
        ("candidates", "page[size]", "31", "118", None),
        ("candidates", "page[size]", "0", "118", None),
        ("candidates", "page[size]", "ten", "118", None),
        ("candidates", "page[number]", "0", "118", None),
        ("candidates", "page[number]", "-1", "118", None),
        ("candidates", "page[after]", "x", "105", None),
        ("candidates", "filter[nose]", "x", "102", "nose is not allowed."),
        ("candidates", "filter[created-at]", "2026-01-01", "102", "created-at is not allowed."),
        ("users", "filter[updated-at][from]", "2026-01-01", "102", "updated-at is not allowed."),
        ("jobs", "filter[updated-at][from]", "2026-01-01", "102", "updated-at is not allowed."),
        ("jobs", "filter[location]", "1", "102", "location is not allowed."),
        ("jobs", "filter[status]", "open", "103", "open is not a valid value for status."),
        ("jobs", "filter[feed]", "private", "103", "private is not a valid value for feed."),
        ("candidates", "filter[updated-at][from]", "soon", "103", None),
        ("candidates", "filter[updated-at][to]", "2026-13-01", "103", None),
        ("candidates", "include", "job", "112", "job is not a valid relationship of candidates."),
        ("candidates", "include", "department.cat", "112", None),
        ("notes", "include", "job-application", "112", None),
        ("candidates", "sort", "nose", "114", "nose is not a valid sort criteria for candidates."),
        ("roles", "sort", "name", "114", "name is not a valid sort criteria for roles."),
        ("jobs", "fields[jobs]", "nose", "104", "nose is not a valid field for jobs."),
        ("jobs", "fields[users]", "nose", "104", "nose is not a valid field for users."),
        ("jobs", "fields[pigeons]", "nose", "101", None),
    ],
)
def test_refusals(  # noqa: PLR0917 - one row of the table
    api: Client, path: str, parameter: str, value: str, code: str, detail: str | None
) -> None:
    response = api.get(path, **{parameter: value})
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/vnd.api+json"
    [error] = response.json()["errors"]
    assert error["code"] == code
    assert error["title"]
    assert error["detail"] == detail if detail else error["detail"]
    if code == "118":
        assert error["source"] == {"parameter": parameter}
    if code == "112":
        assert error["source"] == {"parameter": "include"}


def test_a_time_filter_holds_its_bounds(api: Client) -> None:
    records = api.sandbox.world.records("candidates")
    times = sorted(each["attributes"]["updated-at"] for each in records)
    moments = sorted(instant(each) for each in times)
    low, high = moments[20], moments[40]
    found = api.get(
        "candidates",
        filter__updated_at__from=low.isoformat(),
        filter__updated_at__to=high.isoformat(),
    )
    assert found.json()["meta"]["record-count"] == 21


@pytest.mark.parametrize("name", ["created-at", "updated-at", "changed-stage-at"])
def test_application_windows(api: Client, name: str) -> None:
    records = api.sandbox.world.records("job-applications")
    wanted = [
        each["id"]
        for each in records
        if instant("2025-06-01") <= instant(each["attributes"][name]) <= instant("2026-02-01")
    ]
    window = {f"filter[{name}][from]": "2025-06-01", f"filter[{name}][to]": "2026-02-01"}
    assert wanted
    assert api.ids("job-applications", **window) == wanted[:30]


def test_a_bare_date_is_midnight_in_utc_and_bounds_are_inside(own: Client) -> None:
    for time in ("2031-01-01T00:59:59.999+01:00", "2031-01-01T01:00:00.000+01:00"):
        id_ = own.sandbox.world.add("candidates", {"created-at": time})
    assert own.ids("candidates", filter__created_at__from="2031-01-01") == [id_]
    assert own.ids("candidates", filter__created_at__from="2031-01-01T00:00:00Z") == [id_]
    assert own.ids("candidates", filter__created_at__from="2031-01-01T02:00:00+02:00") == [id_]


@pytest.mark.parametrize(
    ("parameters", "statuses", "feeds"),
    [
        ({}, {"published"}, {False}),
        ({"filter__status": "archived"}, {"archived"}, {False}),
        ({"filter__status": "draft,scheduled"}, {"draft", "scheduled"}, {False}),
        ({"filter__feed": "internal"}, {"published"}, {True}),
        ({"filter__feed": "public,internal"}, {"published"}, {True, False}),
    ],
)
def test_jobs_hide_what_is_not_asked_for(
    api: Client, parameters: dict[str, Any], statuses: set[str], feeds: set[bool]
) -> None:
    jobs = [each["attributes"] for each in api.data("jobs", page__size=30, **parameters)]
    assert {each["human-status"] for each in jobs} == statuses
    assert {each["internal"] for each in jobs} == feeds


def test_all_jobs_are_all_jobs(api: Client) -> None:
    ids = api.ids("jobs", filter__status="all", filter__feed="public,internal", sort="id")
    assert ids == [each["id"] for each in api.sandbox.world.records("jobs")]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("candidates", "department"), ("candidates", "role"), ("candidates", "locations"),
        ("candidates", "regions"), ("candidates", "division"), ("users", "department"),
        ("job-applications", "job"), ("job-applications", "candidate"), ("stages", "job"),
        ("todos", "assignee"), ("todos", "assigner"), ("todos", "candidate"), ("todos", "user"),
        ("referrals", "candidate"), ("referrals", "department"), ("referrals", "job"),
        ("referrals", "role"), ("referrals", "user"), ("job-offers", "job-application-id"),
        ("stages", "stage-type"),
    ],
)  # fmt: skip
def test_filters_by_relationship(api: Client, path: str, name: str) -> None:
    def keys(record: Any) -> list[str]:
        related = record["relationships"][name.removesuffix("-id")]
        return [ref["id"] for ref in refs_of(related)]

    records = api.sandbox.world.records(path)
    key = next(id_ for each in records for id_ in keys(each))
    wanted = [each["id"] for each in records if key in keys(each)]
    assert api.ids(path, **{f"filter[{name}]": key}) == wanted[:30]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("candidates", "email"), ("candidates", "phone"), ("candidates", "connected"),
        ("users", "email"), ("users", "external-id"), ("todos", "due"), ("referrals", "email"),
        ("referrals", "phone"),
    ],
)  # fmt: skip
def test_filters_by_attribute(api: Client, path: str, name: str) -> None:
    records = api.sandbox.world.records(path)
    value = next(each["attributes"][name] for each in records if each["attributes"][name])
    wanted = [each["id"] for each in records if each["attributes"][name] == value]
    spelled = "true" if value is True else value
    assert api.ids(path, **{f"filter[{name}]": spelled}) == wanted[:30]


@pytest.mark.parametrize("kind", ["Inbox", "In process", "Hired"])
def test_applications_by_the_name_of_their_stages_type(api: Client, kind: str) -> None:
    stages = {
        each["id"]
        for each in api.sandbox.world.records("stages")
        if each["attributes"]["legacy-stage-type-name"] == kind
    }
    wanted = [
        each["id"]
        for each in api.sandbox.world.records("job-applications")
        if each["relationships"]["stage"]["id"] in stages
    ]
    assert api.ids("job-applications", **{"filter[stage-type]": kind}) == wanted[:30]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_list_sorts_by_id_as_a_number(api: Client, path: str) -> None:
    ids = list(map(number_of, api.ids(path, sort="id")))
    assert ids == sorted(ids)
    ids = list(map(number_of, api.ids(path, sort="-id")))
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize(
    ("path", "key", "name"),
    [
        ("candidates", "updated-at", "updated-at"),
        ("candidates", "last-name", "last-name"),
        ("jobs", "updated-at", "updated-at"),
        ("job-applications", "changed_stage_at", "changed-stage-at"),
        ("job-applications", "changed-stage-at", "changed-stage-at"),
        ("stages", "row-order", "row-order"),
        ("users", "name", "name"),
        ("todos", "due", "due"),
        ("referrals", "created-at", "created-at"),
        ("questions", "title", "title"),
    ],
)
def test_sorts_by_attribute(api: Client, path: str, key: str, name: str) -> None:
    def values(sort: str) -> list[Any]:
        found = [each["attributes"][name] for each in api.data(path, sort=sort, page__size=30)]
        return [instant(each) if name.endswith("-at") else each for each in found if each]

    assert values(key) == sorted(values(key))
    assert values(f"-{key}") == sorted(values(f"-{key}"), reverse=True)


def test_jobs_come_pinned_first_then_by_date(api: Client) -> None:
    jobs = [each["attributes"] for each in api.data("jobs", page__size=30, filter__status="all")]
    order = [(not each["pinned"], instant(each["start-date"])) for each in jobs]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("refused", "parameters", "code"),
    [
        ("include=division", {"include": "department,division"}, "112"),
        ("include", {"include": "department"}, "112"),
        ("sort", {"sort": "id"}, "114"),
        ("sort=id", {"sort": "-id"}, "114"),
        ("filter[updated-at]", {"filter__updated_at__to": "2026-01-01"}, "102"),
        ("filter", {"filter__email": "x"}, "102"),
        ("fields", {"fields__departments": "id"}, "104"),
        ("fields[candidates]", {"fields__candidates": "email"}, "104"),
        ("page[size]", {"page__size": "30"}, "118"),
    ],
)
def test_an_account_may_refuse_more(
    own: Client, refused: str, parameters: dict[str, str], code: str
) -> None:
    assert own.get("candidates", **parameters).status_code == 200
    own.sandbox.rules.refuse = {"candidates": {refused}}
    assert own.error("candidates", **parameters)["code"] == code
    assert own.get("candidates").status_code == 200


def test_an_attribute_that_a_test_added_is_a_field_like_others(own: Client) -> None:
    id_ = own.sandbox.world.add("candidates", {"favourite-cloud": "cirrus"})
    record = own.data(f"candidates/{id_}", fields__candidates="favourite-cloud")
    assert record["attributes"] == {"favourite-cloud": "cirrus"}
