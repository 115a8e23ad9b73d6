"""The command `person`: what the tables hold of one candidate, listed or exported."""

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console

from recruit_assets.cli import display
from recruit_assets.cli.doctor import Readiness, misplaced_secrets
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import BadSetting, DatabaseProblem, PersonUnclear
from recruit_assets.load.layout import check_version
from recruit_assets.load.persons import Match, matches
from recruit_assets.load.reading import is_made, reading
from recruit_assets.person import export, only
from recruit_assets.settings import Settings
from recruit_assets.text import one_line

WAIT_SECONDS = 60.0  # for a database that a sync is writing to


def person(chosen: argparse.Namespace, _: Collection[str]) -> Readiness:
    """Do what was asked for one person; print what was done, or why nothing was."""
    screen, path = display.console(), Settings.from_environment(chosen.account).database
    try:
        if misplaced := list(misplaced_secrets(chosen.account)):
            raise BadSetting(*misplaced)
        if not is_made(path):
            raise DatabaseProblem(f"There is no {path} yet: run recruit-assets sync.")
        return _answer(screen, path, chosen)
    except (BadSetting, DatabaseProblem, PersonUnclear) as error:
        screen.print(str(error))
        failing = isinstance(error, DatabaseProblem)
        return Readiness.FAILING if failing else Readiness.RESTRICTED


def _answer(screen: Console, path: str, chosen: argparse.Namespace) -> Readiness:
    with reading(path, WAIT_SECONDS) as database:
        check_version(database)
        found = matches(database, ENDPOINTS, chosen.person)
        if len(found) > 1 or not chosen.export:
            _show(screen, found)
        match = only(found)
        if chosen.export:
            tables = export(database, ENDPOINTS, match, Path(chosen.export))
            rows = f"{sum(tables.values()):,} rows of {len(tables)} tables"
            screen.print(f"{rows} were written to {one_line(chosen.export)}.")
            if match.erased:
                screen.print("The person was erased before: these are the rows that are left.")
    return Readiness.GOOD


def _show(screen: Console, found: Sequence[Match]) -> None:
    """Print the candidates, without personal data."""
    if not found:
        return
    grid = display.table("id", "created (UTC)", ">rows about it", "state")
    for each in found:
        state = "erased" if each.erased else "deleted" if each.deleted else "current"
        created = f"{each.created_at:%Y-%m-%d %H:%M}" if each.created_at else display.UNKNOWN
        grid.add_row(one_line(each.id), created, f"{each.records:,}", state)
    screen.print(grid)
