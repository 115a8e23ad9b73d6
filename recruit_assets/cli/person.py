"""The command `person`: list, export, forget or remember one candidate."""

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console

from recruit_assets.cli import display
from recruit_assets.cli.doctor import Readiness, misplaced_secrets
from recruit_assets.errors import BadSetting, DatabaseProblem, PersonUnclear
from recruit_assets.load.persons import Match
from recruit_assets.load.read_copy import publish
from recruit_assets.marts.build import published_columns
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS
from recruit_assets.person import (
    BY_HAND,
    File,
    export,
    find,
    forget,
    only,
    remember,
    rows_written,
)
from recruit_assets.settings import Settings
from recruit_assets.text import counted, one_line
from recruit_assets.variables import clashes

LEFT = "The person was erased before: these are the rows that are left."


def person(chosen: argparse.Namespace, _: Collection[str]) -> Readiness:
    """Do what was asked for one person; print what was done, or why nothing was."""
    screen, path = display.console(), Settings.from_environment(chosen.account).database
    try:
        if misplaced := list(misplaced_secrets(chosen.account)):
            raise BadSetting(*misplaced)
        _answer(screen, File(path, chosen.account), chosen)
    except (BadSetting, DatabaseProblem, PersonUnclear) as error:
        screen.print(str(error))
        failing = isinstance(error, DatabaseProblem)
        return Readiness.FAILING if failing else Readiness.RESTRICTED
    return Readiness.GOOD


def _answer(screen: Console, file: File, chosen: argparse.Namespace) -> None:
    found = find(file, KNOWN_ENDPOINTS, chosen.person)
    if chosen.remember:
        screen.print(remember(file, found[0].id if len(found) == 1 else chosen.person))
        return
    if len(found) != 1 or not chosen.export:
        _show(screen, found)
    match = only(found)
    if chosen.export:
        tables = export(file, KNOWN_ENDPOINTS, match, Path(chosen.export))
        screen.print(f"{rows_written(tables)} to {one_line(chosen.export)}.")
        if match.erased:
            screen.print(LEFT)
    elif chosen.forget:
        if not chosen.yes:
            _confirm(match)
        screen.print(forget(file, KNOWN_ENDPOINTS, match, BY_HAND))
        _publish(screen, file, chosen.account)


def _publish(screen: Console, file: File, account: str) -> None:
    """Publish the read copy again, if there is to be one, as the old one may have the person.

    Raises:
        DatabaseProblem: it cannot be published.
    """
    settings, problems = Settings.from_environment(account), list(clashes(account))
    if not (settings.read_copy or problems):
        return
    columns = None if settings.read_copy_personal else published_columns(settings.endpoints)
    try:
        if problems:
            raise BadSetting(*problems)
        publish(file.path, settings.read_copy, file.wait_seconds, file.config, columns)
    except (BadSetting, DatabaseProblem) as error:
        raise DatabaseProblem(
            "The read copy was not published again, so the person may still be in the one that "
            f"readers have: {error} The next run tries again."
        ) from error
    screen.print("The read copy was published without the person.")


def _confirm(match: Match) -> None:
    """Ask on the terminal whether to forget a person.

    Raises:
        PersonUnclear: the answer is not its id, or there is no terminal to ask on.
    """
    question = (
        f"To erase {counted(match.records, 'row')} for good, and leave the person out of syncs, "
        f"type the id {one_line(match.id)}: "
    )
    if not sys.stdin.isatty():
        raise PersonUnclear("There is no terminal to ask on: nothing was done. Confirm with --yes.")
    if input(question).strip() != match.id:
        raise PersonUnclear("That is not the id: nothing was done.")


def _show(screen: Console, found: Sequence[Match]) -> None:
    """Print the candidates, without personal data."""
    if not found:
        return
    grid = display.table("id", "created (UTC)", ">rows", "state")
    for each in found:
        state = "erased" if each.erased else "deleted" if each.deleted else "current"
        state = state if each.has_row else "no row"
        created = f"{each.created_at:%Y-%m-%d %H:%M}" if each.created_at else display.UNKNOWN
        grid.add_row(one_line(each.id), created, f"{each.records:,}", state)
    screen.print(grid)
