"""`make demo`: from nothing to 18 tables, the way a user would do it, on invented data.

What lives here: the sandbox, one call of the real `dagster asset materialize`, and a table of what
came of it. The same call with another address and key is all that a real API needs.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import duckdb

from recruit_assets import settings
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.sandbox import Sandbox

COLUMNS = ("inserted", "updated", "unchanged", "requests")
QUERIES = {
    "The hiring funnel": """
        SELECT legacy_stage_type_name AS stage_type, count(*) AS applications,
               count(*) FILTER (rejected_at IS NOT NULL) AS rejected
        FROM recruit.job_applications a JOIN recruit.stages s ON s.id = a.stage_id
        GROUP BY ALL ORDER BY applications DESC""",
    "Days from application to hire": """
        SELECT count(*) AS hires,
               round(median(date_diff('hour', a.created_at, changed_stage_at)) / 24, 1) AS days
        FROM recruit.job_applications a JOIN recruit.stages s ON s.id = a.stage_id
        WHERE legacy_stage_type_name = 'Hired' AND rejected_at IS NULL""",
    "Which source brings hires": """
        SELECT referring_site, count(*) AS applications,
               count(*) FILTER (legacy_stage_type_name = 'Hired') AS hired
        FROM recruit.job_applications a JOIN recruit.stages s ON s.id = a.stage_id
        GROUP BY ALL ORDER BY hired DESC LIMIT 5""",
}


def main() -> int:
    """Sync the sandbox's company into `demo.duckdb` in DAGSTER_HOME and show what is there."""
    if "DAGSTER_HOME" not in os.environ:
        print("DAGSTER_HOME is not set: run this as `make demo`.")
        return 1
    home = Path(os.environ["DAGSTER_HOME"])
    database, log = home / "demo.duckdb", home / "demo.log"
    with Sandbox(candidates=2000).serve() as sandbox:
        print(f"Invented company served at {sandbox.base_url}")
        print('Running: dagster asset materialize -m recruit_assets.definitions --select "*"')
        if materialize(sandbox, database, log):
            print(f"It failed; the end of {shown(log)}:\n\n{log.read_text()[-3000:]}")
            return 1
        counts = sandbox.world.counts()
    whole = summarize(database, counts)
    print(f"\nThe data is in {shown(database)}, what Dagster said in {shown(log)}.")
    print("Three queries to try:\n")
    for question, query in QUERIES.items():
        print(f"-- {question}\n{clean(query)};\n")
    print(f"Ask them in Python (duckdb.connect('{shown(database)}')) or in the duckdb shell.")
    return 0 if whole else 1


def materialize(sandbox: Sandbox, database: Path, log: Path) -> int:
    """Run the documented command against the sandbox; returns its exit code.

    It runs outside of the project's folder, because a `.env` there wins over the environment and
    would send the demo to the real API.
    """
    environment = {
        **os.environ,
        settings.BASE_URL.name: sandbox.base_url,
        settings.KEY.name: sandbox.rules.key,
        settings.REQUESTS_PER_10S.name: "0",
        settings.DATABASE.name: str(database),
    }
    dagster = str(Path(sys.executable).with_name("dagster"))
    command = [dagster, "asset", "materialize", "-m", "recruit_assets.definitions", "--select", "*"]
    with log.open("w") as said:
        return subprocess.run(  # noqa: S603 - a fixed command
            command, env=environment, cwd=log.parent, stdout=said, stderr=said, check=False
        ).returncode


def summarize(database: Path, expected: Mapping[str, int]) -> bool:
    """Print what is in the tables beside what the API has; whether they agree."""
    with duckdb.connect(str(database), read_only=True) as reader:
        rows = {
            endpoint.name: reader.execute(
                f"SELECT count(*) FROM recruit.{endpoint.name}"
            ).fetchall()[0][0]
            for endpoint in ENDPOINTS
        }
    print(f"\n{'table':18} {'in the API':>10} {'in DuckDB':>10}", *(f"{c:>10}" for c in COLUMNS))
    with dg.DagsterInstance.get() as instance:
        for endpoint in ENDPOINTS:
            event = instance.get_latest_materialization_event(dg.AssetKey(endpoint.name))
            materialization = event.asset_materialization if event else None
            found = materialization.metadata if materialization else {}
            did = (f"{found[column].value:>10,}" for column in COLUMNS if column in found)
            in_api, in_table = expected[endpoint.path], rows[endpoint.name]
            print(f"{endpoint.name:18} {in_api:>10,} {in_table:>10,}", *did)
    total, loaded = sum(expected[endpoint.path] for endpoint in ENDPOINTS), sum(rows.values())
    print(f"{'all 18':18} {total:>10,} {loaded:>10,}")
    return all(expected[endpoint.path] == rows[endpoint.name] for endpoint in ENDPOINTS)


def shown(path: Path) -> str:
    """A path as the user would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def clean(query: str) -> str:
    """A query without the indentation that it has here."""
    return "\n".join(line[8:] for line in query.strip("\n").splitlines())


if __name__ == "__main__":
    sys.exit(main())
