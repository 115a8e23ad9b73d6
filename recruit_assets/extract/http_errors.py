"""Errors for HTTP responses: whether a retry can help, and what to tell the user.

A redirect is a failure too, because the key is sent to one host only.

Scope: the mapping from an HTTP response to one error of `errors`. Requests without a response are
in `no_response`. Nothing here decides when to retry (`retries`) or sends a request (`client`).
"""

from urllib.parse import urlsplit

import msgspec
import requests

from recruit_assets.errors import (
    InvalidResponse,
    ParameterRefused,
    RateLimited,
    Rejected,
    RequestFailed,
    Transient,
    Unavailable,
)
from recruit_assets.extract.no_response import AGAIN, ASK, PROXY_ADVICE, TELL
from recruit_assets.extract.redaction import Redaction
from recruit_assets.extract.report import duration
from recruit_assets.extract.retry_after import wait_asked_for
from recruit_assets.text import one_line

# 408 and 425 ask for a retry by definition; 5xx is a failure of the server.
CAN_CLEAR = {408, 425, *range(500, 600)}
EXCERPT_BYTES = 1 << 20  # bytes of a body that are read for its excerpt


def error_response(
    subject: str, response: requests.Response, body: bytes, redaction: Redaction
) -> RequestFailed:
    """Return the error for a response that is not 200; its `wait` is what the response asks for."""
    status = response.status_code
    refusals = error_objects(body) if status in (400, 406) else []
    details = [redaction.sentence(detail) for _, detail in refusals[:3]]
    shown = "; ".join(details) or redaction.excerpt(body[:EXCERPT_BYTES])
    happened = f"the API returned HTTP {status}" + (f" ({shown})" if shown else "")
    advice = _OTHERWISE
    if response.is_redirect:
        host = _host(response.headers.get("Location", ""))
        happened = f"the API redirects to {host} (HTTP {status}), where the key is not sent"
        advice = "If that is the right place, set RECRUIT_API_BASE_URL to it."
    happened += _asked_to_wait(response)
    error = _refusal(subject, status, happened, refusals, advice)
    error.status, error.wait = status, wait_asked_for(response)
    return error


def _refusal(
    subject: str, status: int, happened: str, refusals: list[tuple[str, str]], otherwise: str
) -> RequestFailed:
    """Return the error for a status; `otherwise` is the advice for one without its own."""
    if status == 429:
        advice = "Lower RECRUIT_API_REQUESTS_PER_10S, or check what else uses the key."
        return RateLimited(subject, happened, advice)
    if status in CAN_CLEAR:
        return Transient(subject, happened, AGAIN)
    if status == 400:
        advice = "Check RECRUIT_API_VERSION: another version may know other parameters."
        return ParameterRefused(subject, happened, advice, refusals)
    if status in (403, 404):
        return Unavailable(subject, happened, _UNAVAILABLE[status], status)
    return Rejected(subject, happened, _ADVICE.get(status, otherwise))


_UNAVAILABLE = {
    403: "The key is valid but may not read this: give it the scope (Admin, read), "
    "or leave this asset out.",
    404: "The account may lack the add-on that this endpoint needs.",
}
# The API's own message is shown only for 400 and 406, where it is about parameters; elsewhere it
# may contain personal data.
_ADVICE = {
    401: "The API rejects the key. Check RECRUIT_API_KEY, that RECRUIT_API_BASE_URL is the region "
    "of the account (a key of another region gets the same response), and that "
    "RECRUIT_API_AUTH_HEADER and RECRUIT_API_AUTH_PREFIX are what this API expects.",
    407: PROXY_ADVICE,
    406: "The API does not support this version: set RECRUIT_API_VERSION to one that it names.",
}
_OTHERWISE = (
    f"The API does not accept this request. Check RECRUIT_API_BASE_URL; if it is right, {ASK}."
)


def linked_elsewhere(subject: str, url: str) -> Rejected:
    """Return the error for a link to another origin, which is not followed."""
    return Rejected(
        subject,
        f"the API links to {_host(url)}, where the key is not sent",
        "Set RECRUIT_API_BASE_URL to the host that the API itself uses in its links.",
    )


def another_record(subject: str, type_: str, id_: str) -> Rejected:
    """Return the error for a request by id that returned another record."""
    return Rejected(
        subject,
        f"the API returned the record {one_line(id_, 60)} of the type {one_line(type_, 60)}",
        f"{TELL}.",
    )


def not_an_address(subject: str) -> Rejected:
    """Return the error for an id that would change the path of the URL."""
    return Rejected(subject, "no URL can hold this id", "Look the record up in the API by hand.")


def gone_midway(error: Unavailable) -> Rejected:
    """Return the error for a list that became unavailable while it was read."""
    return Rejected(
        error.subject,
        f"{error.happened}, although earlier pages could be read",
        f"Did the key's scope just change? If not, {ASK}.",
    )


def nothing_there(error: Unavailable, url: str, other: str) -> Rejected:
    """Return the error for a list that is unavailable like one that every key can read."""
    advice = {
        403: "The key may not read anything: give it a scope, or correct RECRUIT_API_BASE_URL.",
        404: "Check RECRUIT_API_BASE_URL: it should end in the version path, such as /v1/.",
    }
    happened = f"{error.happened} at {url}, and the same for {other}"
    return Rejected(error.subject, happened, advice[error.status])


def too_large(subject: str, most: str) -> Rejected:
    """Return the error for a response that would take too much memory."""
    return Rejected(
        subject,
        f"the response is larger than {most}, the maximum",
        f"The table is unchanged. Check that RECRUIT_API_BASE_URL is an API; if it is, {ASK} why a "
        "page is so large.",
    )


def unusable(subject: str, why: str) -> Rejected:
    """Return the error for an invalid id or link; a retry would return the same."""
    return Rejected(subject, why, f"The table is unchanged. {TELL}.")


def another_type(subject: str, found: str, expected: str) -> Rejected:
    """Return the error for a list with a record of another type, such as one of another list."""
    return Rejected(
        subject,
        f"the API's list contains a record of the type {one_line(found, 60)}, not {expected}",
        f"The table is unchanged. Check that RECRUIT_API_BASE_URL is right; if it is, {ASK}.",
    )


def one_id_twice(subject: str, id_: str, first: str, second: str) -> Rejected:
    """Return the error for two records that share an id; `first` and `second` describe them."""
    return Rejected(
        subject,
        f"two records have the id {one_line(id_, 60)}: {one_line(first, 60)} and "
        f"{one_line(second, 60)}, but the table has one row per id",
        f"The table is unchanged. {TELL}.",
    )


def invalid_response(
    subject: str, response: requests.Response, body: bytes, why: str, redaction: Redaction
) -> InvalidResponse:
    """Return the error for a response with status 200 that is not a JSON:API document."""
    start = (
        f"it begins: {redaction.excerpt(body[:EXCERPT_BYTES])}"
        if body.strip()
        else "the body is empty"
    )
    error = InvalidResponse(
        subject,
        f"the response is not valid JSON:API: {why}; {start}{_asked_to_wait(response)}",
        f"{AGAIN} Is RECRUIT_API_BASE_URL an API, and not a web page?",
    )
    error.wait = wait_asked_for(response)
    return error


def _asked_to_wait(response: requests.Response) -> str:
    """Return the end of a sentence that names the wait that a response asks for; empty if none."""
    wait = wait_asked_for(response)
    return "" if wait is None else f", and asked to wait {duration(wait)}"


def error_objects(body: bytes) -> list[tuple[str, str]]:
    """Return (code, detail) of each error; `errors` is a list, or by some reports an object."""
    try:
        errors = msgspec.json.decode(body)["errors"]
    except (msgspec.MsgspecError, UnicodeError, RecursionError, KeyError, TypeError):
        return []
    all_ = errors if isinstance(errors, list) else [errors]
    return [
        (str(error.get("code", "")), str(error.get("detail") or error.get("title") or ""))
        for error in all_
        if isinstance(error, dict)
    ]


def _host(url: str) -> str:
    """Return host and port of a URL, without user, password and path, which can hold secrets."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "another path"
    except ValueError:
        return "something that is not a URL"
