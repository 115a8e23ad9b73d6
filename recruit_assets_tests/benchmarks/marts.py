"""All marts and the report over a million applications: seconds and peak memory.

`python -m recruit_assets_tests.benchmarks.marts` generates tables of that size in a temporary
folder, with a history of three stages each, and runs the job `answer` in a process of its own.
"""

import sys
import tempfile
from pathlib import Path
from time import monotonic

import duckdb
import psutil

from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.history import write_history
from recruit_assets.load.names import quoted
from recruit_assets.load.schema import prepare, table_name
from recruit_assets_tests.benchmarks.speed import DAGSTER, ours, watched

APPLICATIONS = 1_000_000
SINCE = "TIMESTAMPTZ '2024-01-01' + INTERVAL (i // 2) MINUTE"
# By table: rows, and what stands in their columns, as SQL over `i`.
TABLES: dict[str, tuple[int, dict[str, str]]] = {
    "departments": (20, {"name": "'Department ' || i"}),
    "locations": (30, {"name": "'Location ' || i"}),
    "users": (300, {}),
    "jobs": (
        2_000,
        {
            "title": "'Job ' || i",
            "status": "['open', 'archived'][i % 2 + 1]",
            "department_id": "(i % 20)::VARCHAR",
            "location_id": "(i % 30)::VARCHAR",
            "user_id": "(i % 300)::VARCHAR",
            "created_at": "TIMESTAMPTZ '2024-01-01'",
        },
    ),
    "stages": (
        12_000,
        {
            "name": "['Inbox', 'Screening', 'Phone', 'Interview', 'Offer', 'Hired'][i % 6 + 1]",
            "legacy_stage_type_name": "CASE i % 6 WHEN 0 THEN 'Inbox' WHEN 5 THEN 'Hired' "
            "ELSE 'In process' END",
            "job_id": "(i // 6)::VARCHAR",
            "row_order": "i % 6",
        },
    ),
    "candidates": (800_000, {"referring_site": "'site-' || i % 12 || '.example'"}),
    "job_applications": (
        APPLICATIONS,
        {
            "job_id": "(i % 2000)::VARCHAR",
            "candidate_id": "(i % 800000)::VARCHAR",
            "stage_id": "(i % 2000 * 6 + hash(i) % 6)::VARCHAR",
            "created_at": SINCE,
            "changed_stage_at": f"{SINCE} + INTERVAL (hash(i) % 60) DAY",
            "rejected_at": f"CASE WHEN i % 3 > 0 THEN {SINCE} + INTERVAL (hash(i) % 90) DAY END",
            "reject_reason_id": "CASE WHEN i % 3 > 0 THEN (i % 8)::VARCHAR END",
        },
    ),
    "job_offers": (
        60_000,
        {
            "job_application_id": "(i * 16)::VARCHAR",
            "status": "['accepted', 'declined', 'sent'][i % 3 + 1]",
            "sent_at": SINCE,
            "answered_at": f"{SINCE} + INTERVAL (i % 9) DAY",
        },
    ),
    "todos": (200_000, {"assignee_id": "(i % 300)::VARCHAR"}),
    "nps_responses": (300_000, {"score": "i % 11", "created_at": SINCE}),
}


def main() -> None:
    """Generate, run, and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder / "data.duckdb")
        _, environment = ours()("http://127.0.0.1/v1/", folder)
        words = [str(DAGSTER), "job", "execute", "-m", "recruit_assets.definitions", "-j", "answer"]
        begun = monotonic()
        with (folder / "log").open("w") as log:
            process = psutil.Popen(words, env=environment, cwd=folder, stdout=log, stderr=log)
            peak = watched(process)
        seconds = monotonic() - begun
        if process.returncode:
            sys.exit((folder / "log").read_text()[-3000:])
        print(f"{APPLICATIONS:,} applications: {seconds:.1f} s, {peak / 1e6:,.0f} MB")


def generate(path: Path) -> None:
    """Write the tables, and of each application a version before the one that holds."""
    with duckdb.connect(str(path)) as database:
        for endpoint in ENDPOINTS:
            prepare(database, endpoint, {})
            if endpoint.name in TABLES:
                fill(database, endpoint)
                write_history(database, endpoint, "generated")
        database.execute(
            "INSERT INTO recruit_history.job_applications (id, stage_id, valid_from, valid_to, "
            "seen_at) SELECT id, (stage_id::INT - 1)::VARCHAR, valid_from - INTERVAL 9 DAY, "
            "valid_from, seen_at FROM recruit_history.job_applications WHERE stage_id::INT % 6 > 0"
        )


def fill(database: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> None:
    """Fill one table."""
    rows, columns = TABLES[endpoint.name]
    names = ", ".join(map(quoted, ["id", *columns]))
    database.execute(
        f"INSERT INTO {table_name(database, endpoint.name)} ({names}) "
        f"SELECT i::VARCHAR, {', '.join(columns.values())} FROM range({rows}) t(i)"
    )


if __name__ == "__main__":
    main()
