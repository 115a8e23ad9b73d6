"""The state of the tables, for a terminal and as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from recruit_assets.cli.display import (
    NONE,
    UNKNOWN,
    age,
    iso,
    notes,
    paragraph,
    policy_line,
    since,
    table,
)
from recruit_assets.extract.report import Verdict
from recruit_assets.load.erasure import Pending
from recruit_assets.load.forgotten import ForgottenCount
from recruit_assets.load.overview import TableStatus
from recruit_assets.load.read_copy import CopyStatus
from recruit_assets.text import counted, one_line


def show_tables(screen: Console, tables: Sequence[TableStatus], now: datetime) -> None:
    """Print the state of the tables."""
    grid = table("table", ">rows", ">deleted", "last sync (UTC)", "verdict", ">behind by")
    for each in tables:
        grid.add_row(
            each.table,
            f"{each.rows:,}",
            f"{each.deleted:,}",
            _ended(each),
            one_line(each.verdict or NONE),
            since(each.values_as_of, now),
            style=None if _is_proven(each) else "yellow",
        )
    rows, deleted = sum(each.rows for each in tables), sum(each.deleted for each in tables)
    grid.add_section()
    grid.add_row(f"all {len(tables)}", f"{rows:,}", f"{deleted:,}")
    screen.print(grid)
    paragraph(screen, "behind by: how old the values may be, by the last verified sync.")
    notes(
        screen,
        [
            one_line(f"{each.table}, {each.verdict}: {each.reason}")
            for each in tables
            if each.reason
        ],
    )
    if not all(each.verdict for each in tables):
        paragraph(screen, "Some tables were never synced: run recruit-assets sync.")


def tables_as_json(tables: Sequence[TableStatus], now: datetime) -> list[dict[str, Any]]:
    """Return the state of the tables for machines; times in ISO 8601."""
    return [
        {
            "table": each.table,
            "rows": each.rows,
            "deleted": each.deleted,
            "last_sync": iso(each.synced_at),
            "verdict": each.verdict,
            "reason": each.reason,
            "last_complete": iso(each.complete_at),
            "values_as_of": iso(each.values_as_of),
            "read_as_of": iso(each.read_as_of),
            "behind_by_seconds": age(each.values_as_of, now),
        }
        for each in tables
    ]


def show_left_over(screen: Console, tables: Sequence[TableStatus]) -> None:
    """Print which tables have rows and are not synced any more, if there are any."""
    notes(
        screen,
        [
            f"{each.table}: not synced any more, as RECRUIT_MORE_ENDPOINTS does not name it; the "
            f"last sync (UTC): {_ended(each)}. Its rows stay until you drop the table."
            for each in tables
        ],
    )


def show_policy(screen: Console, limited: Mapping[str, Sequence[str]]) -> None:
    """Print which columns the tables have hashed, or do not have, if there are any."""
    paragraph(screen, policy_line(limited))


def show_erasure(screen: Console, erased: Pending | None) -> None:
    """Print how many rows were erased from the tables but are still in the bytes of the file."""
    if erased:
        from_ = f"{erased.since.astimezone(UTC):%Y-%m-%d %H:%M}"
        lost = f"{counted(erased.rows, 'row')} lost personal data that the database still holds"
        notes(
            screen, [f"{lost}, since {from_} (UTC). The next run compacts it, once a day at most."]
        )


def erasure_as_json(erased: Pending | None) -> dict[str, Any] | None:
    """Return the erased rows that are still in the file, for machines."""
    return {"rows": erased.rows, "since": iso(erased.since)} if erased else None


def show_read_copy(screen: Console, copy: CopyStatus | None) -> None:
    """Print where the read copy is, when it was published, and what is wrong with it, if any."""
    if copy:
        at = f"{copy.published:%Y-%m-%d %H:%M} (UTC)" if copy.published else "not yet"
        paragraph(screen, f"Read copy: {one_line(copy.path)}, published {at}.")
        notes(screen, [one_line(copy.problem)] if copy.problem else [])


def read_copy_as_json(copy: CopyStatus | None) -> dict[str, Any]:
    """Return the read copy for machines, by its name; nothing if there is to be none."""
    if copy is None:
        return {}
    published = iso(copy.published)
    found = {"path": copy.path, "published": published, "problem": copy.problem or None}
    return {"read_copy": found}


def show_forgotten(screen: Console, found: ForgottenCount) -> None:
    """Print how many persons are forgotten, if there are any."""
    if found.persons:
        persons = f"Forgotten persons: {found.persons:,}."
        left_out = counted(found.records, "record")
        paragraph(screen, f"{persons} Syncs leave out {left_out} of theirs.")


def forgotten_as_json(found: ForgottenCount) -> dict[str, int] | None:
    """Return how many persons are forgotten, for machines."""
    return {"persons": found.persons, "records": found.records} if found.persons else None


def all_proven(tables: Iterable[TableStatus]) -> bool:
    """Return whether the last sync of every table was proven."""
    return all(map(_is_proven, tables))


def _is_proven(found: TableStatus) -> bool:
    return found.verdict in {each.value for each in Verdict if each.proven}


def _ended(found: TableStatus) -> str:
    """Return when the last sync ended, if there was one and its clock is plausible."""
    if found.synced_at is None:
        return UNKNOWN if found.verdict else "never"
    return f"{found.synced_at.astimezone(UTC):%Y-%m-%d %H:%M}"
