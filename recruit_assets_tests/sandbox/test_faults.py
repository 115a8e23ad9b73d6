"""What tests put in the way: each kind of fault as a client meets it, alterations, actions."""

from threading import Event, Thread
from typing import Any

import pytest
import requests

from recruit_assets.sandbox import Asked, Sandbox
from recruit_assets_tests.sandbox.conftest import HEADERS, Client


def test_a_status_with_headers_and_a_body(own: Client) -> None:
    own.sandbox.fail("jobs", status=503, headers={"Retry-After": "2"}, body="later")
    response = own.get("jobs")
    assert (response.status_code, response.text) == (503, "later")
    assert response.headers["Retry-After"] == "2"
    assert own.get("jobs").status_code == 200


@pytest.mark.parametrize(
    ("kind", "start", "content_type"),
    [
        ("html", b"<!doctype html>", "text/html; charset=utf-8"),
        ("empty", b"", "application/vnd.api+json"),
        ("list", b"[]", "application/vnd.api+json"),
        ("garbage", b"\xff\xfe", "application/vnd.api+json"),
    ],
)
def test_answers_that_are_no_document(
    own: Client, kind: str, start: bytes, content_type: str
) -> None:
    own.sandbox.fail("jobs", kind=kind)
    response = own.get("jobs")
    assert response.status_code == 200
    assert response.content.startswith(start)
    assert (response.content == b"") == (kind == "empty")
    assert response.headers["content-type"] == content_type


def test_documents_without_data_or_id(own: Client) -> None:
    id_ = own.ids("roles")[0]
    own.sandbox.fail("roles", kind="null-data")
    own.sandbox.fail("roles", kind="no-id")
    own.sandbox.fail(f"roles/{id_}", kind="no-id")
    assert own.get("roles").json()["data"] is None
    first, second = own.data("roles")[:2]
    assert "id" not in first
    assert "id" in second
    assert "id" not in own.data(f"roles/{id_}")


def test_a_body_cut_short(own: Client) -> None:
    own.sandbox.fail("jobs", kind="truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        own.get("jobs")
    assert own.get("jobs").status_code == 200


def test_a_connection_reset(own: Client) -> None:
    own.sandbox.fail("jobs", kind="reset")
    with pytest.raises(requests.exceptions.ConnectionError, match="reset by peer"):
        own.get("jobs")
    assert [each.status for each in own.sandbox.requests] == [0]


def test_a_request_that_hangs_ends_with_the_server() -> None:
    said: list[str] = []
    arrived = Event()

    def ask(url: str) -> None:
        try:
            requests.get(url, headers=HEADERS, timeout=60)
        except requests.exceptions.ConnectionError as error:
            said.append(type(error).__name__)

    sandbox = Sandbox(candidates=5)
    with sandbox.serve():
        sandbox.before("jobs", lambda world: arrived.set())
        sandbox.fail("jobs", kind="hang")
        thread = Thread(target=ask, args=(f"{sandbox.base_url}jobs",))
        thread.start()
        assert arrived.wait(60)
    thread.join(60)
    assert not thread.is_alive()


def test_a_client_that_gives_up_on_a_hanging_request(own: Client) -> None:
    own.sandbox.fail("jobs", kind="hang")
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{own.sandbox.base_url}jobs", headers=HEADERS, timeout=(60, 0.2))
    assert own.get("jobs").status_code == 200


def test_a_body_that_drips_ends_right(own: Client) -> None:
    id_ = own.ids("roles")[0]
    right = own.get(f"roles/{id_}").content
    own.sandbox.fail(f"roles/{id_}", kind="drip")
    assert own.get(f"roles/{id_}").content == right


def test_faults_meet_their_page_in_order_and_as_often_as_told(own: Client) -> None:
    own.sandbox.fail("candidates", page=2, times=2, status=500)
    own.sandbox.fail("candidates", page=2, times=None, status=502)

    def statuses(page: int, times: int) -> list[int]:
        return [own.get("candidates", page__number=page).status_code for _ in range(times)]

    assert statuses(1, 2) == [200, 200]
    assert statuses(2, 4) == [500, 500, 502, 502]
    assert own.get(f"candidates/{own.ids('candidates')[0]}").status_code == 200
    own.sandbox.clear_faults()
    assert statuses(2, 1) == [200]


def test_an_unknown_kind_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="no kind of fault 'smoke'"):
        sandbox.fail("jobs", kind="smoke")


def test_a_refused_request_does_not_use_a_fault_up(own: Client) -> None:
    own.sandbox.fail("jobs", status=500)
    assert own.get("jobs", {}).status_code == 406
    assert own.get("jobs").status_code == 500


def test_alterations_edit_a_copy(own: Client) -> None:
    def shout(document: dict[str, Any]) -> None:
        document["data"][0]["id"] = 7
        document["data"][0]["attributes"]["name"] = "ALTERED"

    own.sandbox.alter("roles", shout, times=1)
    own.sandbox.alter("roles", lambda document: document | {"jsonapi": {}})
    altered = own.get("roles").json()
    assert altered["data"][0]["id"] == 7
    assert altered["jsonapi"] == {}
    later = own.get("roles").json()
    assert later["data"][0]["attributes"]["name"] != "ALTERED"
    assert later["jsonapi"] == {}


def test_an_action_changes_the_world_between_pages(own: Client) -> None:
    ids = [each["id"] for each in own.sandbox.world.records("candidates")]
    own.sandbox.before("candidates", lambda world: world.remove("candidates", ids[0]), page=2)
    first = own.ids("candidates", page__size=10)
    second = own.ids("candidates", page__size=10, page__number=2)
    assert first == ids[:10]
    assert second == ids[11:21]


def test_requests_are_remembered(own: Client) -> None:
    own.get("candidates", page__number=2, sort="id")
    own.get("candidates/0")
    own.get("roles", {})
    assert own.sandbox.requests == [
        Asked("candidates", {"page[number]": "2", "sort": "id"}, 2, 200),
        Asked("candidates/0", {}, None, 404),
        Asked("roles", {}, 1, 406),
    ]
    own.sandbox.clear_requests()
    assert own.sandbox.requests == []


def test_what_raises_in_an_action_is_shown(own: Client) -> None:
    def fails(world: Any) -> None:
        raise RuntimeError("the action broke")

    own.sandbox.before("jobs", fails)
    response = own.get("jobs")
    assert response.status_code == 500
    assert "the action broke" in response.text
