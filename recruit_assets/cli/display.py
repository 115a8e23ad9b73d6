"""The output of the doctor and of the state of the tables, for a terminal and as JSON.

Contains words, columns and widths. `doctor` and `load.overview` provide the data.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from recruit_assets.cli.doctor import Diagnosis, Readiness
from recruit_assets.extract.probe import Probe, ProbeState
from recruit_assets.extract.report import Verdict, duration
from recruit_assets.load.erasure import Pending
from recruit_assets.load.overview import TableStatus
from recruit_assets.text import one_line

UNKNOWN, NONE = "?", "-"
RESULTS = {
    Readiness.GOOD: "All is well: a sync would bring everything.",
    Readiness.RESTRICTED: "A sync would work, with the restrictions above.",
    Readiness.FAILING: (
        "A sync would fail: fix the problem above and run `recruit-assets doctor` again."
    ),
}
MEANINGS = (
    "changes: whether it can be asked for changed records alone; - where records tell no change.\n"
    "complete: how long ago the last sync began that proved nothing is missing.\n"
)


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints names and addresses unchanged."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def progress() -> Progress:
    """Return a progress bar on standard error, disabled if that is not a terminal.

    Its tasks need a field `name`, the current item.
    """
    screen = console(stderr=True)
    return Progress(
        TextColumn("{task.description} {task.fields[name]}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )


def show_diagnosis(screen: Console, found: Diagnosis) -> None:
    """Print the findings of the doctor."""
    _heading(screen, "Settings")
    grid = _table("setting", "value", "from")
    for each in found.settings:
        grid.add_row(each.name, one_line(each.value), each.origin)
    screen.print(grid)
    _paragraph(screen, found.setting_problem)
    if not found.setting_problem:
        _heading(screen, "API")
        _paragraph(screen, found.api_problem or "It can be reached, and takes key and version.")
    if found.probes:
        _show_probes(screen, found)
        _heading(screen, "A full sync")
        _paragraph(screen, _forecast(found))
    _heading(screen, "Database")
    _paragraph(screen, found.database_problem or _database(found))
    screen.print(f"\n{RESULTS[found.readiness]}", style="bold")


def diagnosis_as_json(found: Diagnosis) -> dict[str, Any]:
    """Return the findings of the doctor for machines; times in ISO 8601, sizes in bytes."""
    tables = {each.table: each for each in found.tables}
    return {
        "readiness": found.readiness.name.lower(),
        "settings": {
            each.name: {"value": each.value, "from": each.origin} for each in found.settings
        },
        "setting_problem": found.setting_problem or None,
        "api_problem": found.api_problem or None,
        "endpoints": [_probe_as_json(each, tables) for each in found.probes],
        "full_sync": {
            "requests": found.requests,
            "seconds_at_the_budget": found.seconds,
            "estimated_bytes": found.disk and round(found.disk),
        },
        "database": {
            "path": found.database,
            "exists": found.database_made,
            "problem": found.database_problem or None,
        },
    }


def show_tables(screen: Console, tables: Sequence[TableStatus], now: datetime) -> None:
    """Print the state of the tables."""
    grid = _table("table", ">rows", ">deleted", "last sync (UTC)", "verdict", ">behind by")
    for each in tables:
        grid.add_row(
            each.table,
            f"{each.rows:,}",
            f"{each.deleted:,}",
            _ended(each),
            one_line(each.verdict or NONE),
            _since(each.proven_at, now) or NONE,
            style=None if _is_proven(each) else "yellow",
        )
    rows, deleted = sum(each.rows for each in tables), sum(each.deleted for each in tables)
    grid.add_section()
    grid.add_row(f"all {len(tables)}", f"{rows:,}", f"{deleted:,}")
    screen.print(grid)
    _paragraph(screen, "behind by: how long ago the last sync began that proved what it brought.")
    _notes(
        screen,
        [
            one_line(f"{each.table}, {each.verdict}: {each.reason}")
            for each in tables
            if each.reason
        ],
    )
    if not all(each.verdict for each in tables):
        _paragraph(screen, "What was never synced can be materialized: see the README.")


def tables_as_json(tables: Sequence[TableStatus], now: datetime) -> list[dict[str, Any]]:
    """Return the state of the tables for machines; times in ISO 8601."""
    return [
        {
            "table": each.table,
            "rows": each.rows,
            "deleted": each.deleted,
            "last_sync": _iso(each.synced_at),
            "verdict": each.verdict,
            "reason": each.reason,
            "last_complete": _iso(each.complete_at),
            "behind_by_seconds": _age(each.proven_at, now),
        }
        for each in tables
    ]


def show_erasure(screen: Console, erased: Pending | None) -> None:
    """Print how many rows were erased from the tables but are still in the bytes of the file."""
    if erased:
        since = f"{erased.since.astimezone(UTC):%Y-%m-%d %H:%M}"
        told = f"{erased.rows:,} rows lost personal data that the file still holds, since {since}"
        _notes(screen, [f"{told} (UTC). The next run compacts it, once a day at most."])


def erasure_as_json(erased: Pending | None) -> dict[str, Any] | None:
    """Return the erased rows that are still in the file, for machines."""
    return {"rows": erased.rows, "since": _iso(erased.since)} if erased else None


def all_proven(tables: Iterable[TableStatus]) -> bool:
    """Return whether the last sync of every table was proven."""
    return all(map(_is_proven, tables))


def _is_proven(table: TableStatus) -> bool:
    return table.verdict in {each.value for each in Verdict if each.proven}


def _show_probes(screen: Console, found: Diagnosis) -> None:
    complete = {each.table: each.complete_at for each in found.tables}
    now = datetime.now(UTC)
    grid = _table("endpoint", "state", ">records", ">pages", ">requests", "changes", ">complete")
    for each in found.probes:
        grid.add_row(
            each.endpoint.name,
            each.state.value,
            *(_number(count) for count in (each.records, each.pages, each.requests)),
            _takes_filter(each),
            _since(complete.get(each.endpoint.name), now) or NONE,
            style=None if each.state is ProbeState.READABLE and not each.refused else "yellow",
        )
    screen.print(grid)
    _paragraph(screen, MEANINGS)
    _notes(screen, [str(each.error) for each in found.probes if each.error])
    _notes(
        screen,
        [
            one_line(f"{each.endpoint.name} refuses {text}.")
            for each in found.probes
            for text in each.refused
        ],
    )


def _takes_filter(found: Probe) -> str:
    if not found.endpoint.dated:
        return NONE
    return {True: "yes", False: "no", None: UNKNOWN}[found.takes_filter]


def _forecast(found: Diagnosis) -> str:
    if found.requests is None:
        return (
            "How many requests it takes cannot be told, as an endpoint fails, refuses too much, or "
            "does not count its records."
        )
    if found.seconds is None:
        time = "no budget is set, so it takes as long as the API does"
    else:
        time = (
            f"{duration(found.seconds)} at the budget of {found.requests_per_10s} "
            "requests in 10 seconds"
        )
    disk = f"about {found.disk / 1e6:,.0f} MB" if found.disk is not None else "not known"
    return (
        f"Requests: {found.requests:,}.\nTime: {time}.\n"
        f"Disk: {disk}, an estimate from the first page of each."
    )


def _database(found: Diagnosis) -> str:
    path = one_line(found.database)
    if not found.database_made:
        return f"{path} is not there yet, and can be: the first sync makes it."
    room = "Rows that were replaced take more room than those that are there: run the job compact."
    return f"{path} can be written, and nobody holds it." + f"\n{room}" * found.is_bloated


def _probe_as_json(found: Probe, tables: dict[str, TableStatus]) -> dict[str, Any]:
    table = tables.get(found.endpoint.name)
    return {
        "endpoint": found.endpoint.name,
        "state": found.state.value,
        "reason": str(found.error) if found.error else None,
        "records": found.records,
        "pages": found.pages,
        "requests": found.requests,
        "refused": found.refused,
        "takes_updated_at_filter": found.takes_filter,
        "last_complete": _iso(table.complete_at) if table else None,
    }


def _table(*headers: str) -> Table:
    """Return a table; `>` before a header aligns its column to the right."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        name = header.removeprefix(">")
        table.add_column(name, justify="left" if name == header else "right", overflow="fold")
    return table


def _heading(screen: Console, text: str) -> None:
    screen.print(f"\n{text}", style="bold")


def _paragraph(screen: Console, text: str) -> None:
    if text:
        screen.print(Padding(text, (0, 0, 0, 2)))


def _notes(screen: Console, notes: Iterable[str]) -> None:
    for note in notes:
        screen.print(Padding(note, (0, 0, 0, 2)), style="yellow")


def _number(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count:,}"


def _ended(table: TableStatus) -> str:
    """Return when the last sync ended, if there was one and its clock is plausible."""
    if table.synced_at is None:
        return UNKNOWN if table.verdict else "never"
    return f"{table.synced_at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _since(time: datetime | None, now: datetime) -> str:
    age = _age(time, now)
    return "" if age is None else duration(age)


def _age(time: datetime | None, now: datetime) -> float | None:
    """Return the seconds since a time; None if it is unknown or in the future."""
    return None if time is None or time > now else (now - time).total_seconds()


def _iso(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat() if time else None
