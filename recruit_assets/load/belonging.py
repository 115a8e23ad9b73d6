"""The records of a person: the candidate, and all rows that lead to it through to-one keys.

Scope: which rows of which tables they are, by the foreign keys of the catalogue. An application
leads to its candidate, and an offer to its application. A row is found in the table as it is now.
"""

from collections.abc import Collection, Iterable

import duckdb

from recruit_assets.catalogue import Endpoint, ForeignKey, Kind
from recruit_assets.load.schema import columns_of, table_name
from recruit_assets.load.sql import literal, quoted

BELONGING = "belonging"  # the temporary table of `collect`

Record = tuple[str, str, str]  # endpoint, id, and whose it is


def collect(
    database: duckdb.DuckDBPyConnection, endpoints: Collection[Endpoint], start: Iterable[Record]
) -> None:
    """Create the temporary table `belonging`: records, and all rows that lead to one of them.

    Its columns are `endpoint`, `id` and `person`; a row that leads to several persons is in it once
    for each of them.

    Args:
        database: open.
        endpoints: the endpoints whose rows may belong to a person.
        start: the records to begin with, which need not be stored.
    """
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE {BELONGING} (endpoint VARCHAR, id VARCHAR, person VARCHAR)"
    )
    names, ids, persons = zip(*start, strict=True)
    database.execute(
        f"INSERT INTO {BELONGING} SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), "
        "unnest(?::VARCHAR[])",
        [list(names), list(ids), list(persons)],
    )
    reach = _reach(endpoints, names)
    keys = [
        (endpoint, key)
        for endpoint in endpoints
        for key in _keys(endpoint, reach)
        if columns_of(database, endpoint).get(key.column) is Kind.KEY
    ]
    while sum(_add(database, endpoint, key) for endpoint, key in keys):
        pass


def to_one(endpoint: Endpoint) -> list[ForeignKey]:
    """Return the foreign keys of an endpoint that lead to one record each."""
    return [key for key in endpoint.foreign_keys() if not key.many]


def found(database: duckdb.DuckDBPyConnection, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Return the endpoints of the records in `belonging`, in the order given."""
    names = database.execute(f"SELECT DISTINCT endpoint FROM {BELONGING}").fetchall()
    return [each for each in endpoints if (each.name,) in names]


def is_belonging(endpoint: str, column: str = "id") -> str:
    """Return SQL that is true if a column has the id of a record of the endpoint in `belonging`."""
    return f"{quoted(column)} IN (SELECT id FROM {BELONGING} WHERE endpoint = {literal(endpoint)})"


def leads(key: ForeignKey) -> str:
    """Return SQL that is true if a key has the id of a record in `belonging`."""
    typed = f" AND {quoted(key.type_column)} = {literal(key.type or '')}" if key.type_column else ""
    return f"({is_belonging(key.table, key.column)}{typed})"


def _reach(endpoints: Collection[Endpoint], names: Iterable[str]) -> set[str]:
    """Return these names, and those of all endpoints that can lead to one of them."""
    reach, before = set(names), set[str]()
    while reach != before:
        before = set(reach)
        reach |= {each.name for each in endpoints if _keys(each, reach)}
    return reach


def _keys(endpoint: Endpoint, reach: Collection[str]) -> list[ForeignKey]:
    return [key for key in to_one(endpoint) if key.table in reach]


def _add(database: duckdb.DuckDBPyConnection, endpoint: Endpoint, key: ForeignKey) -> int:
    """Add the rows that lead to a record in `belonging` through a key; return their number."""
    ((added,),) = database.execute(
        f"INSERT INTO {BELONGING} SELECT {literal(endpoint.name)}, t.id, b.person "
        f"FROM {table_name(database, endpoint.name)} t "
        f"JOIN {BELONGING} b ON b.endpoint = {literal(key.table)} AND b.id = t.{quoted(key.column)}"
        f" WHERE t.id IS NOT NULL AND {leads(key)} EXCEPT FROM {BELONGING}"
    ).fetchall()
    return int(added)
