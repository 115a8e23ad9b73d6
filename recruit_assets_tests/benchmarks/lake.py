"""Processor time of merges into a lake, as a ratio to the same merges into a file.

Run it as `python -m recruit_assets_tests.benchmarks.lake [rows]` in an environment with the extra
`lake` (that of `make test-lake`). PostgreSQL's time counts. Both sides take turns in one run.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.jsonapi import Record
from recruit_assets.extract.records import RecordTable
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.memory import bounded_memory
from recruit_assets.load.stage import Stage
from recruit_assets.load.syncs import prepare_syncs
from recruit_assets_tests import lakes
from recruit_assets_tests.load.merging import prepare_and_merge
from recruit_assets_tests.postgres import Cluster

ROWS, ROUNDS, LIMIT, BATCH = 100_000, 7, 1.5, 10_000
CANDIDATES = next(each for each in ENDPOINTS if each.name == "candidates")
CHANGED = {"first": 0, "unchanged": 0, "1 % changed": 1, "10 % changed": 10}  # by merge
TICKS = os.sysconf("SC_CLK_TCK")


def records(rows: int, changed: int) -> Iterator[Record]:
    """Yield candidates; `changed` percent of them differ from those of the previous merge."""
    for i in range(rows):
        version = changed if i % 100 < changed else 0
        attributes = {
            "first-name": f"First {i % 977}",
            "last-name": f"Last {i}",
            "email": f"person{i}@example.com",
            "pitch": f"version {version} " + "some words " * (i % 7),
            "created-at": "2026-01-01T00:00:00Z",
            "updated-at": f"2026-02-{version + 1:02}T00:00:00Z",
            "tags": ["a", f"t{i % 50}"],
        }
        yield Record(str(i), attributes)


def of_postgres(cluster: Cluster | None) -> float:
    """Return the seconds that a PostgreSQL has worked, in processes that have ended too."""
    if cluster is None:
        return 0.0
    first = int((cluster.folder / "data" / "postmaster.pid").read_text().split()[0])
    ticks = 0
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = each.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if each.parent.name == str(first):
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == first:
            ticks += sum(map(int, fields[11:13]))
    return ticks / TICKS


def merge_all(address: str, rows: int) -> None:
    """Merge the same candidates several times; print the seconds that each merge took."""
    cluster = lakes.cluster() if address.startswith("ducklake:") else None
    with connection(address, {}, 10):  # DuckDB starts, and the catalogue is made
        pass
    for name, changed in CHANGED.items():
        with Stage() as stage:
            table, read = RecordTable(CANDIDATES), list(records(rows, changed))
            for first in range(0, rows, BATCH):
                batch = table.table(read[first : first + BATCH])
                stage.add(batch, table.columns, range(first, min(first + BATCH, rows)))
            stage.flush()
            began = process_time() + of_postgres(cluster)
            with (
                connection(address, {}, 10) as database,
                bounded_memory(database, stage.rows, stage.size),
                transaction(database),
            ):
                prepare_syncs(database)
                prepare_and_merge(database, CANDIDATES, stage, name)
            print(process_time() + of_postgres(cluster) - began, name, sep="\t")


def measured(address: str, rows: int) -> dict[str, float]:
    """Return the seconds of each merge, in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, address, str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: float(seconds) for seconds, name in lines}


def main(rows: int) -> None:
    """Compare both, and exit with 1 if a median is above the limit."""
    os.environ[lakes.SHARED] = str(lakes.cluster().folder)
    ratios: dict[str, list[float]] = {name: [] for name in CHANGED}
    try:
        for _ in range(ROUNDS):
            with TemporaryDirectory(dir="/tmp") as folder:
                file = measured(f"{folder}/file.duckdb", rows)
                lake = measured(str(lakes.lake_at(Path(folder) / "lake")), rows)
            for name in CHANGED:
                ratios[name].append(lake[name] / file[name])
    finally:
        lakes.stop_cluster()
    for name, found in ratios.items():
        print(f"{name}: {median(found):.2f} ({min(found):.2f} to {max(found):.2f})")
    if max(map(median, ratios.values())) > LIMIT:
        sys.exit(f"A lake takes more than {LIMIT} times the processor time of a file.")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        merge_all(sys.argv[1], int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
