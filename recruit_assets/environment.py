"""The environment variables of this project: the file `.env`, and the accounts that they name.

Scope: names. `settings` has what the variables of an account mean.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from recruit_assets.errors import BadSetting
from recruit_assets.text import one_line

PREFIX = "RECRUIT_"
ACCOUNTS = "RECRUIT_ACCOUNTS"


def load_env_file() -> Mapping[str, str]:
    """Override the environment with `.env` in the current folder, as Dagster does.

    Returns:
        The values that it sets, including empty ones.
    """
    found = {name: text for name, text in dotenv_values(Path(".env")).items() if text is not None}
    os.environ.update(found)
    return found


def account_names() -> list[str]:
    """Return the accounts that the environment names; one with an empty name if there are none."""
    return list(dict.fromkeys(filter(_is_name, _listed()))) or [""]


def account_problems() -> list[str]:
    """Return a sentence for each account whose name cannot be part of other names."""
    return [
        f"{ACCOUNTS} has {one_line(repr(each))}: write names of lowercase letters, digits and _, "
        "separated by commas."
        for each in _listed()
        if not _is_name(each)
    ]


def chosen_account(name: str | None) -> str:
    """Return the account to use: the named one, or the only one.

    Raises:
        BadSetting: there is no such account, or several if none was named.
    """
    names = account_names()
    listed = ", ".join(names)
    if name is None:
        if len(names) > 1:
            raise BadSetting(f"There are several accounts: choose with --account one of {listed}.")
        return names[0]
    if name not in names:
        known = f"it names {listed}" if listed else "it is not set"
        raise BadSetting(f"{ACCOUNTS} does not name the account {one_line(name)}: {known}.")
    return name


def _listed() -> list[str]:
    names = map(str.strip, os.environ.get(ACCOUNTS, "").split(","))
    return [each for each in names if each]


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[a-z][a-z0-9_]*", text) is not None


def prefix_of(account: str) -> str:
    """Return what the variables of an account begin with."""
    return f"{PREFIX}{account.upper()}_" if account else PREFIX
