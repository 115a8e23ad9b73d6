"""The settings, as one table; `docs/settings.md` and `.env.example` repeat it, as a test checks.

Contains names, defaults and meanings, and reads the environment. Values are validated where they
are used: in `extract.access` for the API, in `load.connection` for the database. Dagster reads
`.env` for its own commands, and the required settings (the address and the key) when a run starts;
this module reads `.env` for ours, in the same way.
"""

import os
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from dotenv import dotenv_values

from recruit_assets.errors import BadSetting

Choice = TypeVar("Choice", bound=Enum)


@dataclass(frozen=True)
class Setting:
    """Describe one environment variable."""

    name: str
    meaning: str
    default: str = ""
    needed: bool = False
    secret: bool = False  # never shown

    def text(self) -> str:
        """Return the value from the environment, or the default; blank counts as unset."""
        value = os.environ.get(self.name, "")
        return value if value.strip() else self.default

    def one_of(self, choices: type[Choice]) -> Choice:
        """Return the value as one of the choices.

        Raises:
            BadSetting: it is none of them.
        """
        value = self.text().strip().lower()
        try:
            return choices(value)
        except ValueError:
            known = ", ".join(str(each.value) for each in choices)
            raise BadSetting(f"{self.name} is {value!r}: set it to one of {known}.") from None

    def whole_number(self) -> int:
        """Return the value as a whole number of 0 or more.

        Raises:
            BadSetting: it is anything else.
        """
        value = self.text().strip()
        if not (value.isascii() and value.isdigit()):
            raise BadSetting(
                f"{self.name} is {value!r}: set it to a whole number, such as {self.default}."
            )
        return int(value)


BASE_URL = Setting("RECRUIT_API_BASE_URL", "Where the API is, version path included", needed=True)
KEY = Setting("RECRUIT_API_KEY", "The API key; secret", needed=True, secret=True)
VERSION = Setting("RECRUIT_API_VERSION", "Sent as `X-Api-Version`", "20240904")
AUTH_HEADER = Setting("RECRUIT_API_AUTH_HEADER", "The header that carries the key", "api")
AUTH_PREFIX = Setting("RECRUIT_API_AUTH_PREFIX", "What stands before the key in that header")
REQUESTS_PER_10S = Setting(
    "RECRUIT_API_REQUESTS_PER_10S", "Most requests in 10 seconds; 0 for no limit", "48"
)
CONCURRENCY = Setting("RECRUIT_API_CONCURRENCY", "Pages fetched at the same time", "4")
DATABASE = Setting("RECRUIT_DATABASE", "The DuckDB file", "recruitment.duckdb")
DELETED_ROWS = Setting(
    "RECRUIT_DELETED_ROWS",
    "What is left of a row whose record is gone: `erase` its personal columns, `keep` all, or "
    "`drop` the row",
    "erase",
)
FAILURE_WEBHOOK = Setting(
    "RECRUIT_FAILURE_WEBHOOK",
    "Where the failure sensor posts, such as a Slack webhook",
    secret=True,
)
OWNERS = Setting(
    "RECRUIT_OWNERS", "Who owns the assets, in the UI: e-mail addresses or `team:name`, by commas"
)

SETTINGS = (
    BASE_URL,
    KEY,
    VERSION,
    AUTH_HEADER,
    AUTH_PREFIX,
    REQUESTS_PER_10S,
    CONCURRENCY,
    DATABASE,
    DELETED_ROWS,
    FAILURE_WEBHOOK,
    OWNERS,
)


def load_env_file() -> set[str]:
    """Override the environment with `.env` in the current folder, as Dagster does.

    Returns:
        The names that it sets, including those that it sets to an empty value.
    """
    found = {name: text for name, text in dotenv_values(Path(".env")).items() if text is not None}
    os.environ.update(found)
    return set(found)


def owners() -> list[str]:
    """Return the owners of the assets, as set.

    Raises:
        BadSetting: one of them is not an owner that Dagster accepts.
    """
    found = [each.strip() for each in OWNERS.text().split(",") if each.strip()]
    for each in found:
        if not re.fullmatch(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+", each):
            raise BadSetting(f"{OWNERS.name} has {each!r}: write an e-mail address or team:name.")
    return found
