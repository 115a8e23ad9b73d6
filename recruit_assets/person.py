"""Requests about one person: find a candidate, and export what the file holds of it.

Contains what the command line and the jobs share: which person is meant, and the sentences about
it. `load` has the queries.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import duckdb
import msgspec

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import BadSetting, PersonUnclear
from recruit_assets.load.disk import PRIVATE
from recruit_assets.load.persons import Match, everything_of


def only(found: Sequence[Match]) -> Match:
    """Return the one candidate that was found.

    Raises:
        PersonUnclear: there is none, or there are several.
    """
    if not found:
        raise PersonUnclear(
            "No candidate in the tables has this id or e-mail address: nothing was done."
        )
    if len(found) > 1:
        raise PersonUnclear(
            f"{len(found)} candidates match, and nothing was done: name one by its id."
        )
    return found[0]


def check_id(text: str) -> None:
    """Refuse an e-mail address where what is given is stored.

    Raises:
        BadSetting: it may be one.
    """
    if "@" in text:
        raise BadSetting(
            "person is an e-mail address, and Dagster stores the config of every run: give the id "
            "of the candidate, which `recruit-assets person` finds by the address."
        )


def export(
    database: duckdb.DuckDBPyConnection,
    endpoints: Collection[Endpoint],
    person: Match,
    file: Path,
) -> dict[str, int]:
    """Write everything about a person to a new file, which only its owner may read.

    Returns:
        The number of rows by table.

    Raises:
        BadSetting: the file exists already, or cannot be written.
    """
    rows = everything_of(database, endpoints, person.id)
    tables: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        tables.setdefault(row["table"], []).append(row)
    content = {
        "person": {"table": "recruit.candidates", "id": person.id},
        "exported_at": datetime.now(UTC),
        "tables": tables,
    }
    write_new(file, msgspec.json.format(msgspec.json.encode(content, enc_hook=str), indent=2))
    return {name: len(rows) for name, rows in tables.items()}


def write_new(file: Path, content: bytes) -> None:
    """Write a file that does not exist yet: all of it or nothing, and for its owner only.

    Raises:
        BadSetting: it exists already, or cannot be written.
    """
    part = file.with_name(f".{file.name}.{token_hex(4)}")
    try:
        if os.path.lexists(file):
            raise FileExistsError
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, file)
    except FileExistsError:
        raise BadSetting(f"{file} exists already: name a new file.") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadSetting(f"{file} cannot be written: {reason}.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
