"""`make demo` and `make dev`: the project run on an invented company, as a user would run it.

Starts the sandbox, and syncs it as `recruit-assets sync` does. A real API needs the same command
with another address and key, and nothing else.

The company is remembered in the demo's folder, so that a second demo is an incremental sync: its
address, the day on which the demo first ran, and the times at which it changed since.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from urllib.parse import urlsplit

import duckdb

from recruit_assets.cli import display
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.schema import count
from recruit_assets.sandbox import Sandbox
from recruit_assets.sandbox.days import pass_day
from recruit_assets.text import one_line

DAGSTER = str(Path(sys.executable).with_name("dagster"))
CANDIDATES = 2000
PORT = 8011
QUERIES = {
    "How far do applications come?": """
        SELECT stage_group, entered, passed, pass_rate
        FROM recruit_marts.funnel WHERE level = 'company' ORDER BY position""",
    "How many days does it take to hire?": """
        SELECT hires, median_days_to_hire, p90_days_to_hire
        FROM recruit_marts.time_to_hire WHERE level = 'company'""",
    "Which sources bring hires?": """
        SELECT source_type, applications, hires, hire_rate
        FROM recruit_marts.source_of_hire WHERE level = 'source_type'
        ORDER BY hires DESC, source_type LIMIT 5""",
}


def main() -> int:
    """Sync the sandbox's company into `demo.duckdb` in DAGSTER_HOME, or open the UI on it."""
    parser = argparse.ArgumentParser(prog="python -m recruit_assets.demo", description=main.__doc__)
    parser.add_argument("--ui", metavar="WORKSPACE", help="open the UI on this workspace.yaml")
    workspace = parser.parse_args().ui
    if "DAGSTER_HOME" not in os.environ:
        print("DAGSTER_HOME is not set: run this as `make demo` or `make dev`.")
        return 1
    home = Path(os.environ["DAGSTER_HOME"])
    sandbox = Sandbox(CANDIDATES, now=present(home))
    for number, moment in enumerate(moments(home), 1):
        pass_day(sandbox.world, number, moment)
    with served(sandbox, home):
        print(f"An invented company is served at {sandbox.base_url}", flush=True)
        if workspace:
            return open_ui(sandbox, home, Path(workspace).absolute())
        if (home / "demo.duckdb").exists():
            change(sandbox, home)
        return show(sandbox, home)


def present(home: Path) -> datetime:
    """Return the company's present: the start of the day on which the demo first ran.

    It is stored, so that later demos use the same company.
    """
    kept = home / "present"
    if not kept.exists():
        kept.write_text(datetime.now(UTC).date().isoformat())
    return datetime.fromisoformat(kept.read_text()).replace(tzinfo=UTC)


def moments(home: Path) -> list[datetime]:
    """Return the times at which the company changed in earlier demos."""
    kept = home / "changes"
    return [*map(datetime.fromisoformat, kept.read_text().split())] if kept.exists() else []


def change(sandbox: Sandbox, home: Path) -> None:
    """Change the company as a day would, and store when, so that later demos do the same."""
    before, now = moments(home), datetime.now(UTC)
    changed, removed = pass_day(sandbox.world, len(before) + 1, now)
    with (home / "changes").open("a") as kept:
        kept.write(f"{now.isoformat()}\n")
    print(f"Since the last demo, the company changed {changed} records and deleted {removed}.")


@contextmanager
def served(sandbox: Sandbox, home: Path) -> Iterator[None]:
    """Serve the sandbox at the address of earlier demos, or at a free one if that is taken."""
    kept = home / "port"
    with ExitStack() as stack:
        try:
            stack.enter_context(sandbox.serve(int(kept.read_text()) if kept.exists() else PORT))
        except OSError:
            stack.enter_context(sandbox.serve())
        kept.write_text(str(urlsplit(sandbox.base_url).port))
        yield


def environment(sandbox: Sandbox, home: Path) -> dict[str, str]:
    """Return the environment of a sync: settings for the sandbox, and none of the user's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RECRUIT_")}
    return kept | {
        "RECRUIT_API_BASE_URL": sandbox.base_url,
        "RECRUIT_API_KEY": sandbox.rules.key,
        "RECRUIT_API_REQUESTS_PER_10S": "0",
        "RECRUIT_DATABASE": str(home / "demo.duckdb"),
    }


def open_ui(sandbox: Sandbox, home: Path, workspace: Path) -> int:
    """Run `dagster dev` on the sandbox until it is stopped; return its exit code.

    It runs in `home`, because a `.env` in the project's folder would override the environment.
    """
    command = [DAGSTER, "dev", "-w", str(workspace)]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & sets it to ignored
    process = subprocess.Popen(command, env=environment(sandbox, home), cwd=home)  # noqa: S603
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
    try:
        return process.wait()
    except KeyboardInterrupt:  # the process was interrupted too, and is ending
        return process.wait()


def show(sandbox: Sandbox, home: Path) -> int:
    """Sync, and print the result and what the marts answer; return the exit code."""
    print("Running: recruit-assets sync\n", flush=True)
    if code := sync(environment(sandbox, home)):
        return code
    database = home / "demo.duckdb"
    served_counts = sandbox.world.counts()  # lacks endpoints that a user added
    expected = {each.name: served_counts.get(each.path, 0) for each in ENDPOINTS}
    if counts(database) != expected:
        print("The tables differ from the API. This is a bug: please report it.")
        return 1
    total = sum(expected.values())
    print(
        f"\nThe tables hold exactly the records of the API: {total:,}. Some answers from the marts:"
    )
    show_answers(database)
    print(f"\nThe data is in {shown(database)}, for the duckdb shell or duckdb.connect.")
    return 0


def sync(variables: Mapping[str, str]) -> int:
    """Run `recruit-assets sync` in this process, with these variables; return its exit code."""
    os.environ.clear()
    os.environ.update(variables)
    # Importing the definitions reads the settings.
    from recruit_assets.cli import sync as syncing  # noqa: PLC0415

    return syncing.sync("", full=False)


def counts(database: Path) -> dict[str, int]:
    """Count the current rows of each table."""
    with duckdb.connect(str(database), read_only=True) as reader:
        views = {each.name: f"recruit_now.{each.name}" for each in ENDPOINTS}
        return {name: count(reader, view) for name, view in views.items()}


def show_answers(database: Path) -> None:
    """Print what the marts answer to a few questions."""
    screen = display.console()
    with duckdb.connect(str(database), read_only=True) as reader:
        for question, query in QUERIES.items():
            display.heading(screen, question)
            screen.print(dedent(query).strip(), style="dim")
            answer = reader.execute(query)
            grid = display.table(*(column[0] for column in answer.description or ()))
            for row in answer.fetchall():
                grid.add_row(*(one_line(_cell(value)) for value in row))
            screen.print(grid)


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def shown(path: Path) -> str:
    """Return a path as the user would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


if __name__ == "__main__":
    sys.exit(main())
