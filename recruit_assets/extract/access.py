"""Settings of the API: address, key and limits, checked before any request is sent.

What lives here: the checks for values that cannot work or are unsafe. `client` sends the requests.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from recruit_assets.errors import BadSetting

SET_IT = "export it or set it in .env (which wins, also with an empty value)"


@dataclass(frozen=True)
class ApiSettings:
    """Hold the address of the API, the key and the limits on requests, all validated.

    Raises:
        BadSetting: a value cannot work; the message names the setting and why, never the key.
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
            raise BadSetting(f"RECRUIT_API_KEY is empty: {SET_IT}.")
        if not (self.key.isascii() and self.key.isprintable() and self.key == self.key.strip()):
            raise BadSetting("RECRUIT_API_KEY holds blanks or characters that no key has.")
        if not (self.version.isascii() and self.version.isalnum()):
            raise BadSetting(f"RECRUIT_API_VERSION is {self.version!r}: set it to YYYYMMDD.")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.auth_header):
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
    """Reject a base URL that cannot work or would expose the key.

    Raises:
        BadSetting: the message says what is wrong.
    """
    if not url:
        raise BadSetting(
            f"RECRUIT_API_BASE_URL is empty: {SET_IT}, such as https://api.example.com/v1/."
        )
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading the port validates it
    except ValueError as error:
        raise BadSetting(f"RECRUIT_API_BASE_URL is not a URL ({error}).") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadSetting("RECRUIT_API_BASE_URL must look like https://api.example.com/v1/.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadSetting(
            "RECRUIT_API_BASE_URL must hold no user, password, query or fragment: "
            "the key goes to RECRUIT_API_KEY."
        )
    try:
        requests.Request("GET", url).prepare()
        parts.hostname.encode("idna")
    except (requests.RequestException, UnicodeError) as error:
        raise BadSetting(f"RECRUIT_API_BASE_URL names no host that can be ({error}).") from error
    if " " in parts.hostname or not parts.hostname.isprintable():  # requests may accept these
        raise BadSetting("RECRUIT_API_BASE_URL names no host that can be (it holds a blank).")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise BadSetting(
            f"RECRUIT_API_BASE_URL is http://{parts.hostname}: the key would travel in the clear. "
            "Use https:// (plain http is for this machine only)."
        )


def is_loopback(host: str) -> bool:
    """Return whether a host name refers to this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
