"""One GET and its checked answer; who the API is and how the key is sent.

What lives here: the session, the settings it needs, the shape of an answer. Not here: when to ask
again (`retries`), what to ask next (`pages`), what went wrong in words (`failures`).
"""

import ipaddress
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec
import requests
from pyrate_limiter import Duration, Limiter, Rate
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from recruit_assets.errors import BadSetting, Rejected
from recruit_assets.extract import failures


@dataclass(frozen=True)
class ApiSettings:
    """Where the API is and how to ask it.

    Raises:
        BadSetting: a value cannot work; the sentence says which and why, never the key.
    """

    base_url: str
    key: str
    version: str
    auth_header: str
    auth_prefix: str
    requests_per_10s: int
    concurrency: int

    def __post_init__(self) -> None:
        check_base_url(self.base_url)
        if not self.key:
            raise BadSetting("RECRUIT_API_KEY is empty: put the API key there, or in .env.")
        if not (self.key.isascii() and self.key.isprintable() and self.key == self.key.strip()):
            raise BadSetting("RECRUIT_API_KEY holds blanks or characters that no key has.")
        if not self.version.isalnum():
            raise BadSetting(f"RECRUIT_API_VERSION is {self.version!r}: set it to YYYYMMDD.")
        if not self.auth_header.replace("-", "").isalnum():
            raise BadSetting("RECRUIT_API_AUTH_HEADER must be the name of a header.")
        if not (self.auth_prefix.isascii() and (self.auth_prefix + "x").isprintable()):
            raise BadSetting("RECRUIT_API_AUTH_PREFIX holds characters that no header has.")
        if self.concurrency < 1:
            raise BadSetting("RECRUIT_API_CONCURRENCY must be 1 or more.")
        if self.requests_per_10s < 0:
            raise BadSetting("RECRUIT_API_REQUESTS_PER_10S must be 0 (no limit) or more.")

    def __repr__(self) -> str:
        return f"ApiSettings({self.base_url})"


def check_base_url(url: str) -> None:
    """Refuse a base URL that cannot work or would show the key to others.

    Raises:
        BadSetting: with what is wrong with it.
    """
    if not url:
        raise BadSetting("RECRUIT_API_BASE_URL is empty: set it, as https://api.example.com/v1/.")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise BadSetting(f"RECRUIT_API_BASE_URL is not a URL ({error}).") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadSetting("RECRUIT_API_BASE_URL must look like https://api.example.com/v1/.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadSetting(
            "RECRUIT_API_BASE_URL must hold no user, password, query or fragment: "
            "the key goes to RECRUIT_API_KEY."
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise BadSetting(
            f"RECRUIT_API_BASE_URL is http://{parts.hostname}: the key would travel in the clear. "
            "Use https:// (plain http is for this machine only)."
        )


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Record(msgspec.Struct, frozen=True):
    """A record as it came; `relationships` hold `data` only if they were included."""

    id: Annotated[str, msgspec.Meta(min_length=1)] | int
    attributes: dict[str, Any] | None = None
    relationships: dict[str, Any] | None = None
    links: dict[str, Any] | None = None


class Counts(msgspec.Struct, frozen=True, rename="kebab"):
    """`meta` of a list: how many records and pages there are, if the API says so."""

    record_count: int | None = None
    page_count: int | None = None


class Links(msgspec.Struct, frozen=True):
    """`links` of a list: where the next page is, absent on the last."""

    next: str | None = None


class Document(msgspec.Struct, frozen=True):
    """A list as the API answers it. `included` is not read: all it adds are stubs."""

    data: list[Record]
    meta: Counts | None = None
    links: Links | None = None


class _KeyAuth(AuthBase):
    """Puts the key into its header; as session auth it also keeps a .netrc from replacing it."""

    def __init__(self, header: str, value: str) -> None:
        self._header, self._value = header, value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header] = self._value
        return request


class Client:
    """Asks one API with one session and one budget; safe to share between threads.

    Args:
        settings: where the API is and how to ask it.
        timeout: seconds to connect, and seconds between two bytes of an answer.
    """

    def __init__(self, settings: ApiSettings, timeout: tuple[float, float] = (10.0, 60.0)) -> None:
        self.base_url = settings.base_url.rstrip("/") + "/"
        self.concurrency = settings.concurrency
        self._origin = urlsplit(self.base_url)
        self._key = settings.key
        self._timeout = timeout
        self._reached = False
        self._limiter = (
            Limiter(Rate(settings.requests_per_10s, Duration.SECOND * 10))
            if settings.requests_per_10s
            else None
        )
        self._session = requests.Session()
        self._session.auth = _KeyAuth(settings.auth_header, settings.auth_prefix + settings.key)
        self._session.headers["Accept"] = "application/vnd.api+json"
        self._session.headers["X-Api-Version"] = settings.version
        # A proxy of the environment can't reach this machine's loopback.
        self._session.trust_env = not is_loopback(self._origin.hostname or "")
        self._session.mount(self.base_url, HTTPAdapter(pool_maxsize=settings.concurrency))

    def get(self, url: str, params: dict[str, str], subject: str) -> Document:
        """Ask once, within the budget, for a list.

        Args:
            url: a path below the base URL, or a link of the API, which must have the same origin.
            params: the query, unencoded.
            subject: what is asked for, for messages.

        Raises:
            RequestFailed: one of its kinds; see `errors`.
        """
        body = self._fetch(self._resolve(url, subject), params, subject)
        try:
            return msgspec.json.decode(body, type=Document)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise failures.bad_answer(subject, body, str(error), self._key) from None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _fetch(self, url: str, params: dict[str, str], subject: str) -> bytes:
        if self._limiter:
            self._limiter.try_acquire(self.base_url)
        try:
            response = self._session.get(
                url, params=params, timeout=self._timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            host = self._origin.netloc
            raise failures.no_answer(subject, error, host, reached=self._reached) from error
        self._reached = True
        if response.is_redirect:
            raise failures.redirected(subject, response)
        if response.status_code != 200:
            raise failures.failed_answer(subject, response, self._key)
        return response.content

    def _resolve(self, url: str, subject: str) -> str:
        url = urljoin(self.base_url, url)
        if _origin(urlsplit(url)) != _origin(self._origin):
            raise Rejected(
                subject,
                f"the API links to {urlsplit(url).netloc}, where the key is not sent",
                "Set RECRUIT_API_BASE_URL to the host that the API itself uses in its links.",
            )
        return url


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
