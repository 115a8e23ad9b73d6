"""Requests about one person: find a candidate, export, forget, and remember it.

Contains what the command line and the jobs share: which person is meant, in which order the file is
changed, and the sentences about it. `load` has the queries. A sync calls `leave_out`, so that a
forgotten person stays forgotten.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import duckdb
import msgspec

from recruit_assets.catalogue import Endpoint
from recruit_assets.errors import BadSetting, DatabaseProblem, PersonUnclear
from recruit_assets.load.compact import compact
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.disk import PRIVATE
from recruit_assets.load.erasure import pending
from recruit_assets.load.forget import forget_more, forget_person, remember_person
from recruit_assets.load.forgotten import FORGOTTEN, forgotten_since
from recruit_assets.load.layout import META, check_version
from recruit_assets.load.obstacles import translate_table_errors
from recruit_assets.load.persons import Match, everything_of, matches
from recruit_assets.load.reading import is_made, reading
from recruit_assets.load.syncs import prepare_syncs
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS
from recruit_assets.reading import Reading
from recruit_assets.text import counted, were

WAIT_SECONDS = 60.0  # for a database that a sync is writing to
BY_HAND = "recruit-assets person"  # stored as the run of rows that no run erased


@dataclass(frozen=True)
class File:
    """Name the database of an account, and how to open it."""

    path: str
    account: str = ""
    wait_seconds: float = WAIT_SECONDS
    config: Mapping[str, Any] = field(default_factory=dict)

    @contextmanager
    def changed(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file for writing, in one transaction.

        Raises:
            DatabaseProblem: it cannot be written; nothing was changed.
        """
        with (
            connection(self.path, dict(self.config), self.wait_seconds) as database,
            translate_table_errors(f"{META}.{FORGOTTEN}"),
            transaction(database),
        ):
            prepare_syncs(database, self.account)
            yield database


def find(file: File, endpoints: Collection[Endpoint], wanted: str) -> list[Match]:
    """Return the candidates with an id or an e-mail address; nothing is changed.

    Raises:
        DatabaseProblem: the file cannot be read.
    """
    with _read(file) as database:
        return matches(database, endpoints, wanted)


def only(found: Sequence[Match]) -> Match:
    """Return the one candidate that was found.

    Raises:
        PersonUnclear: there is none, or there are several.
    """
    if not found:
        raise PersonUnclear(
            "No candidate in the tables was found by this id or e-mail address: nothing was done. "
            "An address is not found if it was erased, or if the column policy hashes or drops it: "
            "use the id."
        )
    if len(found) > 1:
        raise PersonUnclear(
            f"{len(found)} candidates match, and nothing was done: name one by its id."
        )
    return found[0]


def export(
    file: File, endpoints: Collection[Endpoint], person: Match, target: Path
) -> dict[str, int]:
    """Write everything about a person to a new file, which only its owner may read.

    Returns:
        The number of rows by table.

    Raises:
        BadSetting: the target exists already, or cannot be written.
        DatabaseProblem: the file cannot be read.
    """
    with _read(file) as database:
        rows = everything_of(database, endpoints, person.id)
    tables: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        tables.setdefault(row["table"], []).append(row)
    content = {
        "person": {"table": "recruit.candidates", "id": person.id},
        "exported_at": datetime.now(UTC),
        "tables": tables,
    }
    write_new(target, msgspec.json.format(msgspec.json.encode(content, enc_hook=str), indent=2))
    return {name: len(rows) for name, rows in tables.items()}


def forget(file: File, endpoints: Collection[Endpoint], person: Match, run_id: str) -> str:
    """Erase a person, down to the bytes of the file, and leave it out of syncs from now on.

    Returns:
        A sentence about what was done, without personal data.

    Raises:
        DatabaseProblem: nothing was changed; or it says that only the bytes are still there.
    """
    with file.changed() as database:
        since = forgotten_since(database, person.id)
        rows = {} if since else forget_person(database, endpoints, person.id, run_id)
    compacted = _make_final(file)
    if since:
        done = f"This person was forgotten already, on {since:%Y-%m-%d}."
        return f"{done} Values that were still in the database are gone." if compacted else done
    return (
        f"{_rows(rows)} erased, from the bytes of the database too, and syncs leave the person out "
        "from now on. Backups, exports and copies that were made earlier still have the data. "
        "Marts and the report follow when they are built."
    )


def rows_written(tables: Mapping[str, int]) -> str:
    """Return how many rows were exported, such as `1 row of 1 table was written`."""
    return f"{_rows(tables)} written"


def remember(file: File, id_: str) -> str:
    """Let syncs bring a forgotten person back; return a sentence about it.

    Raises:
        PersonUnclear: no forgotten person has this id.
        DatabaseProblem: the file cannot be written; nothing was changed.
    """
    with file.changed() as database:
        names = remember_person(database, id_)
    if not names:
        raise PersonUnclear(
            "No candidate with this id is forgotten: nothing was done. A forgotten person is named "
            "by the id, as the address is erased."
        )
    return (
        "The person is remembered. The next syncs of these endpoints read the whole list, and "
        f"bring back what the API still has: {', '.join(names)}."
    )


def leave_out(database: duckdb.DuckDBPyConnection, done: Reading, run_id: str) -> None:
    """Erase, in the transaction of a merge, what leads to records that its reading left out."""
    known = {each.name: each for each in (*KNOWN_ENDPOINTS, done.endpoint)}
    forget_more(
        database,
        list(known.values()),
        done.endpoint,
        key=done.state.forgotten.salt,
        left_out=done.left_out.records,
        returned=done.left_out.returned,
        run_id=run_id,
    )


def write_new(file: Path, content: bytes) -> None:
    """Write a file that does not exist yet: all of it or nothing, and for its owner only.

    Raises:
        BadSetting: it exists already, or cannot be written.
    """
    part = file.parent / f".{file.name}.{token_hex(4)}"
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


def _rows(tables: Mapping[str, int]) -> str:
    """Return the beginning of a sentence about rows by table, such as `2 rows of 1 table were`."""
    rows, filled = sum(tables.values()), sum(map(bool, tables.values()))
    return f"{counted(rows, 'row')} of {counted(filled, 'table')} {were(rows)}"


@contextmanager
def _read(file: File) -> Iterator[duckdb.DuckDBPyConnection]:
    if not is_made(file.path):
        raise DatabaseProblem(f"There is no {file.path} yet: run recruit-assets sync.")
    with reading(file.path, file.wait_seconds) as database:
        check_version(database)
        yield database


def _make_final(file: File) -> bool:
    """Compact the file if it still holds erased values; return whether it did.

    Raises:
        DatabaseProblem: it could not be compacted.
    """
    with connection(file.path, dict(file.config), file.wait_seconds) as database:
        if not pending(database):
            return False
    try:
        compact(file.path, file.wait_seconds, file.config)
    except DatabaseProblem as error:
        raise DatabaseProblem(
            f"The person is erased from the tables, and syncs leave it out. But the database could "
            f"not be compacted, so the bytes are still in it: {error} Run the job compact; "
            "otherwise a later run does it."
        ) from error
    return True
