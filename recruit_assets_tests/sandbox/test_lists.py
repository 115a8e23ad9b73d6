"""Lists and single records: the envelope, paging, links, keys, included stubs, sparse fieldsets."""

import re
from typing import Any

import pytest

from recruit_assets.sandbox.schema import ENDPOINTS, RESOURCES
from recruit_assets.sandbox.world import refs_of
from recruit_assets_tests.sandbox.conftest import Client

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0[12]:00")


def test_the_first_page_has_ten_and_no_prev(api: Client) -> None:
    document = api.get("candidates").json()
    assert set(document) == {"data", "meta", "links"}
    assert len(document["data"]) == 10
    assert document["meta"] == {"record-count": 70, "page-count": 7}
    assert set(document["links"]) == {"first", "next", "last"}


def test_links_repeat_the_parameters_with_encoded_brackets(api: Client) -> None:
    base = api.sandbox.base_url
    response = api.get(
        "candidates", include="department", sort="-id", page__size=30, fields__candidates="email",
        filter__created_at__from="2001-01-01", page__number=2,
    )  # fmt: skip
    links = response.json()["links"]
    assert set(links) == {"first", "prev", "next", "last"}
    for name, page in {"first": 1, "prev": 1, "next": 3, "last": 3}.items():
        assert links[name].startswith(f"{base}candidates?")
        assert f"page%5Bnumber%5D={page}&page%5Bsize%5D=30" in links[name]
        for part in ("include=department", "sort=-id", "fields%5Bcandidates%5D=email"):
            assert part in links[name]
        assert "filter%5Bcreated-at%5D%5Bfrom%5D=2001-01-01" in links[name]


def test_following_next_reads_everything_once(api: Client) -> None:
    found: list[str] = []
    link = f"{api.sandbox.base_url}job-applications?page%5Bsize%5D=30"
    while link:
        document = api.get(link).json()
        found += [each["id"] for each in document["data"]]
        link = document["links"].get("next")
    assert found == [each["id"] for each in api.sandbox.world.records("job-applications")]


def test_past_the_last_page_is_empty_and_good(api: Client) -> None:
    response = api.get("candidates", page__number=99)
    assert response.status_code == 200
    assert response.json()["data"] == []
    assert "next" not in response.json()["links"]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_record_has_the_known_shape(api: Client, path: str) -> None:
    document = api.get(path, page__size=30).json()
    assert document["data"]
    assert ("texts" in document["meta"]) == (path in ("departments", "locations"))
    for record in document["data"]:
        assert record["id"].isdecimal() != (path == "partner-results")
        assert record["type"] == path
        assert ("attributes" in record) == (path != "team-memberships")
        for relationship in record.get("relationships", {}).values():
            assert set(relationship) == {"links"}
            assert set(relationship["links"]) == {"self", "related"}
        for name, value in record.get("attributes", {}).items():
            if RESOURCES[path].attributes[name] == "time" and value is not None:
                assert TIME.fullmatch(value)


def test_links_of_records(api: Client) -> None:
    base = api.sandbox.base_url
    job, note = api.data("jobs")[0], api.data("notes")[0]
    assert job["links"]["self"] == f"{base}jobs/{job['id']}"
    assert {"careersite-job-url", "careersite-job-apply-url"} <= job["links"].keys()
    assert {"careersite-job-apply-iframe-url", "careersite-job-internal-url"} <= job["links"].keys()
    assert note["links"]["self"] == f"/v1/notes/{note['id']}"
    assert job["relationships"]["user"]["links"] == {
        "self": f"{base}jobs/{job['id']}/relationships/user",
        "related": f"{base}jobs/{job['id']}/user",
    }


def test_offsets_follow_daylight_saving(api: Client) -> None:
    times = [each["attributes"]["created-at"] for each in api.data("candidates", page__size=30)]
    for time in times:
        month = int(time[5:7])
        if month in (1, 2, 11, 12):
            assert time.endswith("+01:00")
        if 4 <= month <= 9:
            assert time.endswith("+02:00")
    assert {time[-6:] for time in times} == {"+01:00", "+02:00"}


def test_due_is_a_plain_date(api: Client) -> None:
    due = {each["attributes"]["due"] for each in api.data("todos", page__size=30)} - {None}
    assert due
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", each) for each in due)


def test_keys_only_for_what_is_included(api: Client) -> None:
    world = {each["id"]: each for each in api.sandbox.world.records("job-applications")}
    document = api.get("job-applications", include="candidate,reject-reason").json()
    for record in document["data"]:
        for name, relationship in record["relationships"].items():
            if name in ("candidate", "reject-reason"):
                assert relationship["data"] == world[record["id"]]["relationships"][name]
            else:
                assert "data" not in relationship
    stubs = [(each["type"], each["id"]) for each in document["included"]]
    assert len(stubs) == len(set(stubs))
    assert {type_ for type_, _ in stubs} == {"candidates", "reject-reasons"}
    for stub in document["included"]:
        assert all("data" not in each for each in stub["relationships"].values())


@pytest.mark.parametrize(
    ("path", "name"),
    [(path, name) for path in ENDPOINTS for name in RESOURCES[path].relationships],
)
def test_every_relationship_can_be_included(api: Client, path: str, name: str) -> None:
    parameters: dict[str, Any] = {"include": name, "page__size": 30}
    if path == "jobs":
        parameters["filter__status"] = "all"
    document = api.get(path, **parameters).json()
    wanted = set()
    for record in document["data"]:
        data = record["relationships"][name]["data"]
        assert isinstance(data, list) == RESOURCES[path].relationships[name].many
        wanted |= {(ref["type"], ref["id"]) for ref in refs_of(data)}
    assert {(each["type"], each["id"]) for each in document["included"]} == wanted


def test_a_dotted_path_goes_one_further(api: Client) -> None:
    document = api.get("candidates", include="job-applications.stage").json()
    stubs = {each["type"]: each for each in document["included"]}
    assert set(stubs) == {"job-applications", "stages"}
    assert stubs["job-applications"]["relationships"]["stage"]["data"]["type"] == "stages"
    assert "data" not in stubs["job-applications"]["relationships"]["job"]


def test_a_membership_belongs_to_a_team_or_a_job(api: Client) -> None:
    found: set[str] = set()
    for page in range(1, 5):
        records = api.data("team-memberships", include="team", page__size=30, page__number=page)
        found |= {each["relationships"]["team"]["data"]["type"] for each in records}
    assert found == {"teams", "jobs"}


def test_fields_restrict_records_and_stubs(api: Client) -> None:
    document = api.get(
        "job-applications", include="candidate,job", fields__candidates="email",
        fields__jobs="id", **{"fields[job-applications]": "created-at,candidate"},
    ).json()  # fmt: skip
    for record in document["data"]:
        assert set(record["attributes"]) == {"created-at"}
        assert set(record["relationships"]) == {"candidate"}
    for stub in document["included"]:
        if stub["type"] == "jobs":
            assert set(stub) == {"id", "type", "links"}
        else:
            assert set(stub["attributes"]) == {"email"}
            assert "relationships" not in stub


def test_a_single_record(api: Client) -> None:
    id_ = api.sandbox.world.records("candidates")[0]["id"]
    document = api.get(f"candidates/{id_}", include="job-applications").json()
    assert set(document) == {"data", "included"}
    assert document["data"]["id"] == id_
    assert "included" not in api.get(f"candidates/{id_}").json()


@pytest.mark.parametrize("path", ["candidates/1", "pigeons", "pigeons/1", "jobs/91/stages"])
def test_what_is_not_there(api: Client, path: str) -> None:
    response = api.get(path)
    assert response.status_code == 404
    assert response.json()["errors"][0]["status"] == "404"


def test_signed_urls_differ_on_every_read(api: Client) -> None:
    def resumes() -> list[tuple[str, str]]:
        people = [each["attributes"] for each in api.data("candidates")]
        return [(each["resume"], each["original-resume"]) for each in people if each["resume"]]

    first, second = resumes(), resumes()
    assert not set(first) & set(second)
    bare = [[url.partition("?")[0] for url in pair] for pair in first]
    assert bare == [[url.partition("?")[0] for url in pair] for pair in second]


def test_paging_by_cursor(own: Client) -> None:
    own.sandbox.rules.cursor_paging.add("candidates")
    ids = [each["id"] for each in own.sandbox.world.records("candidates")]
    first = own.get("candidates", page__size=30).json()
    assert first["meta"] == {"record-count": 40}
    assert set(first["links"]) == {"first", "next"}
    assert "page%5Bafter%5D=" in first["links"]["next"]
    # A cursor stands after a record, even after one that has gone.
    own.sandbox.world.remove("candidates", ids[29])
    second = own.get(first["links"]["next"]).json()
    assert [each["id"] for each in second["data"]] == ids[30:]
    assert "next" not in second["links"]
    assert own.error("candidates", page__after="é")["code"] == "118"
    own.sandbox.rules.no_counts.add("candidates")
    assert own.get("candidates").json()["meta"] == {}
