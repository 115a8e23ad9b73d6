"""Which failure can clear by itself, and what to tell the user about each.

What lives here: from an HTTP answer, or from no answer at all, to one error of `errors`. It decides
nothing about when to ask again (`retries`) and sends nothing (`client`).
"""

from email.utils import parsedate_to_datetime
from time import time
from urllib.parse import urlsplit

import msgspec
import requests

from recruit_assets.errors import (
    BadAnswer,
    NeverReached,
    ParameterRefused,
    RateLimited,
    Rejected,
    RequestFailed,
    Transient,
    Unavailable,
)
from recruit_assets.extract.redaction import excerpt, hide, without_people

# 408 and 425 ask for another try by definition; 5xx is the server's own trouble.
CAN_CLEAR = {408, 425, *range(500, 600)}
WINDOW_SECONDS = 10.0  # length of the API's rate limit window, when it does not say what is left
AGAIN = "Nothing was changed here. Run it again; if it lasts, ask whoever runs the API"


def failed_answer(subject: str, response: requests.Response, key: str) -> RequestFailed:
    """The error for an answer that is not 200."""
    status = response.status_code
    refusals = error_objects(response.content)
    said = "; ".join(without_people(hide(detail, key)) for _, detail in refusals)
    shown = said or excerpt(response.content, key)
    happened = f"the API answered HTTP {status}" + (f" ({shown})" if shown else "")
    if status == 429:
        advice = "Lower RECRUIT_API_REQUESTS_PER_10S, or see what else uses the key."
        return RateLimited(subject, happened, advice, wait_asked_for(response))
    if status in CAN_CLEAR:
        return Transient(subject, happened, f"{AGAIN}.")
    if status == 400:
        advice = "Check RECRUIT_API_VERSION: another version may know other parameters."
        return ParameterRefused(subject, happened, advice, refusals)
    if status in (403, 404):
        return Unavailable(subject, happened, _UNAVAILABLE[status], status)
    return Rejected(subject, happened, _ADVICE.get(status, _OTHERWISE))


_UNAVAILABLE = {
    403: "The key is valid but may not read this: give it the scope (Admin, read), "
    "or leave this asset out.",
    404: "The account may lack the add-on behind this endpoint.",
}
_ADVICE = {
    401: "It does not take the key. Check RECRUIT_API_KEY, that RECRUIT_API_BASE_URL is the region "
    "of the account (a key of another region gets the same answer), and that "
    "RECRUIT_API_AUTH_HEADER and RECRUIT_API_AUTH_PREFIX are what this API expects.",
    406: "It does not know this version: set RECRUIT_API_VERSION to one that it names.",
}
_OTHERWISE = "Check RECRUIT_API_BASE_URL: it should end in the version path, such as /v1/."


def redirected(subject: str, response: requests.Response) -> Rejected:
    """The error for a redirect, which is never followed: the key goes to one place only."""
    host = urlsplit(response.headers.get("Location", "")).netloc or "another path"
    return Rejected(
        subject,
        f"the API redirects to {host} (HTTP {response.status_code}), where the key is not sent",
        "If that is the right place, set RECRUIT_API_BASE_URL to it.",
    )


def no_answer(
    subject: str, error: requests.RequestException, host: str, *, reached: bool
) -> RequestFailed:
    """The error for a request that got no whole answer; `reached`: the host answered before."""
    if isinstance(error, requests.exceptions.SSLError):
        return Rejected(
            subject,
            f"no secure connection to {host} ({_reason(error)})",
            "Check the certificate of the API, and REQUESTS_CA_BUNDLE if a proxy stands between.",
        )
    if isinstance(error, requests.ConnectionError) and not reached and _not_connected(error):
        return NeverReached(
            subject,
            f"could not reach {host} ({_reason(error)})",
            "Check RECRUIT_API_BASE_URL for a typo, that the API is running, and the network.",
        )
    happened = f"{host} did not answer to the end ({_reason(error)})"
    return Transient(subject, happened, f"{AGAIN}.")


def bad_answer(subject: str, body: bytes, why: str, key: str) -> BadAnswer:
    """The error for an answer with status 200 that is not a JSON:API document."""
    came = f"it begins: {excerpt(body, key)}" if body.strip() else "the body is empty"
    return BadAnswer(
        subject,
        f"the answer is not what this API promises: {why}; {came}",
        f"{AGAIN}, and check that RECRUIT_API_BASE_URL is an API and not a web page.",
    )


def wait_asked_for(response: requests.Response) -> float:
    """Seconds to wait after a 429: Retry-After, else what is left of the window."""
    for header in ("Retry-After", "X-Rate-Limit-Reset"):
        value = response.headers.get(header, "").strip()
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time())
        except (TypeError, ValueError, IndexError):
            pass
    return WINDOW_SECONDS


def error_objects(body: bytes) -> list[tuple[str, str]]:
    """The (code, detail) of each JSON:API error; `errors` is a list, by some reports an object."""
    try:
        errors = msgspec.json.decode(body)["errors"]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return []
    found = errors if isinstance(errors, list) else [errors]
    return [
        (str(error.get("code", "")), str(error.get("detail") or error.get("title") or ""))
        for error in found
        if isinstance(error, dict)
    ]


def _not_connected(error: requests.ConnectionError) -> bool:
    """Whether no connection came about, as opposed to one that broke."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(error, requests.ConnectTimeout) or "NewConnectionError" in repr(
        type(reason).__mro__
    )


def _reason(error: BaseException) -> str:
    """What the network said, without the URL that the library wraps around it."""
    cause: BaseException = error
    while (inner := getattr(cause, "reason", None) or next(iter(cause.args), None)) is not None:
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return str(cause).rpartition(": ")[2] or type(cause).__name__
