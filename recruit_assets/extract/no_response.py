"""Errors for requests without a response: the network, proxies and certificates.

Scope: the mapping from an exception of the HTTP library to one error of `errors`. Errors for
responses are in `http_errors`.
"""

import re

import requests
from requests.exceptions import InvalidProxyURL, InvalidSchema, InvalidURL, ProxyError
from urllib3.exceptions import NewConnectionError

from recruit_assets.errors import HostUnreachable, Rejected, RequestFailed, Transient

ASK, TELL = "ask the API's operator", "Tell the API's operator"
AGAIN = f"The table is unchanged. Run it again; if it keeps failing, {ASK}."
PROXY_ADVICE = (
    "The proxy requires a user and a password: put them in HTTPS_PROXY, such as "
    "http://user:password@proxy.example.com:3128."
)
_REFUSED_BY_PROXY = re.compile(r"Tunnel connection failed: (4\d\d)")
# Advice for each reason why a certificate is rejected.
_SECURE = {
    "is not valid for": "Set RECRUIT_API_BASE_URL to a host that the certificate names.",
    "has expired": f"{TELL}, unless this machine's clock is wrong.",
    "not yet valid": f"Set this machine's clock; if it is right, {ASK}.",
    "wrong version": "That port does not speak TLS. Check the port in RECRUIT_API_BASE_URL.",
}
_UNKNOWN_ISSUER = (
    "Set REQUESTS_CA_BUNDLE to a file with the certificate of its issuer, such as your company's "
    "proxy, if you trust it."
)
_NEVER_SENT = (InvalidProxyURL, InvalidSchema, InvalidURL)


def request_not_sent(subject: str, why: str) -> Rejected:
    """Return the error for a request that this machine cannot even send."""
    return Rejected(
        subject,
        f"the request could not be made ({why})",
        "Check the environment's settings for proxies and certificates: HTTPS_PROXY, HTTP_PROXY, "
        "REQUESTS_CA_BUNDLE.",
    )


def no_response(
    subject: str, error: requests.RequestException, host: str, *, reached: bool
) -> RequestFailed:
    """Return the error for a request without a response; `reached`: the host responded before."""
    if isinstance(error, _NEVER_SENT):
        return request_not_sent(subject, _reason(error))
    if isinstance(error, requests.exceptions.SSLError) and _is_final(error):
        reason = _reason(error)
        advice = next((known for word, known in _SECURE.items() if word in reason), _UNKNOWN_ISSUER)
        return Rejected(subject, f"no secure connection to {host} ({reason})", advice)
    if isinstance(error, ProxyError) and (refused := _REFUSED_BY_PROXY.search(str(error))):
        return _refused_by_proxy(subject, refused)
    if not reached and _not_connected(error):
        return HostUnreachable(
            subject,
            f"could not reach {host} ({_reason(error)})",
            "Check RECRUIT_API_BASE_URL for a typo, that the API is running, and the network.",
        )
    happened = f"{host} did not send a complete response ({_reason(error)})"
    proxy = " Is the proxy in HTTPS_PROXY or HTTP_PROXY right?"
    return Transient(subject, happened, AGAIN + (proxy if isinstance(error, ProxyError) else ""))


def deadline_exceeded(subject: str, host: str, max_seconds: float) -> Transient:
    """Return the error for an exchange that was cut off after `max_seconds` seconds."""
    happened = f"{host} had not sent a complete response after {max_seconds:g} s, the limit"
    return Transient(subject, happened, AGAIN)


def _refused_by_proxy(subject: str, refused: re.Match[str]) -> Rejected:
    """Return the error for a proxy that blocks the request; a retry would not help."""
    status = int(refused[1])
    advice = PROXY_ADVICE if status == 407 else "Ask the proxy's operator to let it through."
    return Rejected(subject, f"the proxy in HTTPS_PROXY returned HTTP {status}", advice)


def _is_final(error: requests.exceptions.SSLError) -> bool:
    """Return whether the other side caused a handshake to fail, not a broken connection."""
    return any(word in str(error) for word in ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION"))


def _not_connected(error: requests.RequestException) -> bool:
    """Return whether no connection was established, as opposed to one that broke."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _reason(error: BaseException) -> str:
    """Return the network error, without the URL that the library wraps around it."""
    cause: BaseException = error
    while (inner := getattr(cause, "reason", None) or next(iter(cause.args), None)) is not None:
        if not isinstance(inner, BaseException):
            break
        cause = inner
    text = str(cause).rpartition(": ")[2]
    return text.rpartition("] ")[2] or type(cause).__name__  # without OpenSSL's own category
