"""The settings of one account, as one table; `docs/settings.md` and `.env.example` repeat it.

A setting has a field, for Python and YAML, and an environment variable, for `.env`. Secrets have no
field: `Settings` holds the names of the variables that contain them. What the values of the API's
settings must be is in `extract.access`, which is asked when a run starts.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails

from recruit_assets.catalogue import DeletionPolicy, Endpoint
from recruit_assets.column_policy import policy_problems, read_policy
from recruit_assets.environment import (
    ACCOUNTS,
    PREFIX,
    account_names,
    account_problems,
    prefix_of,
)
from recruit_assets.errors import BadSetting
from recruit_assets.text import one_line

MIN_SECRET = 8  # characters; shorter ones are parts of ordinary words
_LIKE_A_KEY = re.compile(r"(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{16,}")


def _setting(variable: str, default: Any, meaning: str, field: str = "", **extra: bool) -> Any:
    """Return a field; `field` is its meaning in YAML where the variable has another."""
    about: dict[str, Any] = {"variable": variable, "meaning": meaning, **extra}
    return Field(default=default, description=field or meaning, json_schema_extra=about)


class Settings(BaseModel):
    """Hold the settings of one account; values that are wrong in the environment are `problems`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    base_url: str = _setting(
        "API_BASE_URL", "", "Where the API is, version path included", needed=True
    )
    key_variable: str = _setting(
        "API_KEY",
        "RECRUIT_API_KEY",
        "The API key; secret",
        "Name of the environment variable that contains the API key",
        needed=True,
        secret=True,
    )
    version: str = _setting("API_VERSION", "20240904", "Sent as `X-Api-Version`")
    auth_header: str = _setting("API_AUTH_HEADER", "api", "The header that carries the key")
    auth_prefix: str = _setting("API_AUTH_PREFIX", "", "What stands before the key in that header")
    requests_per_10s: int = _setting(
        "API_REQUESTS_PER_10S", 48, "Most requests in 10 seconds; 0 for no limit"
    )
    concurrency: int = _setting("API_CONCURRENCY", 4, "Pages fetched at the same time")
    database: str = _setting("DATABASE", "recruitment.duckdb", "The DuckDB file")
    read_copy: str = _setting(
        "READ_COPY",
        "",
        "A file to which each run publishes a copy of the database, for readers; none if empty",
    )
    read_copy_personal: bool = _setting(
        "READ_COPY_PERSONAL",
        False,
        "Whether that copy has everything: personal columns, and tables of your own",
    )
    deleted_rows: DeletionPolicy = _setting(
        "DELETED_ROWS",
        DeletionPolicy.erase,
        "What to keep of a row whose record was deleted: `erase` its personal columns, `keep` all, "
        "or `drop` the row",
    )
    column_policy: dict[str, Any] = _setting(
        "COLUMN_POLICY",
        {},
        "A TOML file that says which columns to hash or to drop before anything is stored",
        "Which columns to hash or to drop before anything is stored: `keep`, `hash` or `drop`, by "
        "endpoint and column",
    )
    failure_webhook_variable: str = _setting(
        "FAILURE_WEBHOOK",
        "RECRUIT_FAILURE_WEBHOOK",
        "Where the failure sensor posts, such as a Slack webhook",
        "Name of the environment variable that contains the address to which failures are posted, "
        "such as a Slack webhook",
        secret=True,
    )
    owners: list[str] = _setting(
        "OWNERS",
        [],
        "Owners of the assets, shown in the UI: e-mail addresses or `team:name`, separated by "
        "commas",
    )

    _wrong: list[str] = PrivateAttr([])
    _wrong_policy: list[str] = PrivateAttr([])
    _names: dict[str, str] = PrivateAttr({})

    @field_validator("key_variable", "failure_webhook_variable")
    @classmethod
    def _check_variable_name(cls, text: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) or _is_like_a_secret(text):
            raise ValueError("write the name of an environment variable, never the secret itself")
        return text

    @field_validator("requests_per_10s", "concurrency")
    @classmethod
    def _check_number(cls, number: int) -> int:
        if number < 0:
            raise ValueError("write a whole number of 0 or more")
        return number

    @field_validator("owners")
    @classmethod
    def _check_owners(cls, owners: list[str]) -> list[str]:
        for each in owners:
            if not re.fullmatch(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+", each):
                raise ValueError("write e-mail addresses or team:name, as a list")
        return owners

    @classmethod
    def of(cls, given: object) -> Self:
        """Return the settings in a mapping from fields to values.

        Raises:
            BadSetting: a field is unknown, or a value is of another type; no value is shown.
        """
        if not isinstance(given, Mapping):
            raise BadSetting("The settings are not a mapping: write one line for each setting.")
        try:
            return cls(**{str(name): value for name, value in given.items()})
        except ValidationError as error:
            raise BadSetting(*map(_sentence, error.errors())) from None

    @classmethod
    def from_environment(cls, account: str = "") -> Self:
        """Return the settings of an account in the environment variables; see `variables`.

        Blank counts as unset. A wrong value is replaced by the default and named in `problems`, so
        that a code location always loads.
        """
        given: dict[str, Any] = {}
        wrong, wrong_policy, names = account_problems(), list[str](), {}
        for each in variables(account):
            names[each.field] = each.name
            if each.secret:
                given[each.field] = each.name
                continue
            value = _parsed(each, each.text or each.default)
            if isinstance(value, _Wrong):
                (wrong_policy if each.field == "column_policy" else wrong).append(value.sentence)
            else:
                given[each.field] = value
        if clashes := list(_clashes(account)):
            given["read_copy"] = ""
        settings = cls(**given)
        settings._wrong, settings._wrong_policy = wrong + clashes, wrong_policy
        settings._names = names
        return settings

    @property
    def names(self) -> dict[str, str]:
        """Return the name that messages give to each setting, by the variable without account.

        It is a variable if the setting or the secret is in one, and the field otherwise.
        """
        return {
            PREFIX + about["variable"]: self._names.get(field)
            or (getattr(self, field) if about.get("secret") else field)
            for field, about in ((field, _about(field)) for field in type(self).model_fields)
        }

    @property
    def key(self) -> str:
        """Return the API key from the environment; empty if it is not set."""
        return os.environ.get(self.key_variable, "")

    @property
    def failure_webhook(self) -> str:
        """Return the address for failures from the environment; empty if it is not set."""
        return os.environ.get(self.failure_webhook_variable, "").strip()

    def policy_problems(self, endpoints: Iterable[Endpoint]) -> list[str]:
        """Return one sentence for each problem of the column policy, given all endpoints."""
        return self._wrong_policy or policy_problems(self.column_policy, endpoints)

    @property
    def problems(self) -> list[str]:
        """Return one sentence for each other value of the environment that could not be used."""
        found = [*self._wrong]
        if not self.key.strip():
            found.append(
                f"{self.key_variable} is empty: export it or set it in .env (which takes "
                "precedence, even with an empty value)."
            )
        return found


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


def variables(account: str = "") -> list[Variable]:
    """Return the environment variables of an account, in the order of the documentation.

    Those of the account `acme` begin with `RECRUIT_ACME_`. Where one is not set, the variable
    without the account's name counts, except for the key, the webhook, the database and its copy.
    """
    return [_variable(account, name) for name in Settings.model_fields]


def _variable(account: str, field: str) -> Variable:
    about = _about(field)
    secret, is_own = about.get("secret", False), field in ("database", "read_copy")
    default = "" if secret else as_text(Settings.model_fields[field].default)
    if account and field == "database":
        default = f"{account}.duckdb"
    name, shared = prefix_of(account) + about["variable"], PREFIX + about["variable"]
    if not (secret or is_own or os.environ.get(name, "").strip()):
        name = shared if os.environ.get(shared, "").strip() else name
    return Variable(name, field, about["meaning"], default, about.get("needed", False), secret)


def _about(field: str) -> dict[str, Any]:
    """Return what `_setting` was told about a field."""
    return dict(Settings.model_fields[field].json_schema_extra)  # type: ignore[arg-type]


def _is_like_a_secret(text: str) -> bool:
    """Return whether a name has digits, and letters as a key has them rather than a variable."""
    has_digit = any(letter.isdigit() for letter in text)
    return len(text) >= 16 and has_digit and ("_" not in text or text != text.upper())


def as_text(value: Any) -> str:
    """Return a value of a field as its environment variable holds it."""
    if isinstance(value, DeletionPolicy):
        return value.value
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list | dict) else str(value)


def unknown_variables(names: Iterable[str], accounts: Iterable[str]) -> dict[str, str]:
    """Return the names `RECRUIT_*` that are no setting, each with the nearest one, or "".

    Args:
        names: of environment variables.
        accounts: whose settings are known, beside those for all accounts.
    """
    ends = [_about(field)["variable"] for field in Settings.model_fields]
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


def _clashes(account: str) -> Iterator[str]:
    """Yield a sentence for each file of an account in the environment that the copy would replace.

    No account may publish its copy to the database, or the copy, of another one.
    """
    copy, accounts = _variable(account, "read_copy"), dict.fromkeys([account, *account_names()])
    for other in (_variable(each, of) for each in accounts for of in ("database", "read_copy")):
        if other != copy and is_same_file(copy.text, other.text or other.default):
            yield f"{copy.name} and {other.name} are one file: set {copy.name} to one of its own."


def holds_a_secret(text: str, *, only_known: bool = False) -> bool:
    """Return whether a text contains the value of a secret variable, or looks like a secret.

    A key may be in the wrong variable while its own is empty, so long runs of letters and digits
    count too. In addresses and paths they are usual: use `only_known`.
    """
    all_ = map(_about, Settings.model_fields)
    ends = tuple(each["variable"] for each in all_ if each.get("secret"))
    secrets = [
        text.strip()
        for name, text in os.environ.items()
        if name.startswith(PREFIX) and name.endswith(ends)
    ]
    known = any(len(each) >= MIN_SECRET and each.lower() in text.lower() for each in secrets)
    return known or (not only_known and _LIKE_A_KEY.search(text) is not None)


@dataclass(frozen=True)
class _Wrong:
    """Hold a sentence about a value that cannot be used."""

    sentence: str


def _sentence(error: ErrorDetails) -> str:
    """Return what is wrong with a field, without its value."""
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        fields = list(Settings.model_fields)
        stem = name.lower().removeprefix(PREFIX.lower()).removeprefix("api_")
        near = [each for each in fields if stem and stem in each]
        near += get_close_matches(stem, fields, 1)
        known = f"do you mean {near[0]}?" if near else f"name one of {', '.join(fields)}."
        return f"There is no setting {one_line(name)}: {known}"
    if error["input"] is None:
        return f"{name} is empty: is the variable in its template set?"
    return f"{name}: {error['msg'].removeprefix('Value error, ')}."


def _parsed(variable: Variable, text: str) -> Any:
    """Return the value of a variable, or what is wrong with it."""
    if variable.field == "column_policy":
        return _parsed_policy(variable, text)
    listed = variable.field == "owners"
    parts = [each.strip() for each in text.split(",") if each.strip()]
    value: Any = parts if listed else text
    if variable.field in ("requests_per_10s", "concurrency"):
        # Pydantic would also accept 4.0 and 1_000.
        value = text.strip() if re.fullmatch(r"[0-9]+", text.strip()) else None
    elif variable.field in ("deleted_rows", "read_copy_personal"):
        value = text.strip().lower()
    try:
        return getattr(Settings.model_validate({variable.field: value}), variable.field)
    except ValidationError:
        pass
    shown = "a value that is not shown" if holds_a_secret(text) else repr(text.strip())
    policies = ", ".join(each.value for each in DeletionPolicy)
    advice = {
        "deleted_rows": f"set it to one of {policies}",
        "read_copy_personal": "set it to true or false",
        "owners": "write an e-mail address or team:name, or several separated by commas",
    }
    rest = advice.get(variable.field, f"set it to a whole number, such as {variable.default}")
    return _Wrong(f"{variable.name} is {shown}: {rest}.")


def _parsed_policy(variable: Variable, path: str) -> Any:
    """Return the column policy in a file, or what is wrong with it."""
    if holds_a_secret(path, only_known=True):
        return _Wrong(f"{variable.name} contains the value of a secret variable: take it out.")
    try:
        return read_policy(path.strip()) if path else {}
    except BadSetting as error:
        return _Wrong(f"{variable.name}: {error}")
