"""The command `recruit-assets`: `doctor` before a sync, `sync`, `status` after it, and others.

Contains arguments and exit codes. `sync` is imported only when it runs, as Dagster takes seconds.
"""

import argparse
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from recruit_assets.cli import display, doctor_report, status_report
from recruit_assets.cli.dbt_sources import dbt_sources
from recruit_assets.cli.doctor import Readiness, examine, misplaced_secrets
from recruit_assets.cli.person import person
from recruit_assets.environment import chosen_account, load_env_file
from recruit_assets.errors import BadSetting, DatabaseProblem
from recruit_assets.load.column_policies import limited_columns
from recruit_assets.load.erasure import Pending, pending
from recruit_assets.load.forgotten import ForgottenCount, count_forgotten
from recruit_assets.load.overview import TableStatus, left_over, overview
from recruit_assets.load.read_copy import CopyStatus, copy_status
from recruit_assets.load.reading import is_made, reading
from recruit_assets.settings import Settings
from recruit_assets.text import one_line

WAIT_SECONDS = 2.0  # for a database that another process is writing to
CODES = "Exit code: 0 all is well, 1 with restrictions, 2 "
INTERRUPTED = 130  # as shells number it
AS_JSON = "print JSON, for machines"


@dataclass(frozen=True)
class Stored:
    """Hold what the status of a database is."""

    tables: Sequence[TableStatus]
    erased: Pending | None = None
    limited: Mapping[str, Sequence[str]] = field(default_factory=dict)  # columns by policy
    forgotten: ForgottenCount = field(default_factory=ForgottenCount)
    copy: CopyStatus | None = None  # None if there is to be no read copy
    left_over: Sequence[TableStatus] = ()  # tables that are not synced any more


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    whole = parser()
    chosen = whole.parse_args(arguments)
    from_file = load_env_file()
    try:
        chosen.account = chosen_account(chosen.account)
    except BadSetting as error:
        whole.error(str(error))
    try:
        code = int(chosen.run(chosen, from_file))
        sys.stdout.flush()
    except BrokenPipeError:  # as of `| head`
        # Python flushes at exit, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(prog="recruit-assets")
    whole.add_argument(
        "--version", action="version", version=f"recruit-assets {version('recruit-assets')}"
    )
    commands = whole.add_subparsers(
        required=True, metavar="{doctor,sync,status,person,dbt-sources}"
    )

    def command(name: str, about: str, codes: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about, epilog=codes)
        made.add_argument(
            "--account",
            metavar="NAME",
            help="the account, if RECRUIT_ACCOUNTS names several",
        )
        return made

    about = "Show what a sync would find and cost. Changes nothing."
    doctors = command("doctor", about, f"{CODES}a sync would fail.")
    doctors.add_argument("--json", action="store_true", help=AS_JSON)
    doctors.add_argument(
        "--accept-unavailable",
        action="store_true",
        help="do not count endpoints that the key or the account lacks as a restriction",
    )
    doctors.set_defaults(run=doctor)

    about = "Sync the tables, then build the marts and the report, as a Dagster run."
    syncs = command("sync", about, "Exit code: 0 it succeeded, 1 it failed, 130 it was stopped.")
    _add_sync_arguments(syncs)
    syncs.set_defaults(run=sync)

    about = "Show what is in the tables, and how fresh it is. Changes nothing."
    states = command("status", about, f"{CODES}the database cannot be read.")
    states.add_argument("--json", action="store_true", help=AS_JSON)
    states.set_defaults(run=status)

    about = (
        "List the candidates with an id or an e-mail address; export, forget or remember one of "
        "them. Users, who are staff, are not looked for."
    )
    codes = "Exit code: 0 done, 1 not exactly one candidate matches, or nothing was done, 2 "
    persons = command("person", about, f"{codes}the database cannot be used.")
    _add_person_arguments(persons)
    persons.set_defaults(run=person)

    about = "Print the tables as sources of a dbt project (1.10 or later), in YAML."
    sources = command("dbt-sources", about, "Exit code: 0 done, 1 a setting is wrong.")
    sources.set_defaults(run=dbt_sources)
    return whole


def _add_sync_arguments(syncs: argparse.ArgumentParser) -> None:
    syncs.add_argument(
        "--select",
        metavar="ASSETS",
        default="",
        help="only these assets, such as jobs,users or group:hiring",
    )
    syncs.add_argument(
        "--full", action="store_true", help="read every list in full, which also finds deletions"
    )


def _add_person_arguments(persons: argparse.ArgumentParser) -> None:
    persons.add_argument("person", metavar="ID_OR_EMAIL", help="of the candidate")
    actions = persons.add_mutually_exclusive_group()
    actions.add_argument(
        "--export", metavar="FILE", help="write everything about the candidate to a new JSON file"
    )
    actions.add_argument(
        "--forget",
        action="store_true",
        help="erase the candidate and all that leads to it, and leave it out of later syncs",
    )
    actions.add_argument(
        "--remember",
        action="store_true",
        help="let the next syncs bring a forgotten candidate back",
    )
    persons.add_argument("--yes", action="store_true", help="forget without asking")


def doctor(chosen: argparse.Namespace, from_file: Collection[str]) -> Readiness:
    """Print what a sync would find; `from_file` holds the names that `.env` sets."""
    with display.progress() as progress:
        total = len(Settings.from_environment(chosen.account).endpoints)
        task = progress.add_task("Asking", total=total, name="")
        found = examine(
            chosen.account,
            from_file,
            lambda each: progress.update(task, advance=1, name=each.endpoint.name),
            accept_unavailable=chosen.accept_unavailable,
        )
    if chosen.json:
        display.print_json(doctor_report.diagnosis_as_json(found))
    else:
        doctor_report.show_diagnosis(display.console(), found)
    return found.readiness


def sync(chosen: argparse.Namespace, _: Collection[str]) -> int:
    """Run a sync, and print what it did."""
    # Importing the definitions reads the settings, and tunes this process for syncs.
    from recruit_assets.cli import sync as syncing  # noqa: PLC0415

    return syncing.sync(chosen.select, full=chosen.full, name=chosen.account)


def status(chosen: argparse.Namespace, _: Collection[str]) -> Readiness:
    """Print the state of the tables."""
    settings, screen = Settings.from_environment(chosen.account), display.console()
    path = settings.database
    try:
        if misplaced := list(misplaced_secrets(chosen.account)):
            raise BadSetting(*misplaced)
        stored = _stored(settings)
    except (BadSetting, DatabaseProblem) as error:
        if chosen.json:
            display.print_json({"problem": str(error)})
        else:
            screen.print(str(error))
        return Readiness.FAILING
    now = datetime.now(UTC)
    if chosen.json:
        found: dict[str, Any] = {
            "database": path,
            "tables": status_report.tables_as_json(stored.tables, now),
            "not_synced": status_report.tables_as_json(stored.left_over, now),
            "erasure_pending": status_report.erasure_as_json(stored.erased),
            "column_policy": stored.limited,
            "forgotten": status_report.forgotten_as_json(stored.forgotten),
        }
        display.print_json(found | status_report.read_copy_as_json(stored.copy))
    elif is_made(path):
        status_report.show_tables(screen, stored.tables, now)
        status_report.show_left_over(screen, stored.left_over)
        status_report.show_policy(screen, stored.limited)
        status_report.show_erasure(screen, stored.erased)
        status_report.show_forgotten(screen, stored.forgotten)
        status_report.show_read_copy(screen, stored.copy)
    else:
        screen.print(
            f"There is no {one_line(path)} yet. See what a sync would take with recruit-assets "
            "doctor, then run recruit-assets sync."
        )
    good = status_report.all_proven(stored.tables) and not (stored.copy and stored.copy.problem)
    return Readiness.GOOD if good else Readiness.RESTRICTED


def _stored(settings: Settings) -> Stored:
    path, copy = settings.database, settings.read_copy
    if not is_made(path):
        return Stored([TableStatus(each.name) for each in settings.endpoints])
    with reading(path, WAIT_SECONDS) as database:
        return Stored(
            overview(database, settings.endpoints),
            pending(database),
            limited_columns(database),
            count_forgotten(database),
            copy_status(database, copy, WAIT_SECONDS) if copy else None,
            left_over(database, settings.unnamed),
        )
