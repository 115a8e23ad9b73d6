"""HTTP client: one GET with the key, and the check of its response.

Scope: the session and the rate limit. Elsewhere: when to retry (`retries`), what to request next
(`walk`), how a failure is described (`http_errors`).
"""

import os
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from threading import Event, Semaphore
from time import monotonic
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec
import requests
from requests.auth import AuthBase
from requests.utils import requote_uri
from urllib3.exceptions import HTTPError

from recruit_assets.api_identity import identity
from recruit_assets.errors import naming_settings
from recruit_assets.extract import http_errors, jsonapi
from recruit_assets.extract.access import ApiSettings, is_loopback
from recruit_assets.extract.clocks import Clocks
from recruit_assets.extract.deadline import Adapter, Deadlines
from recruit_assets.extract.jsonapi import AnyDocument
from recruit_assets.extract.no_response import deadline_exceeded, no_response, request_not_sent
from recruit_assets.extract.rate_limit import RateLimiter
from recruit_assets.extract.redaction import Redaction
from recruit_assets.extract.retries import Outage, RequestStats
from recruit_assets.extract.retry_after import wait_asked_for
from recruit_assets.extract.waits import acquire, sleep

RATE_LIMIT_HEADERS = ("X-Rate-Limit-Remaining", "X-Rate-Limit-Reset")
CHUNK_BYTES = 1 << 16  # decoded bytes per read of a body
# Decoded bytes; a page of 30 records has about ten thousand. Decoding can take ten times as many,
# because one emoji makes each character of a text take four bytes.
MAX_RESPONSE_BYTES = 16 << 20
MAX_ERROR_BYTES = 1 << 20  # bytes of an error body; the rest is not read


class _KeyAuth(AuthBase):
    """Put the key into its header; as session auth it also keeps a .netrc from replacing it."""

    def __init__(self, header: str, value: str) -> None:
        self._header, self._value = header, value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header] = self._value
        return request


class Client:
    """Send requests to one API through one session and one rate limit. Thread-safe.

    Args:
        settings: the address of the API, the key and the limits.
        timeout: seconds to connect, and seconds between two bytes of a response.
        max_seconds: seconds from the start of a request to the end of its response, which stops a
            response that arrives byte by byte.

    `identity` identifies the API, version and key without revealing the key. `clocks` compares the
    API's clock with ours, and `outage` measures how long the API has failed.
    """

    def __init__(
        self,
        settings: ApiSettings,
        timeout: tuple[float, float] = (10.0, 60.0),
        max_seconds: float = 120.0,
    ) -> None:
        self.base_url = settings.base_url.rstrip("/") + "/"
        self.concurrency = settings.concurrency
        self.identity = identity(self.base_url, settings.version, settings.key)
        self._origin = urlsplit(self.base_url)
        self._redaction = Redaction(settings.key)
        self._timeout, self._max_seconds = timeout, max_seconds
        self.clocks, self.outage = Clocks(), Outage()
        self._reached = False
        self._limiter = (
            RateLimiter(
                settings.requests_per_10s,
                f"{self.base_url} {settings.key}",
                postgres=settings.shared_budget,
            )
            if settings.requests_per_10s
            else None
        )
        self._settings = settings
        self._open()
        # Requests differ only in their URL, so one is prepared and copied: preparing is a third of
        # the cost of a request. The environment's proxies and certificates are read once as well.
        self._prepared = self._session.prepare_request(requests.Request("GET", self.base_url))
        self._surroundings = self._session.merge_environment_settings(
            self.base_url, {}, True, None, None
        )
        if is_loopback(self._origin.hostname or ""):
            self._surroundings["proxies"] = {}  # a proxy cannot reach this machine's loopback

    def _open(self) -> None:
        """Create the session and the deadlines of this process."""
        settings = self._settings
        self._process = os.getpid()
        self._connections = Semaphore(settings.concurrency)
        self._deadlines = Deadlines(self._max_seconds)
        self._session = requests.Session()
        self._session.auth = _KeyAuth(settings.auth_header, settings.auth_prefix + settings.key)
        self._session.headers["Accept"] = "application/vnd.api+json"
        self._session.headers["X-Api-Version"] = settings.version
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, Adapter(pool_maxsize=settings.concurrency))

    def _session_here(self) -> requests.Session:
        """Return the session; a forked process gets its own, as two cannot share a socket."""
        if os.getpid() != self._process:
            self._open()
        return self._session

    @contextmanager
    def turn(self, stopped: Event) -> Iterator[float]:
        """Hold a connection for one request; yield the seconds waited for the rate limit.

        All readings of the client together hold no more than `concurrency`.

        Raises:
            CancelledError: `stopped` is set, so nothing more may be sent.
        """
        self._session_here()
        connections = self._connections
        acquire(connections, stopped)
        try:
            yield self._wait_for_budget(stopped)
        finally:
            connections.release()

    def _wait_for_budget(self, stopped: Event) -> float:
        """Wait until the rate limit allows a request; return the seconds waited.

        Raises:
            CancelledError: `stopped` is set, so nothing more may be sent.
        """
        begun, waited = monotonic(), 0.0
        while not stopped.is_set():
            seconds = self._limiter.take() if self._limiter else 0.0
            if not seconds:
                return waited
            sleep(seconds, stopped)
            waited = monotonic() - begun
        raise CancelledError

    def get(
        self,
        url: str,
        query: str,
        subject: str,
        document_type: type[AnyDocument],
        stats: RequestStats,
    ) -> AnyDocument:
        """Request a list or a record once.

        Args:
            url: a path below the base URL, or a link of the API, which must have the same origin.
            query: the query string; empty for a link, which has its own.
            subject: the name of the request in messages.
            document_type: the structure that the response must have.
            stats: counts the bytes received.

        Raises:
            RequestFailed: one of its subclasses; see `errors`.
        """
        with naming_settings(self._settings.names):
            response, body = self._fetch(self._resolve(url, subject), query, subject)
            stats.bytes += len(body)
            return self._read(response, body, subject, document_type)

    def _read(
        self,
        response: requests.Response,
        body: bytes,
        subject: str,
        document_type: type[AnyDocument],
    ) -> AnyDocument:
        if jsonapi.has_too_many_values(body):
            raise http_errors.too_large(subject, f"{jsonapi.MAX_VALUES:,} values")
        try:
            return jsonapi.read(body, document_type)
        except jsonapi.BadId as error:
            raise http_errors.unusable(subject, str(error)) from None
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise http_errors.invalid_response(
                subject, response, body, str(error), self._redaction
            ) from None

    def close(self) -> None:
        """Close the connections."""
        self._session_here().close()
        self._deadlines.close()
        if self._limiter:
            self._limiter.close()

    def _fetch(self, url: str, query: str, subject: str) -> tuple[requests.Response, bytes]:
        """Return a response with status 200, and its decoded body.

        Raises:
            RequestFailed: there is no response, or it has another status.
        """
        request = self._prepared.copy()
        request.url = f"{url}?{query}" if query else requote_uri(url)
        response, sent, host = None, monotonic(), self._origin.netloc
        session = self._session_here()
        with self._deadlines.exchange() as exchange:
            try:
                response = session.send(
                    request, timeout=self._timeout, allow_redirects=False, **self._surroundings
                )
                body = self._drain(response, subject)
                if exchange.late:  # the body may have ended with the connection
                    raise requests.ReadTimeout
            except OSError as error:  # the base class of all errors of requests
                if exchange.late:
                    raise deadline_exceeded(subject, host, self._max_seconds) from None
                if isinstance(error, requests.RequestException):
                    raise no_response(subject, error, host, reached=self._reached) from error
                # requests raises a plain OSError for a missing REQUESTS_CA_BUNDLE.
                raise request_not_sent(subject, str(error)) from None
            finally:
                self._settle(sent, response)
        self._reached = True
        if response.status_code != 200:
            raise http_errors.error_response(subject, response, body, self._redaction)
        self.clocks.compare(response.headers.get("Date", ""))
        return response, body

    def _settle(self, sent: float, response: requests.Response | None) -> None:
        """Report the outcome of a request to the rate limiter."""
        if self._limiter is None:
            return
        if response is None:
            self._limiter.settle(sent)
        elif response.status_code == 429:
            self._limiter.settle(sent, 0, wait_asked_for(response), refused=True)
        else:
            remaining, reset = (
                _whole(response.headers.get(name, "")) for name in RATE_LIMIT_HEADERS
            )
            self._limiter.settle(sent, remaining, reset)

    def _drain(self, response: requests.Response, subject: str) -> bytes:
        """Return the decoded body, read in parts; stop early in an error response.

        Raises:
            Rejected: the body is larger than any response should be.
        """
        size, parts = 0, []
        is_refusal = response.status_code != 200
        with response:
            try:
                while part := response.raw.read1(CHUNK_BYTES, decode_content=True):
                    parts.append(part)
                    size += len(part)
                    if is_refusal and size > MAX_ERROR_BYTES:
                        break
                    if size > MAX_RESPONSE_BYTES:
                        raise http_errors.too_large(subject, f"{MAX_RESPONSE_BYTES >> 20} MB")
            except HTTPError as error:
                raise requests.exceptions.ChunkedEncodingError(error) from error
        return b"".join(parts)

    def _resolve(self, url: str, subject: str) -> str:
        if not jsonapi.is_unicode(url):
            raise http_errors.unusable(subject, "the API's link to this page is not valid Unicode")
        try:
            resolved = urljoin(self.base_url, url)
            parts = urlsplit(resolved)
            same = origin(parts) == origin(self._origin)
        except ValueError:
            same = False
        # Libraries disagree on where the host ends if there is a backslash or a user.
        if not same or "\\" in url or "@" in parts.netloc:
            raise http_errors.linked_elsewhere(subject, url)
        return resolved


def origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of a URL; raise ValueError if the port is invalid."""
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
