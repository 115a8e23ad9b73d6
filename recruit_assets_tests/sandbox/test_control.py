"""The control path over HTTP, for tests in another process."""

import re
from typing import Any

import pytest
import requests

from recruit_assets.sandbox import Sandbox
from recruit_assets.sandbox import control as module
from recruit_assets_tests.sandbox.conftest import Client


def control(own: Client, method: str, path: str, json: Any = None) -> requests.Response:
    url = own.sandbox.base_url.replace("/v1/", "/_control/") + path
    return own.session.request(method, url, json=json, timeout=60)


def test_it_is_absent_unless_switched_on(own: Client) -> None:
    own.sandbox.rules.control = False
    assert control(own, "GET", "counts").status_code == 404
    assert control(own, "PATCH", "rules", {"control": True}).status_code == 404


def test_every_route_is_documented(sandbox: Sandbox) -> None:
    told = re.findall(r"^    ([A-Z]+) +(/_control/\S+)", module.__doc__ or "", re.MULTILINE)
    routes = module.control_routes(sandbox)
    there = [(method, route.path) for route in routes for method in route.methods or ()]
    assert sorted(told) == sorted(each for each in there if each[0] != "HEAD")


def test_records(own: Client) -> None:
    counts = control(own, "GET", "counts").json()
    assert counts == own.sandbox.world.counts()
    added = control(own, "POST", "records", {"type": "roles", "attributes": {"name": "Kite"}})
    id_ = added.json()["id"]
    assert own.data(f"roles/{id_}")["attributes"] == {"name": "Kite"}
    control(own, "PATCH", f"records/roles/{id_}", {"attributes": {"name": "Flag"}})
    assert own.data(f"roles/{id_}")["attributes"] == {"name": "Flag"}
    assert control(own, "DELETE", f"records/roles/{id_}").status_code == 200
    assert own.get(f"roles/{id_}").status_code == 404


def test_faults_and_requests(own: Client) -> None:
    control(own, "POST", "faults", {"path": "roles", "status": 500, "times": None})
    assert own.get("roles").status_code == 500
    control(own, "DELETE", "faults")
    assert own.get("roles").status_code == 200
    asked = control(own, "GET", "requests").json()
    assert [(each["path"], each["status"]) for each in asked] == [("roles", 500), ("roles", 200)]
    control(own, "DELETE", "requests")
    assert control(own, "GET", "requests").json() == []


def test_rules(own: Client) -> None:
    changed = {"without": {"roles": 403}, "refuse": {"jobs": ["sort"]}, "requests_per_10s": 900}
    assert control(own, "PATCH", "rules", changed).status_code == 200
    assert own.get("roles").status_code == 403
    assert own.error("jobs", sort="id")["code"] == "114"
    assert own.get("jobs").headers["X-Rate-Limit-Limit"] == "900"
    assert own.sandbox.rules.key == "sandbox-key"


@pytest.mark.parametrize(
    ("method", "path", "json", "says"),
    [
        ("POST", "faults", {"path": "jobs", "kind": "smoke"}, "no kind of fault"),
        ("POST", "faults", {"kind": "html"}, "path"),
        ("POST", "faults", {"path": "jobs", "colour": "red"}, "colour"),
        ("POST", "records", {"attributes": {}}, "a record needs a type"),
        ("POST", "records", {"type": "pigeons"}, "there is no type pigeons"),
        ("PATCH", "records/roles/0", {"attributes": {}}, "there is no record 0"),
        ("DELETE", "records/roles/0", None, "there is no record 0"),
        ("PATCH", "rules", {"colour": "red"}, "there is no rule colour"),
        ("PATCH", "rules", {"scope": "royal"}, "royal"),
        ("PATCH", "rules", [1], "object"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(
    own: Client, method: str, path: str, json: Any, says: str
) -> None:
    response = control(own, method, path, json)
    assert response.status_code == 400
    assert says in response.text
