"""The fields of the settings, as one table; `docs/settings.md` and `.env.example` repeat it.

A setting has a field, for Python and YAML, and an environment variable, for `.env` (see
`variables`). Secrets have no field: there are fields for the names of the variables that contain
them. What the values of the API's settings must be is in `extract.access`, which is asked when a
run starts.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from recruit_assets.catalogue import DeletionPolicy, Rolling
from recruit_assets.environment import PREFIX
from recruit_assets.errors import BadSetting
from recruit_assets.more_endpoints import MORE_ENDPOINTS
from recruit_assets.text import has_password, one_line

ADDRESS_ADVICE = "take the password out, which would be shown, and set PGPASSWORD or a file .pgpass"
MORE_NAMES = tuple(each.name for each in MORE_ENDPOINTS)


def _setting(variable: str, default: Any, meaning: str, field: str = "", **extra: bool) -> Any:
    """Return a field; `field` is its meaning in YAML where the variable has another."""
    about: dict[str, Any] = {"variable": variable, "meaning": meaning, **extra}
    return Field(default=default, description=field or meaning, json_schema_extra=about)


class SettingFields(BaseModel):
    """Define and check the fields of `Settings`."""

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
    more_endpoints: list[str] = _setting(
        "MORE_ENDPOINTS",
        [],
        f"Endpoints to sync besides those that always are: some of {', '.join(MORE_NAMES)}, "
        "separated by commas",
        f"Endpoints to sync besides those that always are: some of {', '.join(MORE_NAMES)}",
    )
    rolling: Rolling = _setting(
        "ROLLING",
        Rolling.auto,
        "Whether a sync reads only a part of a list that cannot be asked for its changes: `auto`, "
        "`always` or `never`",
    )
    database: str = _setting(
        "DATABASE", "recruitment.duckdb", "The DuckDB file, or the address of a lake"
    )
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
    parquet_folder: str = _setting(
        "PARQUET_FOLDER", "", "A folder for a Parquet file of each mart; none if empty"
    )
    deleted_rows: DeletionPolicy = _setting(
        "DELETED_ROWS",
        DeletionPolicy.erase,
        "What to keep of a row whose record was deleted: `erase` its personal columns, `keep` all, "
        "or `drop` the row",
    )
    time_zone: str = _setting(
        "TIME_ZONE",
        "UTC",
        "Time zone of the months and days in the marts and the report, such as `Europe/Stockholm`",
    )
    report_names: bool = _setting(
        "REPORT_NAMES",
        False,
        "Whether the report shows the names of employees next to their ids, never of candidates",
    )
    private_fields: bool = _setting(
        "PRIVATE_FIELDS",
        False,
        "Whether the views of custom fields have those that only some users may see",
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

    @field_validator("more_endpoints")
    @classmethod
    def _check_endpoints(cls, names: list[str]) -> list[str]:
        if not set(names) <= set(MORE_NAMES):
            raise ValueError(f"write a list of some of {', '.join(MORE_NAMES)}")
        return list(dict.fromkeys(names))

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, name: str) -> str:
        if name not in available_timezones() - {"localtime"}:  # which is not the same everywhere
            raise ValueError("write the name of a time zone, such as Europe/Stockholm")
        return name

    @field_validator("database")
    @classmethod
    def _check_database(cls, address: str) -> str:
        if has_password(address):
            raise ValueError(ADDRESS_ADVICE)
        return address

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


def about_field(field: str) -> dict[str, Any]:
    """Return the name of a field's variable, its meaning, and whether it is needed or secret."""
    return dict(SettingFields.model_fields[field].json_schema_extra)  # type: ignore[arg-type]


def _is_like_a_secret(text: str) -> bool:
    """Return whether a name has digits, and letters as a key has them rather than a variable."""
    has_digit = any(letter.isdigit() for letter in text)
    return len(text) >= 16 and has_digit and ("_" not in text or text != text.upper())


def _sentence(error: ErrorDetails) -> str:
    """Return what is wrong with a field, without its value."""
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        fields = list(SettingFields.model_fields)
        stem = name.lower().removeprefix(PREFIX.lower()).removeprefix("api_")
        near = [each for each in fields if stem and stem in each]
        near += get_close_matches(stem, fields, 1)
        known = f"do you mean {near[0]}?" if near else f"name one of {', '.join(fields)}."
        return f"There is no setting {one_line(name)}: {known}"
    if error["input"] is None:
        return f"{name} is empty: is the variable in its template set?"
    return f"{name}: {error['msg'].removeprefix('Value error, ')}."
