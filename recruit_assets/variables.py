"""The environment variables that hold settings: their names, their values, and secrets in them.

Scope: text, and values read from it. `setting_fields` says what each setting is.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from recruit_assets.catalogue import DeletionPolicy, Rolling
from recruit_assets.column_policy import read_policy
from recruit_assets.environment import ACCOUNTS, PREFIX, account_names, prefix_of
from recruit_assets.errors import BadSetting
from recruit_assets.setting_fields import ADDRESS_ADVICE, MORE_NAMES, SettingFields, about_field
from recruit_assets.text import is_lake_address

_SWITCHES = ("read_copy_personal", "private_fields", "report_names")
OWN = ("database", "read_copy", "parquet_folder")  # paths that no other account shares
NO_COPY = "a lake has no read copy, as it can be read while it is written: do not set it."
MIN_SECRET = 8  # characters; shorter ones are parts of ordinary words
_LIKE_A_KEY = re.compile(r"(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{16,}")


@dataclass(frozen=True)
class Variable:
    """Describe one environment variable, and the field of `Settings` that it sets."""

    name: str
    field: str
    meaning: str
    default: str
    needed: bool
    secret: bool  # never shown

    @property
    def text(self) -> str:
        """Return its value in the environment; empty if it is unset or blank."""
        text = os.environ.get(self.name, "")
        return text if text.strip() else ""


@dataclass(frozen=True)
class Wrong:
    """Hold a sentence about a value that cannot be used."""

    sentence: str


def variables(account: str = "") -> list[Variable]:
    """Return the environment variables of an account, in the order of the documentation.

    Those of the account `acme` begin with `RECRUIT_ACME_`. Where one is not set, the variable
    without the account's name counts, except for the key, the webhook, the database, its copy and
    its Parquet files. A blank one counts as not set, except that it names no more endpoints.
    """
    return [_variable(account, name) for name in SettingFields.model_fields]


def _variable(account: str, field: str) -> Variable:
    about = about_field(field)
    secret, is_own = about.get("secret", False), field in OWN
    default = "" if secret else as_text(SettingFields.model_fields[field].default)
    if account and field == "database":
        default = f"{account}.duckdb"
    name, shared = prefix_of(account) + about["variable"], PREFIX + about["variable"]
    given = os.environ.get(name, "").strip() or (field == "more_endpoints" and name in os.environ)
    if not (secret or is_own or given):
        name = shared if os.environ.get(shared, "").strip() else name
    return Variable(name, field, about["meaning"], default, about.get("needed", False), secret)


def as_text(value: Any) -> str:
    """Return a value of a field as its environment variable holds it."""
    if isinstance(value, DeletionPolicy | Rolling):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list | dict) else str(value)


def unknown_variables(names: Iterable[str], accounts: Iterable[str]) -> dict[str, str]:
    """Return the names `RECRUIT_*` that are no setting, each with the nearest one, or "".

    Args:
        names: of environment variables.
        accounts: whose settings are known, beside those for all accounts.
    """
    ends = [about_field(field)["variable"] for field in SettingFields.model_fields]
    prefixes = dict.fromkeys([PREFIX, *map(prefix_of, accounts)])
    known = [ACCOUNTS, *(prefix + end for prefix in prefixes for end in ends)]
    near = {name.removeprefix(PREFIX): name for name in known}  # so that the ends are compared
    found = {}
    for name in sorted({each for each in names if each.startswith(PREFIX)}.difference(known)):
        matches = get_close_matches(name.removeprefix(PREFIX), near, 1)
        found[name] = near[matches[0]] if matches else ""
    return found


def is_same_file(one: str, other: str) -> bool:
    """Return whether two paths, which may be empty, lead to one file."""
    return bool(one and other) and os.path.realpath(one) == os.path.realpath(other)


def is_copy_of_a_lake(copy: str, database: str) -> bool:
    """Return whether there is to be a read copy of a lake."""
    return bool(copy and is_lake_address(database))


def clashes(account: str) -> Iterator[str]:
    """Yield a sentence for each reason why an account in the environment can have no read copy.

    No account may publish its copy to the database, or the copy, of another one.
    """
    copy, accounts = _variable(account, "read_copy"), dict.fromkeys([account, *account_names()])
    if is_copy_of_a_lake(copy.text, _variable(account, "database").text):
        yield f"{copy.name}: {NO_COPY}"
    for other in (_variable(each, of) for each in accounts for of in ("database", "read_copy")):
        if other != copy and is_same_file(copy.text, other.text or other.default):
            yield f"{copy.name} and {other.name} are one file: set {copy.name} to one of its own."


def holds_a_secret(text: str, *, only_known: bool = False) -> bool:
    """Return whether a text contains the value of a secret variable, or looks like a secret.

    A key may be in the wrong variable while its own is empty, so long runs of letters and digits
    count too. In addresses and paths they are usual: use `only_known`.
    """
    all_ = map(about_field, SettingFields.model_fields)
    ends = tuple(each["variable"] for each in all_ if each.get("secret"))
    secrets = [
        text.strip()
        for name, text in os.environ.items()
        if name.startswith(PREFIX) and name.endswith(ends)
    ]
    known = any(len(each) >= MIN_SECRET and each.lower() in text.lower() for each in secrets)
    return known or (not only_known and _LIKE_A_KEY.search(text) is not None)


def parsed(variable: Variable, text: str) -> Any:
    """Return the value of a variable, or what is wrong with it."""
    if variable.field == "column_policy":
        return _parsed_policy(variable, text)
    listed = variable.field in ("owners", "more_endpoints")
    parts = [each.strip() for each in text.split(",") if each.strip()]
    value: Any = parts if listed else text
    if variable.field in ("requests_per_10s", "concurrency"):
        # Pydantic would also accept 4.0 and 1_000.
        value = text.strip() if re.fullmatch(r"[0-9]+", text.strip()) else None
    elif variable.field == "time_zone":
        value = text.strip()
    elif variable.field in ("deleted_rows", "rolling", *_SWITCHES):
        value = text.strip().lower()
    try:
        return getattr(SettingFields.model_validate({variable.field: value}), variable.field)
    except ValidationError:
        pass
    if variable.field == "database":
        return Wrong(f"{variable.name}: {ADDRESS_ADVICE}.")
    shown = "a value that is not shown" if holds_a_secret(text) else repr(text.strip())
    policies, ways = (", ".join(each.value for each in kind) for kind in (DeletionPolicy, Rolling))
    advice = {
        "deleted_rows": f"set it to one of {policies}",
        "rolling": f"set it to one of {ways}",
        **dict.fromkeys(_SWITCHES, "set it to true or false"),
        "more_endpoints": f"name some of {', '.join(MORE_NAMES)}, separated by commas",
        "time_zone": "set it to the name of a time zone, such as Europe/Stockholm",
        "owners": "write an e-mail address or team:name, or several separated by commas",
    }
    rest = advice.get(variable.field, f"set it to a whole number, such as {variable.default}")
    return Wrong(f"{variable.name} is {shown}: {rest}.")


def _parsed_policy(variable: Variable, path: str) -> Any:
    """Return the column policy in a file, or what is wrong with it."""
    if holds_a_secret(path, only_known=True):
        return Wrong(f"{variable.name} contains the value of a secret variable: take it out.")
    try:
        return read_policy(path.strip()) if path else {}
    except BadSetting as error:
        return Wrong(f"{variable.name}: {error}")
