"""Keys of staged rows: each row must have one, of its own, that fits the table.

Scope: the check, and sentences with examples. Nothing is written if it fails.
"""

from collections.abc import Sequence

import duckdb

from recruit_assets.catalogue import Kind
from recruit_assets.errors import BadRows
from recruit_assets.load.changes import find_repeated
from recruit_assets.load.convert import is_nested
from recruit_assets.load.delivery import converted_column
from recruit_assets.load.row_stage import Part
from recruit_assets.load.schema import count
from recruit_assets.load.sql import quoted
from recruit_assets.load.stage import POSITION
from recruit_assets.text import one_line

EXAMPLES = 3
MAX_KEY_LENGTH = 60  # characters of an example


def check_keys(
    database: duckdb.DuckDBPyConnection,
    parts: Sequence[Part],
    key: str,
    sql_type: str,
    *,
    keep_last: bool,
) -> int:
    """Create `repeated`, the positions of rows whose key occurs again later; return their number.

    Args:
        database: open for writing, in the transaction of the merge.
        parts: the rows.
        key: the column that identifies a row.
        sql_type: its type in the table.
        keep_last: whether the last of the rows with one key counts; else a repeated key is refused.

    Raises:
        BadRows: keys are missing, do not fit or are repeated; the message has examples.
    """
    if sql_type == Kind.JSON.sql or is_nested(sql_type):
        raise BadRows(
            f"The key {key} is of type {sql_type}, or holds values of different types: use one "
            "number or text for each row."
        )
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE keys (id {sql_type}, misfit VARCHAR, {POSITION} BIGINT)"
    )
    for part in parts:
        given = quoted(key.lower()) if key.lower() in part.types else "NULL"
        fitting = converted_column(part, key, sql_type)
        misfit = f"CASE WHEN ({fitting}) IS NULL THEN {given}::VARCHAR END"
        database.execute(f"INSERT INTO keys SELECT {fitting}, {misfit}, {POSITION} FROM {part.sql}")
    row, missing = f"'row ' || ({POSITION} + 1)", "id IS NULL AND misfit IS NULL"
    _check(database, row, missing, f"no {key}:")
    other = f"a value in {key} that is not of type {sql_type}:"
    _check(database, "misfit", "misfit IS NOT NULL", other)
    repeated = find_repeated(database, "keys")
    if repeated and not keep_last:
        again = f"{POSITION} IN (SELECT {POSITION} FROM repeated)"
        advice = ' Set on_duplicate to "last" to keep the last of them.'
        _check(database, "id::VARCHAR", again, f"the same {key} as a later one:", advice)
    return repeated


def _check(
    database: duckdb.DuckDBPyConnection, example: str, which: str, problem: str, advice: str = ""
) -> None:
    """Refuse rows whose keys have a problem.

    Raises:
        BadRows: there are any; the message says how many, and shows the first.
    """
    bad = count(database, f"keys WHERE {which}")
    if not bad:
        return
    found = database.execute(
        f"SELECT example FROM (SELECT {example} AS example, min({POSITION}) AS first FROM keys "
        f"WHERE {which} GROUP BY ALL) ORDER BY first LIMIT {EXAMPLES}"
    ).fetchall()
    shown = ", ".join(one_line(text, MAX_KEY_LENGTH) for (text,) in found)
    more = ", …" if bad > len(found) else ""
    all_ = count(database, "keys")
    verb = "has" if bad == 1 else "have"
    raise BadRows(f"{bad:,} of {all_:,} rows {verb} {problem} {shown}{more}.{advice}")
