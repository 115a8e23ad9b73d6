"""The macro `recruit_history.stood_at`: every application and its stage at a given time.

Before the first complete sync, only those are known that survived until then, and a count of them
would be wrong. So the macro fails there, and says from when on it answers.
"""

import duckdb

from recruit_assets.load.history import HISTORY
from recruit_assets.load.layout import META
from recruit_assets.load.schema import schema_name

MACRO = "stood_at"
COLUMNS = (
    "application_id", "candidate_id", "job_id", "job", "stage_id", "stage", "stage_since",
    "rejected_at",
)  # fmt: skip
# The tables are named without the file: DuckDB would store the name that the file has here.
_ANSWER = f"""
    WITH known AS (
        SELECT min(finished) AS since
        FROM {META}.syncs
        WHERE endpoint = 'job_applications' AND verdict = 'complete'
    )
    SELECT
        a.id AS application_id,
        a.candidate_id,
        a.job_id,
        j.title AS job,
        a.stage_id,
        s.name AS stage,
        a.changed_stage_at AS stage_since,
        a.rejected_at
    FROM {HISTORY}.job_applications AS a
    CROSS JOIN known AS k
    LEFT JOIN {HISTORY}.stages AS s
        ON s.id = a.stage_id
        AND s.valid_from <= moment AND coalesce(s.valid_to, 'infinity') > moment
    LEFT JOIN {HISTORY}.jobs AS j
        ON j.id = a.job_id
        AND j.valid_from <= moment AND coalesce(j.valid_to, 'infinity') > moment
    WHERE CASE
        WHEN k.since <= moment
        THEN a.valid_from <= moment AND coalesce(a.valid_to, 'infinity') > moment
        ELSE error(
            'Not known: the applications were first read completely '
            || coalesce('on ' || k.since::VARCHAR || ', so ask for a time after that.', 'never.')
        )
    END
"""


def ensure_macro(database: duckdb.DuckDBPyConnection) -> None:
    """Create the macro if it is missing or answers with other columns.

    It is left for a later sync while a table that it reads is missing.

    Args:
        database: open for writing.
    """
    macro = f"{schema_name(database, HISTORY)}.{MACRO}"
    answers = _columns(database, _ANSWER.replace("moment", "now()")) == COLUMNS
    if answers and _columns(database, f"FROM {macro}(now())") != COLUMNS:
        database.execute(f"CREATE OR REPLACE MACRO {macro}(moment) AS TABLE {_ANSWER}")


def _columns(database: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, ...]:
    """Return the columns of a query, which is not run; none if something is missing for it."""
    try:
        return tuple(database.sql(sql).columns)
    except (duckdb.CatalogException, duckdb.BinderException):
        return ()
