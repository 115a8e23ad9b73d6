"""How long marts, report and Parquet files take for a million applications, and in how much memory.

Run it as `.venv/bin/python -m recruit_assets_tests.benchmarks.marts [applications]`.
"""

import resource
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.endpoint_table import prepare
from recruit_assets.load.history import HISTORY
from recruit_assets.load.schema import schema_name
from recruit_assets.load.syncs import prepare_syncs
from recruit_assets.marts.charts import as_markdown, query_chart
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.parquet import write_files
from recruit_assets.marts.refresh import refresh_marts, refresh_report
from recruit_assets.marts.report import report_path

MILLION, MAX_SECONDS, MAX_MB = 1_000_000, 120, 2_000  # seconds of the processor
JOBS, STAGES, USERS, HOURS = 5_000, 6, 400, 24 * 900
HOUR = "TIMESTAMPTZ '2024-01-01' + INTERVAL 1 HOUR * "
TABLES = {
    "departments": "SELECT i::VARCHAR AS id, 'Department ' || i AS name FROM range(12) t(i)",
    "locations": "SELECT i::VARCHAR AS id, 'Place ' || i AS name FROM range(30) t(i)",
    "jobs": "SELECT i::VARCHAR AS id, 'Job ' || i AS title, if(i % 3 = 0, 'archived', 'open') AS "
    "status, (i % 12)::VARCHAR AS department_id, (i % 30)::VARCHAR AS location_id, "
    f"(i % {USERS})::VARCHAR AS user_id, {HOUR} (i % 9000) AS created_at FROM range({JOBS}) t(i)",
    "stages": "SELECT i::VARCHAR AS id, (i // 6)::VARCHAR AS job_id, i % 6 AS row_order, "
    "['Inbox', 'Screening', 'Call', 'Interview', 'Offer', 'Hired'][i % 6 + 1] AS name, "
    "['Inbox', 'In process', 'In process', 'In process', 'In process', 'Hired'][i % 6 + 1] AS "
    f"legacy_stage_type_name FROM range({JOBS * STAGES}) t(i)",
    "candidates": "SELECT i::VARCHAR AS id, i % 7 = 0 AS sourced, i % 11 = 0 AS referred, "
    "if(i % 3 = 0, NULL, 'site-' || i % 40 || '.example') AS referring_site FROM range({n}) t(i)",
    "job_applications": "SELECT i::VARCHAR AS id, i::VARCHAR AS candidate_id, "
    f"(i % {JOBS})::VARCHAR AS job_id, ((i % {JOBS}) * 6 + {{depth}})::VARCHAR AS stage_id, "
    f"{HOUR} (i * 7919 % {HOURS}) AS created_at, created_at + INTERVAL 3 HOUR * {{depth}} * "
    "(i % 97) AS changed_stage_at, if(i % 5 < 3 AND {depth} < 5, changed_stage_at + INTERVAL 90 "
    "HOUR, NULL) AS rejected_at, if(i % 5 < 3, (i % 8)::VARCHAR, NULL) AS reject_reason_id, "
    "i % 7 = 0 AS sourced FROM range({n}) t(i)",
    "job_offers": "SELECT i::VARCHAR AS id, (i * 20)::VARCHAR AS job_application_id, "
    "['accepted', 'declined', 'sent'][i % 3 + 1] AS status, "
    f"{HOUR} (i % {HOURS}) AS sent_at, sent_at + INTERVAL 40 HOUR AS answered_at "
    "FROM range({n} // 20) t(i)",
    "nps_responses": "SELECT i::VARCHAR AS id, (i * 4)::VARCHAR AS job_application_id, "
    f"(i % {JOBS * STAGES})::VARCHAR AS stage_id, (i % 11)::DOUBLE AS score, "
    f"{HOUR} (i % {HOURS}) AS scored_at FROM range({{n}} // 4) t(i)",
    "todos": f"SELECT i::VARCHAR AS id, (i % {USERS})::VARCHAR AS assignee_id, "
    "DATE '2026-01-01' + (i % 400)::INTEGER AS due FROM range({n} // 2) t(i)",
}
# Every stage that an application has come through, at even steps.
PAST = (
    "SELECT a.id, (a.job_id::BIGINT * 6 + d)::VARCHAR AS stage_id, "
    "created_at + (changed_stage_at - created_at) * d / greatest({depth}, 1) AS valid_from, "
    "if(d < {depth}, created_at + (changed_stage_at - created_at) * (d + 1) / {depth}, NULL) AS "
    "valid_to, created_at AS seen_at "
    "FROM (SELECT *, id::BIGINT AS i FROM {table}) AS a, range(6) t(d) WHERE d <= {depth}"
)
# One at the beginning, and one now.
SYNCS = (
    "SELECT i AS sync_number, 'job_applications' AS endpoint, 'complete' AS verdict, "
    "if(i = 1, TIMESTAMPTZ '2024-01-01', now()) AS started, started AS finished "
    "FROM range(1, 3) t(i)"
)
DEPTH = "[0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5][i * 31 % 11 + 1]"


def generate(path: Path, applications: int) -> None:
    """Fill the tables by SQL alone."""
    with connection(str(path), {}, 1) as database, transaction(database):
        prepare_syncs(database)
        database.execute(f"INSERT INTO recruit_meta.syncs BY NAME {SYNCS}")
        for endpoint in ENDPOINTS:
            prepare(database, endpoint, {})
            if sql := TABLES.get(endpoint.name):
                rows = sql.format(n=applications, depth=DEPTH)
                database.execute(f"INSERT INTO recruit.{endpoint.name} BY NAME {rows}")
        past = PAST.format(depth=DEPTH, table="recruit.job_applications")
        database.execute(f"CREATE SCHEMA {schema_name(database, HISTORY)}")
        database.execute(f"CREATE TABLE {HISTORY}.job_applications AS {past}")


def main() -> None:
    """Generate, answer, and print seconds and megabytes; fails if a million takes too many."""
    applications = int(sys.argv[1]) if sys.argv[1:] else MILLION
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.duckdb"
        making = get_context("spawn").Process(target=generate, args=(path, applications))
        making.start()  # elsewhere, as its memory is not what is measured
        making.join()
        start = perf_counter()
        with connection(str(path), {}, 1) as database:
            built = refresh_marts(database, MARTS)
            tables = perf_counter()
            pictures = [as_markdown(query_chart(database, mart)) for mart in MARTS]
            page = report_path(str(path))
            refresh_report(database, page)
            shown = perf_counter()
            write_files(database, MARTS, Path(folder), "")
            end = perf_counter()
            kept = refresh_marts(database, MARTS)
            unchanged = perf_counter()
        assert all(each.kept_since for each in kept)
        assert len(pictures) == len(MARTS)
        assert not [each.mart.name for each in built if each.wrong]
        for each in built:
            print(f"{each.mart.name:20} {each.rows:>10,} rows")
        print(f"marts {tables - start:.1f} s, pictures and report {shown - tables:.1f} s")
        print(f"Parquet files {end - shown:.1f} s, marts unchanged {unchanged - end:.1f} s")
        print(f"report {page.stat().st_size:,} bytes, file {path.stat().st_size:,} bytes")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        print(f"peak memory {peak:,.0f} MB, processor {process_time():.1f} s")
        if applications <= MILLION and (process_time() > MAX_SECONDS or peak > MAX_MB):
            limits = f"{MAX_SECONDS} s of the processor or {MAX_MB:,} MB"
            sys.exit(f"More than {limits}, which is what a million may take.")


if __name__ == "__main__":
    main()
