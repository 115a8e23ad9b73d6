"""`make demo` and `make dev`: the project run on an invented company, as a user would run it.

Starts the sandbox and runs the real `dagster` command against it. A real API needs the same
commands with another address and key, and nothing else.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import dagster as dg
import duckdb

from recruit_assets.cli.display import progress
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.marts.report import report_path
from recruit_assets.sandbox import Sandbox
from recruit_assets.text import one_line

DAGSTER = str(Path(sys.executable).with_name("dagster"))
MATERIALIZE = [DAGSTER, "asset", "materialize", "-m", "recruit_assets.definitions", "--select", "*"]
CANDIDATES = 2000
COLUMNS = ("inserted", "updated", "unchanged", "requests")
QUERIES = {
    "The hiring funnel": """
        SELECT s.legacy_stage_type_name AS stage_type, count(*) AS applications,
               count(*) FILTER (a.rejected_at IS NOT NULL) AS rejected
        FROM recruit.job_applications a JOIN recruit.stages s ON s.id = a.stage_id
        GROUP BY ALL ORDER BY applications DESC""",
    "Days from application to hire": """
        SELECT count(*) AS hires,
               round(median(date_diff('hour', a.created_at, a.changed_stage_at)) / 24, 1) AS days
        FROM recruit.job_applications a JOIN recruit.stages s ON s.id = a.stage_id
        WHERE s.legacy_stage_type_name = 'Hired' AND a.rejected_at IS NULL""",
    "Which source brings hires": """
        SELECT a.referring_site, count(*) AS applications,
               count(*) FILTER (s.legacy_stage_type_name = 'Hired') AS hired
        FROM recruit.job_applications a JOIN recruit.stages s ON s.id = a.stage_id
        GROUP BY ALL ORDER BY hired DESC LIMIT 5""",
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
    with Sandbox(CANDIDATES, now=present(home)).serve() as sandbox:
        print(f"Invented company served at {sandbox.base_url}", flush=True)
        if workspace:
            return open_ui(sandbox, home, Path(workspace).absolute())
        return show(sandbox, home)


def present(home: Path) -> datetime:
    """Return the company's present: the start of the day on which the demo first ran.

    It is stored, so that later demos use the same company.
    """
    kept = home / "present"
    if not kept.exists():
        kept.write_text(datetime.now(UTC).date().isoformat())
    return datetime.fromisoformat(kept.read_text()).replace(tzinfo=UTC)


def environment(sandbox: Sandbox, home: Path) -> dict[str, str]:
    """Return the environment of `dagster`: settings for the sandbox, and none of the user's."""
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
    """Materialize all assets, and print the result; return the exit code."""
    log = home / "demo.log"
    print('Running: dagster asset materialize -m recruit_assets.definitions --select "*"')
    if materialize(sandbox, home, log):
        lines = [one_line(line) for line in log.read_text().splitlines() if "Failure: " in line]
        print(f"It failed; all of it is in {shown(log)}.", *dict.fromkeys(lines), sep="\n")
        return 1
    found = counts(home / "demo.duckdb")
    served = sandbox.world.counts()  # lacks endpoints that a user added
    expected = {each.name: served.get(each.path, 0) for each in ENDPOINTS}
    print_table(expected, found)
    if expected != found:
        print("The counts differ, which must not be: see the log.")
        return 1
    print(f"\nThe data is in {shown(home / 'demo.duckdb')}, what Dagster said in {shown(log)}.")
    print("Three queries to try, in Python (duckdb.connect) or in the duckdb shell:")
    for question, query in QUERIES.items():
        print(f"\n-- {question}\n{dedent(query).strip()};")
    print(f"\nThe hiring report is in {shown(report_path(str(home / 'demo.duckdb')))}: open it.")
    return 0


def materialize(sandbox: Sandbox, home: Path, log: Path) -> int:
    """Run the command with a progress bar, its output in `log`; return its exit code."""
    with (
        log.open("w") as said,
        progress() as bar,
        subprocess.Popen(  # noqa: S603 - a fixed command
            MATERIALIZE,
            env=environment(sandbox, home),
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        task = bar.add_task("Materializing", total=len(ENDPOINTS) + 2, name="")
        for line in process.stdout or ():
            said.write(line)
            if step := re.search(r"- (\w+) - STEP_(START|SUCCESS)", line):
                bar.update(task, advance=step[2] == "SUCCESS", name=step[1])
    return process.returncode


def counts(database: Path) -> dict[str, int]:
    """Count the rows of each table."""
    with duckdb.connect(str(database), read_only=True) as reader:
        return {
            each.name: reader.execute(f"SELECT count(*) FROM recruit.{each.name}").fetchall()[0][0]
            for each in ENDPOINTS
        }


def print_table(expected: Mapping[str, int], found: Mapping[str, int]) -> None:
    """Print the rows of each table in DuckDB and in the API, and the counts of its last sync."""
    print(f"\n{'table':18} {'in the API':>10} {'in DuckDB':>10}", *(f"{c:>10}" for c in COLUMNS))
    with dg.DagsterInstance.get() as instance:
        for each in ENDPOINTS:
            event = instance.get_latest_materialization_event(dg.AssetKey(each.name))
            materialization = event.asset_materialization if event else None
            did = materialization.metadata if materialization else {}
            cells = [expected[each.name], found[each.name], *(did[name].value for name in COLUMNS)]
            print(f"{each.name:18}", *(f"{cell:>10,}" for cell in cells))
    print(f"{'all':18} {sum(expected.values()):>10,} {sum(found.values()):>10,}")


def shown(path: Path) -> str:
    """Return a path as the user would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


if __name__ == "__main__":
    sys.exit(main())
