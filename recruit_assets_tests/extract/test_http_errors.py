import ssl

import pytest
import requests

from recruit_assets.errors import Rejected, Transient
from recruit_assets.extract.http_errors import error_objects
from recruit_assets.extract.no_response import no_response


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"errors":[{"code":112,"detail":"no"}]}', [("112", "no")]),
        (b'{"errors":{"code":"114","title":"bad"}}', [("114", "bad")]),
        (b'{"errors":["text", null]}', []),
        (b"{}", []),
        (b"[]", []),
        (b"<html>", []),
        (b'{"errors":[{"detail":"no\xff"}]}', []),
        (b'{"errors":' + b"[" * 10**5, []),
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
    assert type(no_response("x", error, "host", reached=True)) is kind
