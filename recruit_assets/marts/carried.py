"""The rows that the page carries, so that a browser can filter them and recalculate every figure.

Numbers only, column by column: ids, places in the lists of the header, months and durations. Among
the texts of the lists are titles of jobs and names of departments, but no people and no free text.
`carried_sql` has the queries.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from recruit_assets.marts.build import ask
from recruit_assets.marts.carried_sql import (
    LADDERS,
    LINK,
    LISTS,
    PREPARED,
    SCOPE,
    TABLES,
    steps_of,
)
from recruit_assets.marts.packing import packed
from recruit_assets.marts.views import known_columns
from recruit_assets.text import one_line

MAX_WHOLE = 100_000  # applications up to which the page carries all of them
MAX_SIZE = 900_000  # characters of them, so that the page has less than a megabyte
MAX_TEXT = 200  # characters of a text
_NUMERIC = "regexp_full_match({0}, '[1-9][0-9]{{0,14}}')"


def carry(
    database: duckdb.DuckDBPyConnection, about: Mapping[str, Any], max_whole: int = MAX_WHOLE
) -> str:
    """Return the rows, packed, with `about` in their header; nothing if there are none.

    Of more than `max_whole` applications, or of those that take too much space, only those of the
    last months are among them.
    """
    if not ask(database, "FROM recruit_marts.applications LIMIT 1"):
        return ""
    rows = _rows(database, about, max_whole)
    return rows if len(rows) <= MAX_SIZE else _rows(database, about, max_whole=0)


def _rows(database: duckdb.DuckDBPyConnection, about: Mapping[str, Any], max_whole: int) -> str:
    with known_columns(database):
        for name, sql in PREPARED.items():
            values = {"max_whole": max_whole} if "$max_whole" in sql else None
            database.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}", values)
        tables = {name: database.sql(sql).to_arrow_table() for name, sql in TABLES.items()}
        header = {**about, **_header(database)}
        for name in ("application", "candidate"):
            numbers = _ids(database, name)
            if isinstance(numbers, pa.Table):
                tables["applications"] = tables["applications"].append_column(name, numbers[0])
            else:
                header[name] = numbers
        for name in PREPARED:
            database.execute(f"DROP TABLE temp.{name}")
    return packed(tables, header)


def _ids(database: duckdb.DuckDBPyConnection, name: str) -> pa.Table | list[str | None]:
    """Return the ids of all rows: as steps if they are numbers, else as texts."""
    id_ = f"{name}_id"
    numeric = f"SELECT bool_and({_NUMERIC.format(id_)}) AS numeric FROM page_rows"
    if not ask(database, numeric)[0]["numeric"]:
        ids = ask(database, f"SELECT {id_} AS id FROM page_rows ORDER BY row")
        return [_text(row["id"]) for row in ids]
    steps = f"SELECT {steps_of(f'coalesce({id_}::BIGINT, 0)')} AS id FROM page_rows ORDER BY row"
    return database.sql(steps).to_arrow_table()


def _header(database: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return the lists that the columns refer to, and what the rows are of."""
    jobs = ask(database, "FROM page_jobs ORDER BY code")
    departments = _places(row["department"] for row in jobs)
    found = {row["code"]: row["ladder"] for row in ask(database, LADDERS)}
    of_job = [tuple(map(tuple, found.get(row["code"], ()))) for row in jobs]
    ladders = _places(of_job)
    return {
        **ask(database, SCOPE)[0],
        "link": next((row["link"] for row in ask(database, LINK)), ""),
        "departments": [_text(name) for name in departments],
        "ladders": list(ladders),
        "jobs": {
            "id": [_text(row["job_id"]) for row in jobs],
            "title": [_text(row["job"]) for row in jobs],
            "department": [departments[row["department"]] for row in jobs],
            "open": [int(row["job_is_open"]) for row in jobs],
            "ladder": [ladders[ladder] for ladder in of_job],
        },
        **{
            name: [[_text(value) for value in row.values()] for row in ask(database, sql)]
            for name, sql in LISTS.items()
        },
    }


def _places(values: Iterable[Any]) -> dict[Any, int]:
    """Return the place of each value among the distinct ones, in the order in which they come."""
    return {value: place for place, value in enumerate(dict.fromkeys(values))}


def _text(value: str | None) -> str | None:
    """Return a text as the page shows it."""
    return None if value is None else one_line(value, MAX_TEXT)
