"""Settings of the API: address, key and limits, checked before any request is sent.

Scope: the checks for values that cannot work or are unsafe. `client` sends the requests.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

import requests

from recruit_assets.errors import BadSetting, naming_settings

SET_IT = "export it or set it in .env (which takes precedence, even with an empty value)"
EXAMPLE = "https://api.example.com/v1/"


@dataclass(frozen=True)
class ApiSettings:
    """Hold the address of the API, the key and the limits on requests, all validated.

    `names` are the names of settings in messages, by environment variable; see `Settings.names`.
    `shared_budget` is the PostgreSQL in which machines share the count of requests, if any.

    Raises:
        BadSetting: values cannot work; it has a sentence for each, which never shows a secret.
    """

    base_url: str
    key: str
    version: str
    auth_header: str
    auth_prefix: str
    requests_per_10s: int
    concurrency: int
    names: Mapping[str, str] = field(default_factory=dict)
    shared_budget: str = ""

    def __post_init__(self) -> None:
        with naming_settings(self.names):
            if found := [*base_url_problems(self.base_url), *self._problems()]:
                raise BadSetting(*found)

    def _problems(self) -> Iterator[str]:
        if not self.key:
            yield f"RECRUIT_API_KEY is empty: {SET_IT}."
        elif not (self.key.isascii() and self.key.isprintable() and self.key == self.key.strip()):
            yield "RECRUIT_API_KEY contains spaces or characters that a key cannot have."
        if not (self.version.isascii() and self.version.isalnum()):
            # Only a date is shown: any other value may be the key, in the wrong variable.
            is_date = re.fullmatch(r"[\d./-]{1,10}", self.version, re.ASCII)
            shown = repr(self.version) if is_date else "not a version"
            yield f"RECRUIT_API_VERSION is {shown}: set it to YYYYMMDD."
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.auth_header):
            yield "RECRUIT_API_AUTH_HEADER must be the name of a header."
        if not (self.auth_prefix.isascii() and (self.auth_prefix + "x").isprintable()):
            yield "RECRUIT_API_AUTH_PREFIX contains characters that a header cannot have."
        if self.concurrency < 1:
            yield "RECRUIT_API_CONCURRENCY must be 1 or more."
        if self.requests_per_10s < 0:
            yield "RECRUIT_API_REQUESTS_PER_10S must be 0 (no limit) or more."

    def __repr__(self) -> str:
        return f"ApiSettings({self.base_url})"

    @classmethod
    def written_as(cls, given: Mapping[str, Any]) -> "ApiSettings":
        """Return the settings among these values, without the spaces around them.

        Raises:
            BadSetting: values cannot work.
        """
        values = {each.name: given[each.name] for each in fields(cls)}
        for name in ("base_url", "version", "auth_header"):
            values[name] = values[name].strip()
        return cls(**values)


def base_url_problems(url: str) -> Iterator[str]:
    """Yield a sentence if a base URL cannot work or would expose the key; never the URL itself."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading the port validates it
    except ValueError:
        yield f"RECRUIT_API_BASE_URL is not a URL: it must look like {EXAMPLE}."
        return
    host = parts.hostname
    if not url:
        yield f"RECRUIT_API_BASE_URL is empty: set it to the address of the API, such as {EXAMPLE}."
    elif parts.scheme not in ("http", "https") or not host:
        yield f"RECRUIT_API_BASE_URL must look like {EXAMPLE}."
    elif parts.username or parts.password or parts.query or parts.fragment:
        yield (
            "RECRUIT_API_BASE_URL must hold no user, password, query or fragment: "
            "the key goes to RECRUIT_API_KEY."
        )
    elif not _can_be_a_host(url, host):
        yield "RECRUIT_API_BASE_URL has an invalid host name: check its spelling."
    elif parts.scheme == "http" and not is_loopback(host):
        yield (
            "RECRUIT_API_BASE_URL begins with http://, so the key would be sent unencrypted: "
            "use https:// (plain http is for this machine only)."
        )


def _can_be_a_host(url: str, host: str) -> bool:
    try:
        requests.Request("GET", url).prepare()
        host.encode("idna")
    except (requests.RequestException, UnicodeError):
        return False
    return " " not in host and host.isprintable()  # requests may accept these


def is_loopback(host: str) -> bool:
    """Return whether a host name refers to this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
