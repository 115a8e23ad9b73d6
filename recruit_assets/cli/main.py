"""The command `recruit-assets`: `doctor` before a sync, `status` after it.

Contains arguments and exit codes. Dagster's own commands run the syncs.
"""

import argparse
import json
import sys
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from recruit_assets.cli import display
from recruit_assets.cli.doctor import Readiness, examine
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.erasure import Pending, pending
from recruit_assets.load.overview import TableStatus, overview
from recruit_assets.load.reading import is_made, reading
from recruit_assets.settings import Settings, load_env_file
from recruit_assets.text import one_line

WAIT_SECONDS = 2.0  # for a database that another process is writing to
CODES = "Exit code: 0 all is well, 1 with restrictions, 2 "


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="recruit-assets")
    commands = parser.add_subparsers(required=True, metavar="{doctor,status}")
    for run, about, code in (
        (doctor, "What a sync would find and take. Changes nothing.", "a sync would fail."),
        (status, "What is in the tables, and how fresh. Changes nothing.", "it cannot be read."),
    ):
        command = commands.add_parser(
            run.__name__, help=about, description=about, epilog=CODES + code
        )
        command.add_argument("--json", action="store_true", help="print JSON, for machines")
        command.set_defaults(run=run)
    chosen = parser.parse_args(arguments)
    readiness: Readiness = chosen.run(load_env_file(), as_json=chosen.json)
    return readiness


def doctor(from_file: Collection[str], *, as_json: bool) -> Readiness:
    """Print what a sync would find; `from_file` holds the names that `.env` sets."""
    with display.progress() as progress:
        task = progress.add_task("Asking", total=len(ENDPOINTS), name="")
        found = examine(
            from_file, lambda each: progress.update(task, advance=1, name=each.endpoint.name)
        )
    if as_json:
        _print_json(display.diagnosis_as_json(found))
    else:
        display.show_diagnosis(display.console(), found)
    return found.readiness


def status(_: Collection[str], *, as_json: bool) -> Readiness:
    """Print the state of the tables."""
    path, screen = Settings.from_environment().database, display.console()
    try:
        tables, erased = _tables(path)
    except DatabaseProblem as error:
        if as_json:
            _print_json({"problem": str(error)})
        else:
            screen.print(str(error))
        return Readiness.FAILING
    now = datetime.now(UTC)
    if as_json:
        found = {"database": path, "tables": display.tables_as_json(tables, now)}
        _print_json(found | {"erasure_pending": display.erasure_as_json(erased)})
    elif is_made(path):
        display.show_tables(screen, tables, now)
        display.show_erasure(screen, erased)
    else:
        screen.print(
            f"There is no {one_line(path)} yet. See what a sync would take with recruit-assets "
            "doctor, then run one: dagster asset materialize -m recruit_assets.definitions "
            '--select "*"'
        )
    return Readiness.GOOD if display.all_proven(tables) else Readiness.RESTRICTED


def _tables(path: str) -> tuple[list[TableStatus], Pending | None]:
    if not is_made(path):
        return [TableStatus(each.name) for each in ENDPOINTS], None
    with reading(path, WAIT_SECONDS) as database:
        return overview(database, ENDPOINTS), pending(database)


def _print_json(found: object) -> None:
    # Non-ASCII characters are escaped, because the output may go to a terminal.
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")
