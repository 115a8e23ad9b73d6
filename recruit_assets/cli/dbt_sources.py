"""The command `dbt-sources`: the tables and views as sources of a dbt project, as YAML.

They are generated from the catalogue and the marts' headers; the database is not opened. dbt
renders the texts as Jinja, so what looks like it is quoted.
"""

import argparse
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import yaml

from recruit_assets.catalogue import Column, Endpoint
from recruit_assets.cli import display
from recruit_assets.column_policy import under_policy
from recruit_assets.load.current import NOW
from recruit_assets.load.history import HISTORY, SPAN
from recruit_assets.load.layout import META
from recruit_assets.load.schema import BOOKKEEPING, SCHEMA
from recruit_assets.load.syncs import LATEST, LATEST_VIEW, SYNCS, SYNCS_TABLE
from recruit_assets.marts.level_views import level_views
from recruit_assets.marts.mart import MARTS_SCHEMA, Mart, marts_of
from recruit_assets.settings import Settings

# The database of dbt's profile, unless the project sets the variable to one that it attaches.
DATABASE = "{{{{ var('{}recruit_database', target.database) }}}}"
NEVER = "TIMESTAMPTZ '1970-01-01 00:00:00+00'"  # dbt fails at a source that was never loaded
_JINJA = re.compile(r"\{[{%#]|[}%#]\}")
Entry = dict[str, Any]


def dbt_sources(chosen: argparse.Namespace, _: Collection[str]) -> int:
    """Print the sources of an account; return the exit code."""
    settings = Settings.from_environment(chosen.account)
    if problems := settings.policy_problems():
        display.console().print("\n".join(problems))
        return 1
    endpoints = [under_policy(each, settings.column_policy) for each in settings.endpoints]
    sys.stdout.write(as_yaml(chosen.account, endpoints))
    return 0


def as_yaml(account: str, endpoints: Collection[Endpoint]) -> str:
    """Return the YAML of the sources of an account that syncs these endpoints."""
    content = {"version": 2, "sources": list(_sources(account, endpoints))}
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100))


def _sources(account: str, endpoints: Collection[Endpoint]) -> Iterator[Entry]:
    """Yield a source for each schema; the names of an account's begin with its own."""
    prefix = f"{account}_" if account else ""
    database, marts = DATABASE.format(prefix), marts_of([each.name for each in endpoints])
    raw = [_table(each, database) for each in endpoints]
    current = [_view(each, database) for each in endpoints]
    histories = [_history(each) for each in endpoints if each.history]
    figures = [entry for each in marts for entry in _mart(each, database)]
    for schema, description, tables in (
        (SCHEMA, "What the API sends, deleted rows included", raw),
        (NOW, "The current rows of each table", current),
        (HISTORY, "Earlier versions", histories),
        (MARTS_SCHEMA, "Figures of hiring, without names", figures),
        (META, "What each sync did", _bookkeeping()),
    ):
        if tables:
            yield {
                "name": prefix + schema,
                "description": description,
                "database": database,
                "schema": schema,
                "tables": tables,
            }


def _table(endpoint: Endpoint, database: str) -> Entry:
    columns = [*map(_column, endpoint.columns()), *_columns(BOOKKEEPING)]
    return _entry(endpoint.name, endpoint.description, columns, loaded=_read(endpoint, database))


def _view(endpoint: Endpoint, database: str) -> Entry:
    columns = list(map(_column, endpoint.columns()))
    return _entry(endpoint.name, endpoint.description, columns, loaded=_read(endpoint, database))


def _history(endpoint: Endpoint) -> Entry:
    columns = [*map(_column, endpoint.tracked()), *_columns(SPAN)]
    description = f"The versions of each record of {SCHEMA}.{endpoint.name}"
    return _entry(endpoint.name, description, columns, grain=["id", "valid_from"])


def _mart(mart: Mart, database: str) -> Iterator[Entry]:
    """Yield the table of a mart, and the views of its levels."""
    loaded = f"SELECT coalesce(max(as_of), {NEVER}) FROM {database}.{MARTS_SCHEMA}.applications"
    columns = _described(mart, mart.columns)
    yield _entry(mart.name, mart.description, columns, grain=mart.grain, loaded=loaded)
    for name, shown in level_views(mart).items():
        about = f"The rows of one level of {MARTS_SCHEMA}.{mart.name}"
        grain = [each for each in mart.grain if each in shown]
        yield _entry(name, about, _described(mart, shown), grain=grain, loaded=loaded)


def _described(mart: Mart, names: Iterable[str]) -> list[Entry]:
    return [{"name": name, "description": _text(mart.columns[name])} for name in names]


def _bookkeeping() -> list[Entry]:
    latest = [{"name": name, "description": _text(text)} for name, text in LATEST.items()]
    return [
        _entry(SYNCS_TABLE, "What each sync of each endpoint did", _columns(SYNCS)),
        _entry(LATEST_VIEW, "The last sync of each endpoint", latest, grain=["endpoint"]),
    ]


def _entry(
    name: str,
    description: str,
    columns: list[Entry],
    *,
    grain: Collection[str] = (),
    loaded: str = "",
) -> Entry:
    """Return a table; `loaded` is SQL for the time up to which its rows are known."""
    config: Entry = {}
    if loaded:
        stale = {"warn_after": {"count": 1, "period": "day"}}
        config |= {"freshness": stale, "loaded_at_query": loaded}
    if grain:
        config |= {"meta": {"grain": list(grain)}}
    found = {"name": name, "description": _text(description), "config": config, "columns": columns}
    return {key: value for key, value in found.items() if value}


def _read(endpoint: Endpoint, database: str) -> str:
    return (
        f"SELECT coalesce(max(proven_at), {NEVER}) FROM {database}.{META}.{LATEST_VIEW} "
        f"WHERE endpoint = '{endpoint.name}'"
    )


def _column(column: Column) -> Entry:
    found = {
        "name": column.name,
        "description": _text(column.meaning),
        "data_type": column.kind.sql,
        "config": {"meta": {"personal": True}} if column.personal else {},
    }
    return {key: value for key, value in found.items() if value}


def _columns(columns: Mapping[str, tuple[str, str]]) -> list[Entry]:
    return [
        {"name": name, "description": _text(meaning), "data_type": sql_type}
        for name, (sql_type, meaning) in columns.items()
    ]


def _text(text: str) -> str:
    """Return a text that dbt shows as it is, whatever is in it."""
    return _JINJA.sub(lambda found: f"{{{{ {found[0]!r} }}}}", text)
