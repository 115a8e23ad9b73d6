"""The layout that all commands share: tables, paragraphs, notes, numbers and times.

`doctor_report`, `status_report` and `sync_report` decide what is printed.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from recruit_assets.extract.report import duration
from recruit_assets.text import one_line

UNKNOWN, NONE = "?", "-"
COLUMNS_NAMED = 3  # of each policy


def console() -> Console:
    """Return a console that prints names and addresses unchanged."""
    return Console(markup=False, highlight=False, emoji=False)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show a progress bar on standard error while the block runs, if that is a terminal.

    Its tasks need a field `name`, the current item.
    """
    # A descriptor of its own, because Dagster redirects standard error while steps run.
    with os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace") as terminal:
        screen = Console(file=terminal, markup=False, highlight=False, emoji=False)
        with Progress(
            TextColumn("{task.description} {task.fields[name]}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=screen,
            transient=True,
            disable=not screen.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as bar:
            yield bar


def table(*headers: str) -> Table:
    """Return a table; `>` before a header aligns its column to the right."""
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        name = header.removeprefix(">")
        grid.add_column(name, justify="left" if name == header else "right", overflow="fold")
    return grid


def heading(screen: Console, text: str) -> None:
    """Print a heading, after an empty line."""
    screen.print(f"\n{text}", style="bold")


def paragraph(screen: Console, text: str) -> None:
    """Print an indented text, or nothing if it is empty."""
    if text:
        screen.print(Padding(text, (0, 0, 0, 2)))


def notes(screen: Console, texts: Iterable[str]) -> None:
    """Print indented texts that need attention."""
    for text in texts:
        screen.print(Padding(text, (0, 0, 0, 2)), style="yellow")


def policy_line(limited: Mapping[str, Sequence[str]]) -> str:
    """Return a sentence on the columns that are hashed and dropped; empty without any.

    Args:
        limited: the columns by policy, `hash` or `drop`.
    """
    parts = []
    for policy, columns in limited.items():
        more = len(columns) - COLUMNS_NAMED
        named = ", ".join(columns[:COLUMNS_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        parts.append(f"{policy} {named}")
    return one_line(f"Column policy: {'; '.join(parts)}.") if parts else ""


def print_json(found: object) -> None:
    """Print JSON on standard output, with characters outside ASCII escaped."""
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


def number(count: int | None) -> str:
    """Return a count with separators, or a question mark."""
    return UNKNOWN if count is None else f"{count:,}"


def since(time: datetime | None, now: datetime) -> str:
    """Return how long ago a time was, or a dash if that is unknown."""
    seconds = age(time, now)
    return NONE if seconds is None else duration(seconds)


def age(time: datetime | None, now: datetime) -> float | None:
    """Return the seconds since a time; None if it is unknown or in the future."""
    return None if time is None or time > now else (now - time).total_seconds()


def iso(time: datetime | None) -> str | None:
    """Return a time in ISO 8601 and UTC; None if it is unknown."""
    return time.astimezone(UTC).isoformat() if time else None
