"""What stands before an answer: version, key, scope, budget, add-ons, in this order."""

import pytest

from recruit_assets.sandbox import Rules
from recruit_assets.sandbox.rules import RateLimiter
from recruit_assets.sandbox.schema import ENDPOINTS, RESOURCES, VERSIONS
from recruit_assets_tests.sandbox.conftest import HEADERS, Client

PUBLIC = {"departments", "jobs", "locations", "questions", "roles", "teams", "users"}


@pytest.mark.parametrize("version", [None, "", "20200101", "latest"])
def test_the_version_is_checked_before_the_key(api: Client, version: str | None) -> None:
    response = api.get("jobs", {} if version is None else {"X-Api-Version": version})
    assert response.status_code == 406
    [error] = response.json()["errors"]
    assert error["status"] == 406
    assert error["title"]
    assert "20240904" in error["detail"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_version_is_repeated(api: Client, version: str) -> None:
    response = api.get("jobs", HEADERS | {"X-Api-Version": version})
    assert response.status_code == 200
    assert response.headers["X-Api-Version"] == version
    assert response.headers["content-type"] == "application/vnd.api+json"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"api": "sandbox-key"}, 200),
        ({"Authorization": "Token token=sandbox-key"}, 200),
        ({"Authorization": "Bearer sandbox-key"}, 401),
        ({"Authorization": "Token token=wrong"}, 401),
        ({"api": "wrong"}, 401),
        ({"api": "Token token=sandbox-key"}, 401),
        ({"Authorization": "sandbox-key"}, 401),
        ({}, 401),
    ],
)
def test_the_key_in_either_header(api: Client, headers: dict[str, str], status: int) -> None:
    response = api.get("jobs", headers | {"X-Api-Version": "20240904"})
    assert response.status_code == status
    assert status == 200 or response.content == b""


def test_a_revoked_key(own: Client) -> None:
    own.sandbox.rules.key = "another"
    assert own.get("jobs").status_code == 401


@pytest.mark.parametrize("scope", ["public", "internal"])
def test_lesser_scopes(own: Client, scope: str) -> None:
    own.sandbox.rules.scope = scope  # type: ignore[assignment]
    for path in ENDPOINTS:
        response = own.get(path)
        assert response.status_code == (200 if path in PUBLIC else 403)
        assert response.status_code == 200 or response.content == b""
    assert own.error("jobs", include="stages")["code"] == "112"
    assert not {"created-at", "tags"} & own.data("jobs")[0]["attributes"].keys()
    assert "login-email" not in own.data("users")[0]["attributes"]


@pytest.mark.parametrize(
    ("scope", "statuses", "feeds"),
    [
        ("public", {"published"}, {False}),
        ("internal", {"published", "unlisted", "archived"}, {True, False}),
    ],
)
def test_a_scope_hides_jobs_whatever_the_filter(
    own: Client, scope: str, statuses: set[str], feeds: set[bool]
) -> None:
    own.sandbox.rules.scope = scope  # type: ignore[assignment]
    parameters = {"filter__status": "all", "filter__feed": "public,internal", "page__size": 30}
    jobs = [each["attributes"] for each in own.data("jobs", **parameters)]
    assert {each["human-status"] for each in jobs} == statuses
    assert {each["internal"] for each in jobs} == feeds
    drafts = own.sandbox.world.records("jobs")
    draft = next(each["id"] for each in drafts if each["attributes"]["status"] == "draft")
    assert own.get(f"jobs/{draft}").status_code == 404


@pytest.mark.parametrize("version", VERSIONS)
def test_versions_show_stage_types_and_notifications_in_two_ways(api: Client, version: str) -> None:
    old = version < "20240404"
    headers = HEADERS | {"X-Api-Version": version}
    stage = api.get("stages", headers).json()["data"][0]
    assert stage["attributes"]["stage-type" if old else "legacy-stage-type-name"] == "Inbox"
    assert ("legacy-stage-type-name" in stage["attributes"]) != old
    assert ("stage-type" in stage["relationships"]) != old
    user = api.get("users", headers).json()["data"][0]
    flags = [name for name in user["attributes"] if name.startswith("notification-")]
    assert len(flags) == (10 if old else 0)
    assert ("notification-settings" in user["relationships"]) != old


def test_the_budget_is_told_and_kept(own: Client) -> None:
    assert "X-Rate-Limit-Limit" not in own.get("roles").headers
    own.sandbox.rules.requests_per_10s = 3
    own.sandbox.clear_requests()
    answers = [own.get("roles") for _ in range(8)]
    refused = [each for each in answers if each.status_code == 429]
    assert len(refused) >= 2
    for answer in answers:
        assert answer.headers["X-Rate-Limit-Limit"] == "3"
        assert 0 <= int(answer.headers["X-Rate-Limit-Remaining"]) < 3
        assert 1 <= int(answer.headers["X-Rate-Limit-Reset"]) <= 10
    assert refused[0].content == b""
    assert "Retry-After" not in refused[0].headers


def test_a_window_opens_anew_after_ten_seconds() -> None:
    now = [100.0]
    budget = RateLimiter(Rules(requests_per_10s=2), lambda: now[0])
    assert [budget.spend() for _ in range(3)] == [True, True, False]
    now[0] += 7.5
    assert budget.headers() == {
        "X-Rate-Limit-Limit": "2",
        "X-Rate-Limit-Remaining": "0",
        "X-Rate-Limit-Reset": "3",
    }
    now[0] += 2.5
    assert budget.headers()["X-Rate-Limit-Remaining"] == "2"
    assert budget.spend()


def test_missing_add_ons(own: Client) -> None:
    own.sandbox.rules.without = {"job-offers": 403, "nps-responses": 404}
    forbidden, absent = own.get("job-offers"), own.get("nps-responses")
    assert (forbidden.status_code, forbidden.content) == (403, b"")
    assert absent.status_code == 404
    assert absent.json()["errors"]
    own.sandbox.rules.without = {"job-offers": 403}
    assert own.get("nps-responses").status_code == 200


def test_the_public_types_are_those_that_no_fact_restricts() -> None:
    assert {path for path in ENDPOINTS if RESOURCES[path].scope == "public"} == PUBLIC
