"""Views of our tables that have every known column, NULL where a table lacks it.

An endpoint may never have been synced, and a table of an earlier version may lack a column. The
views have the schema and the name of their table, in a catalog in memory that is searched first. So
the SQL of a mart needs no special cases, and is run as it is written.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple
from itertools import count

import duckdb

from recruit_assets.load.history import HISTORY, SPAN
from recruit_assets.load.layout import META
from recruit_assets.load.schema import BOOKKEEPING, SCHEMA, columns_found, table_name
from recruit_assets.load.sql import literal, quoted
from recruit_assets.load.syncs import LATEST_VIEW, SYNCS, SYNCS_TABLE, latest
from recruit_assets.marts.rules import NO_RULES, Rules
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS

_KNOWN: dict[tuple[str, str], Mapping[str, str]] = {  # SQL type by column, by schema and table
    **{
        (SCHEMA, each.name): {column.name: column.kind.sql for column in each.columns()}
        | {name: sql_type for name, (sql_type, _) in BOOKKEEPING.items()}
        for each in KNOWN_ENDPOINTS
    },
    (META, SYNCS_TABLE): {name: sql_type for name, (sql_type, _) in SYNCS.items()},
    **{
        (HISTORY, each.name): {column.name: column.kind.sql for column in each.tracked()}
        | {name: sql_type for name, (sql_type, _) in SPAN.items()}
        for each in KNOWN_ENDPOINTS
        if each.history
    },
}
_RULES = {
    "stage_rules": "stage VARCHAR, stage_group VARCHAR, stuck_after_days BIGINT",
    "source_rules": "site VARCHAR, source VARCHAR, source_type VARCHAR",
}
# Beside the views: the rules that all marts share.
_MACROS = {
    # An end before the start is unknown; by less than a minute, it is the API's own inaccuracy.
    "days_between(begun, ended)": """
        CASE
            WHEN ended >= begun THEN (epoch_ms(ended) - epoch_ms(begun)) / 86_400_000
            WHEN ended > begun - INTERVAL 1 MINUTE THEN 0
        END
    """,
    "is_open(status, human_status, begins, ends, moment)": """
        coalesce(
            lower(human_status) IN ('published', 'unlisted'), status IN ('open', 'unlisted'), false
        )
        AND (begins IS NULL OR begins <= moment) AND (ends IS NULL OR ends > moment)
    """,
    # Of a thing that each job may have, such as a department, and that may not have been read.
    "name_of(thing, name, id, job_id)": """
        coalesce(name, if(job_id IS NULL OR id IS NOT NULL, 'Not known', 'No ' || thing))
    """,
    # A figure of applications, if the stage of nearly all of them is known.
    "if_known(figure, unknown, applications)": """
        CASE WHEN unknown <= 0.01 * applications THEN figure END
    """,
    "answer_of(response, status)": "lower(trim(coalesce(nullif(trim(response), ''), status, '')))",
    "is_offer_sent(sent_at, response, status)": """
        sent_at IS NOT NULL
        OR regexp_matches(answer_of(response, status), '^(accept|declin|reject|refus)')
    """,
    "host_of(site)": r"""
        nullif(rtrim(regexp_replace(
            regexp_replace(lower(trim(site)), '^([a-z-]+://)?(www\d?\.)?', ''), '[/?#: ].*$', ''
        ), '.'), '')
    """,
    # The pages of a country or for phones belong to the site: se.linkedin.com, but not bt.co.uk.
    "site_of(site)": r"""
        if(
            regexp_matches(host_of(site), '^(m|[a-z]{2})\.[^.]+\.')
            AND NOT regexp_matches(host_of(site), '^[a-z]{2}\.(co|com|net|org|ac|gov|edu)\.'),
            regexp_replace(host_of(site), '^[^.]+\.', ''),
            host_of(site)
        )
    """,
}
_NUMBERS = count()  # of the catalogs, which all connections of this process share


@contextmanager
def known_columns(database: duckdb.DuckDBPyConnection, rules: Rules = NO_RULES) -> Iterator[None]:
    """Let SQL in the block read each of our tables with every known column.

    Begin transactions within the block: one transaction cannot create both views and marts, because
    DuckDB lets it write to a single catalog. `recruit_meta.stage_rules` and `source_rules` have the
    user's rules.
    """
    catalog = f"marts_{next(_NUMBERS)}"
    ((file,),) = database.execute("SELECT current_database()").fetchall()
    database.execute(f"ATTACH ':memory:' AS {catalog}")
    try:
        schemas = [f"{catalog}.{schema}" for schema in (SCHEMA, HISTORY, META)]
        for schema in schemas:
            database.execute(f"CREATE SCHEMA {schema}")
        for (schema, table), rows in _views(database).items():
            view = f"{catalog}.{schema}.{quoted(table)}"
            database.execute(f"CREATE VIEW {view} AS {rows}")
        for name, columns in _RULES.items():
            database.execute(f"CREATE TABLE {catalog}.{META}.{name} ({columns})")
        insert = f"INSERT INTO {catalog}.{META}.{{}} VALUES (?, ?, ?)"
        for stage in rules.stages:
            database.execute(insert.format("stage_rules"), astuple(stage))
        for source in rules.sources:
            database.execute(insert.format("source_rules"), astuple(source))
        # The first catalog has the schemas that are not listed, such as that of the marts.
        path = ",".join([f"{quoted(file)}.main", *schemas])
        database.execute(f"SET search_path = {literal(path)}")
        for signature, meaning in _MACROS.items():
            database.execute(f"CREATE MACRO {catalog}.{SCHEMA}.{signature} AS {meaning}")
        yield
    finally:
        database.execute(f"USE {quoted(file)}")
        database.execute(f"DETACH {catalog}")


def _views(database: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], str]:
    """Return the SQL of each view, by schema and table."""
    views = {named: _with_columns(database, *named, known) for named, known in _KNOWN.items()}
    return {**views, (META, LATEST_VIEW): f"FROM {latest(database)}"}


def _with_columns(
    database: duckdb.DuckDBPyConnection, schema: str, table: str, known: Mapping[str, str]
) -> str:
    """Return SQL for the known columns of a table that may lack them, or be missing."""
    present = {column for column, _ in columns_found(database, table, schema)}
    columns = [
        quoted(column) if column in present else f"NULL::{sql_type} AS {quoted(column)}"
        for column, sql_type in known.items()
    ]
    source = f"FROM {table_name(database, table, schema)}" if present else "WHERE false"
    return f"SELECT {', '.join(columns)} {source}"
