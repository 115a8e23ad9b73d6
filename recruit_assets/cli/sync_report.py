"""What a sync did, for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Console

from recruit_assets.cli.display import notes, table
from recruit_assets.extract.report import Verdict, duration
from recruit_assets.text import counted, one_line, unescaped

CHECK_OF_THE_VERDICT = "sync_is_complete"


@dataclass(frozen=True)
class TableSync:
    """Hold what the sync of one table did."""

    COUNTS: ClassVar = ("inserted", "updated", "deleted", "unchanged", "requests")
    CHANGES: ClassVar = ("inserted", "updated", "deleted", "undeleted", "rewritten")

    name: str
    rows: int  # current rows afterwards
    inserted: int
    updated: int
    deleted: int
    unchanged: int
    undeleted: int
    rewritten: int  # because the column policy has changed
    requests: int
    verdict: str
    reason: str  # why nothing is proven; else empty

    @property
    def is_proven(self) -> bool:
        """Return whether the sync proved what it read."""
        return Verdict(self.verdict).proven


@dataclass(frozen=True)
class FailedCheck:
    """Hold a check that failed; `says` is Markdown."""

    asset: str
    check: str
    message: str


@dataclass(frozen=True)
class SyncRun:
    """Hold the results of a run."""

    tables: Sequence[TableSync]
    elsewhere: Sequence[str]  # why nothing was read, one sentence or two each
    failures: Sequence[str]  # one sentence each
    skipped: Sequence[str]  # steps
    failed_checks: Sequence[FailedCheck]
    report: str | None  # path of the hiring report, if it was written
    seconds: float
    stopped: bool  # by a signal


def show_run(screen: Console, run: SyncRun) -> None:
    """Print the results of a run."""
    if run.tables:
        _show_tables(screen, run.tables)
    unproven = [each for each in run.tables if not each.is_proven]
    notes(screen, [one_line(f"{each.name}, {each.verdict}: {each.reason}") for each in unproven])
    notes(screen, [one_line(each) for each in run.elsewhere])
    names = {each.name for each in unproven}
    notes(
        screen,
        [
            one_line(f"{each.asset}, check {each.check}: {unescaped(each.message) or 'failed'}")
            for each in run.failed_checks
            if not (each.asset in names and each.check == CHECK_OF_THE_VERDICT)
        ],
    )
    if run.stopped:
        screen.print("Stopped. Tables that were committed stay; the next sync brings the rest.")
        return
    for sentence in run.failures:
        screen.print(one_line(sentence), style="red")
    if run.skipped:
        screen.print(f"Skipped, because others failed: {', '.join(run.skipped)}.")
    if run.report:
        screen.print(f"The hiring report is in {one_line(_typed(run.report))}.")
    screen.print(_summary(run), style="bold")


def _show_tables(screen: Console, tables: Sequence[TableSync]) -> None:
    grid = table("table", ">rows", *(f">{name}" for name in TableSync.COUNTS))
    for each in tables:
        counts = (each.rows, *(getattr(each, name) for name in TableSync.COUNTS))
        style = None if each.is_proven else "yellow"
        grid.add_row(each.name, *(f"{count:,}" for count in counts), style=style)
    if len(tables) > 1:
        names = ("rows", *TableSync.COUNTS)
        totals = [sum(getattr(each, name) for each in tables) for name in names]
        grid.add_section()
        grid.add_row(f"all {len(tables)}", *(f"{total:,}" for total in totals))
    screen.print(grid)


def _summary(run: SyncRun) -> str:
    totals = {name: sum(getattr(each, name) for each in run.tables) for name in TableSync.CHANGES}
    did = [f"{total:,} {name}" for name, total in totals.items() if total] or ["nothing changed"]
    requests = counted(sum(each.requests for each in run.tables), "request")
    done = f": {', '.join(did)}, {requests}" if run.tables else ""
    return f"{'Failed' if run.failures else 'Done'} in {duration(run.seconds)}{done}."


def _typed(path: str) -> str:
    """Return a path as the user would type it here."""
    whole, here = Path(path).absolute(), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
