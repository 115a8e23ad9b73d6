"""The views `recruit_now.candidates_custom` and `jobs_custom`: a column for each custom field.

They have a row for each current candidate or job, and read the tables of custom fields and their
values, which an account must name to sync. So what is erased there is gone here as well. A field's
column has its name in the API; which fields there are can change with each sync.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.connection import transaction
from recruit_assets.load.current import NOW, comments_of
from recruit_assets.load.schema import (
    SCHEMA,
    columns_found,
    schema_name,
    table_exists,
    table_name,
)
from recruit_assets.load.sql import literal, quoted
from recruit_assets.load.sweep import CURRENT
from recruit_assets.load.table import describe_view
from recruit_assets.text import one_line

FIELDS, VALUES = "custom_fields", "custom_field_values"
OWNERS = {"candidates": "Candidate", "jobs": "Job"}  # types of owners, by table
MAX_NAME = 60  # characters of a column's name
TEXT = "VARCHAR"
TYPES = {  # SQL types by type of field; all others are texts
    "Checkbox": "BOOLEAN",
    "Date": "DATE",
    "Number": "DOUBLE",
    "MultiSelect": "VARCHAR[]",
}
_VALUES = {  # where a value is, by its SQL type
    TEXT: "value",
    "BOOLEAN": "value_boolean",
    "DATE": "value_date",
    "DOUBLE": "value_number",
    "VARCHAR[]": "value_texts",
}
# Of several values of one owner the newest counts, even if it is empty.
_AGE = "(coalesce(TRY_CAST(v.id AS HUGEINT), -1), v.id)"


@dataclass(frozen=True)
class Field:
    """Hold a custom field: its id, its name in the API and for users, its type, who may see it."""

    id: str
    api_name: str
    name: str
    type: str
    is_private: bool = False

    @property
    def sql_type(self) -> str:
        """Return the SQL type of its column."""
        return TYPES.get(self.type.removeprefix("CustomField::"), TEXT)


def ensure_custom_views(database: duckdb.DuckDBPyConnection, *, private: bool = False) -> None:
    """Create the views of custom fields; drop them if the tables are not there.

    Args:
        database: open for writing.
        private: whether they have the fields that only some users may see.

    Raises:
        DatabaseProblem: a user's own table or view has the name of one.
    """
    known = all(table_exists(database, name) for name in (FIELDS, VALUES))
    with transaction(database):
        for owner in OWNERS:
            found = _find(database, owner)
            if known and table_exists(database, owner):
                _create(database, owner, _fields(database, owner), private=private)
            elif found:
                database.execute(f"DROP VIEW {_view(database, owner)}")


def column_names(fields: Iterable[Field]) -> dict[str, str]:
    """Return the name of each field's column by its id; of two with one name, the older keeps it.

    Names are lower case, with `_` for all but letters and digits.
    """
    taken, found = {"id"}, dict[str, str]()
    for field in fields:
        name = plain = _plain(field.api_name) or _plain(field.name) or "field"
        while name in taken:
            name = f"{name}_{_plain(field.id)}" if name == plain else f"{name}_"
        taken.add(name)
        found[field.id] = name
    return found


def _view(database: duckdb.DuckDBPyConnection, owner: str) -> str:
    return table_name(database, f"{owner}_custom", NOW)


def _about(owner: str) -> str:
    return f"The current rows of {SCHEMA}.{owner}, with a column for each custom field"


def _find(database: duckdb.DuckDBPyConnection, owner: str) -> bool:
    """Return whether the view of an owner exists.

    Raises:
        DatabaseProblem: a user's own table or view has its name.
    """
    name = f"{owner}_custom"
    found = comments_of(database, name)
    if found not in ([], [_about(owner)]):
        raise DatabaseProblem(
            f"{NOW}.{name} is a view that somebody else created, in place of that of the custom "
            "fields: rename or drop the view, then run again."
        )
    return bool(found)


def _plain(text: str) -> str:
    return re.sub(r"\W+", "_", text.lower()).strip("_")[:MAX_NAME]


def _fields(database: duckdb.DuckDBPyConnection, owner: str) -> list[Field]:
    """Return the fields of an owner, the oldest first."""
    present = {name for name, _ in columns_found(database, FIELDS)}
    names = ("api_name", "name", "field_type", "owner_type", "is_private")
    api_name, name, field_type, owner_type, is_private = (
        each if each in present else "NULL" for each in names
    )
    found = database.execute(
        f"SELECT id, coalesce({api_name}, ''), coalesce({name}, ''), coalesce({field_type}, ''), "
        f"coalesce({is_private}, false) FROM {table_name(database, FIELDS)} "
        f"WHERE {CURRENT} AND id IS NOT NULL AND lower({owner_type}) = lower(?) "
        "ORDER BY TRY_CAST(id AS HUGEINT) NULLS LAST, id",
        [OWNERS[owner]],
    ).fetchall()
    return [Field(*each) for each in found]


def _create(
    database: duckdb.DuckDBPyConnection, owner: str, fields: list[Field], *, private: bool
) -> None:
    """Create a view; it names the tables without the file, whose name DuckDB would store.

    A private field that is left out keeps its name, so those of the others do not depend on it.
    """
    view, names = _view(database, owner), column_names(fields)
    fields = [field for field in fields if private or not field.is_private]
    present = {name for name, _ in columns_found(database, VALUES)}
    columns = [
        f"arg_max_null({_value(field, present)}, {_AGE}) "
        f"FILTER (v.custom_field_id = {literal(field.id)}) AS {quoted(names[field.id])}"
        for field in fields
    ]
    database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name(database, NOW)}")
    database.execute(
        f"CREATE OR REPLACE VIEW {view} AS SELECT {', '.join(['o.id', *columns])} "
        f"FROM {SCHEMA}.{owner} AS o LEFT JOIN {SCHEMA}.{VALUES} AS v "
        f"ON v.owner_id = o.id AND v.owner_type = {literal(owner)} AND v.{CURRENT} "
        f"WHERE o.{CURRENT} GROUP BY o.id"
    )
    comments = {"id": f"Id in {SCHEMA}.{owner}"}
    comments |= {
        names[field.id]: f"{one_line(field.name)} (custom field {one_line(field.id)})"
        for field in fields
    }
    describe_view(database, view, _about(owner), comments)


def _value(field: Field, present: set[str]) -> str:
    """Return SQL for a value as the type of its field; it may be from before the type changed."""
    wanted = field.sql_type
    others = [sql_type for sql_type in _VALUES if sql_type != wanted]
    found = []
    for sql_type in (wanted, *others):
        column = f"v.{_VALUES[sql_type]}"
        if _VALUES[sql_type] in present:
            found.append(column if sql_type == wanted else _converted(column, sql_type, wanted))
    return f"coalesce({', '.join([*found, f'NULL::{wanted}'])})"


def _converted(column: str, sql_type: str, wanted: str) -> str:
    """Return SQL that converts a value of another type; null if it does not fit."""
    if sql_type.endswith("[]"):  # of several texts, none is the value
        text = f"array_to_string({column}, ', ')"
        return text if wanted == TEXT else f"TRY_CAST({text} AS {wanted})"
    if wanted.endswith("[]"):
        return f"CASE WHEN {column} IS NOT NULL THEN [{column}::VARCHAR] END"
    return f"TRY_CAST({column}::VARCHAR AS {wanted})"
