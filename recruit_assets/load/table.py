"""Definition of one of our tables.

Scope: the definition only. `schema`, `history` and `syncs` say which columns a table must have;
`tables` creates and repairs tables.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from recruit_assets.load.lake import is_lake
from recruit_assets.load.sql import literal, quoted, unused
from recruit_assets.load.stage import NOTHING

ID = "id"
ORDER = quoted(unused("row before"))  # in `fills`: the position of a row in the table


@dataclass(frozen=True)
class Table:
    """Define a table.

    Args:
        schema: its schema.
        name: its name.
        comment: what its rows are.
        columns: SQL type and meaning of each, by name.
        fills: SQL for a column's value in rows that are older than it, over all columns; null by
            default.
        computed: columns derived from the others, which are filled whenever one is added.
        lossless: columns whose values are kept in `_unparsed` if they do not fit a new type.
        ids: the rows with the ids that the API sends, as SQL to read from.
    """

    schema: str
    name: str
    comment: str
    columns: Mapping[str, tuple[str, str]]
    fills: Mapping[str, str] = field(default_factory=dict)
    computed: Sequence[str] = ()
    lossless: Collection[str] = ()
    ids: str = NOTHING

    def defects(self, found: Sequence[tuple[str, str]]) -> list[str]:
        """Return the columns that are missing, or have another type, given those found."""
        types = {name.lower(): sql_type for name, sql_type in found}
        return [name for name, (sql_type, _) in self.columns.items() if types.get(name) != sql_type]

    def begin_as_null(self, names: Iterable[str], found: Sequence[tuple[str, str]]) -> bool:
        """Return whether these columns are all missing, and null in existing rows."""
        present = {name.lower() for name, _ in found}
        return not any(name in present or name in self.fills for name in names)


def describe_view(
    database: duckdb.DuckDBPyConnection,
    view: str,
    about: str,
    meanings: Mapping[str, str],
) -> None:
    """Store the meaning of a view, and of its columns, for which a lake has no room."""
    database.execute(f"COMMENT ON VIEW {view} IS {literal(about)}")
    if not is_lake(database):
        describe(database, view, meanings)


def describe(database: duckdb.DuckDBPyConnection, full: str, meanings: Mapping[str, str]) -> None:
    """Store the meaning of columns in the database, by their names."""
    for name, meaning in meanings.items():
        database.execute(f"COMMENT ON COLUMN {full}.{quoted(name)} IS {literal(meaning)}")
