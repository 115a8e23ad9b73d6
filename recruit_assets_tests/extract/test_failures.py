import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from recruit_assets.errors import Rejected, Transient
from recruit_assets.extract.failures import error_objects, no_answer, wait_asked_for


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3", "X-Rate-Limit-Reset": "7"}, 3),
        ({"X-Rate-Limit-Reset": "7"}, 7),
        ({"Retry-After": "-5"}, 0),
    ],
)
def test_how_long_a_429_asks_to_wait(headers: dict[str, str], seconds: float) -> None:
    response = requests.Response()
    response.headers.update(headers)
    assert wait_asked_for(response) == seconds


@pytest.mark.parametrize(("hours", "least", "most"), [(1, 3500, 3601), (-1, 0, 0)])
def test_a_429_may_name_a_time(hours: int, least: float, most: float) -> None:
    response = requests.Response()
    moment = datetime.now(UTC) + timedelta(hours=hours)
    response.headers["Retry-After"] = format_datetime(moment)
    wait = wait_asked_for(response)
    assert wait is not None
    assert least <= wait <= most


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}])
def test_a_429_that_does_not_say_how_long(headers: dict[str, str]) -> None:
    response = requests.Response()
    response.headers.update(headers)
    assert wait_asked_for(response) is None


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"errors":[{"code":112,"detail":"no"}]}', [("112", "no")]),
        (b'{"errors":{"code":"114","title":"bad"}}', [("114", "bad")]),
        (b'{"errors":["text", null]}', []),
        (b"{}", []),
        (b"[]", []),
        (b"<html>", []),
    ],
)
def test_the_errors_of_an_answer(body: bytes, found: list[tuple[str, str]]) -> None:
    assert error_objects(body) == found


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", Rejected),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", Rejected),
        ("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred", Transient),
    ],
)
def test_a_handshake_that_broke_is_not_one_that_was_refused(
    reason: str, kind: type[Exception]
) -> None:
    error = requests.exceptions.SSLError(ssl.SSLError(1, reason))
    assert type(no_answer("x", error, "host", reached=True)) is kind
