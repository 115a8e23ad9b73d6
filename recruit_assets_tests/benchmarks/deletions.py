"""How many requests a sync takes that finds deletions, as a table for `docs/performance.md`.

Run it as `.venv/bin/python -m recruit_assets_tests.benchmarks.deletions [records ...]`. The
sandbox counts the requests; time is not measured.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import dagster as dg

from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests.conftest import KEY, Project

NAME = "candidates"
RECORDS = (10_000, 100_000)
OLD = {each: datetime(2026, 1, 1, tzinfo=UTC) for each in ("created-at", "updated-at")}
# What is deleted before each sync: how many records, and how many of them are neighbours.
DELETED = {
    "nothing": (0, 1),
    "one": (1, 1),
    "10, scattered": (10, 1),
    "100, scattered": (100, 1),
    "1,000, one after another": (1_000, 1_000),
}
FULL = "full read"


@dataclass(frozen=True)
class Requests:
    """The requests of one sync: for pages of lists, and for single records."""

    pages: int
    by_id: int


def sync(project: Project, deleted: int) -> Requests:
    """Sync, and count the requests.

    Raises:
        RuntimeError: the sync has not found what was deleted.
    """
    project.sandbox.clear_requests()
    found = project.sync(NAME)
    if (found.report.verdict.value, found.deleted) != ("complete", deleted):
        raise RuntimeError(f"{found.deleted} of {deleted} were found, {found.report}")
    paths = [each.path for each in project.sandbox.requests]
    pages = paths.count(NAME)
    return Requests(pages, len(paths) - pages)


def measure(records: int, folder: Path) -> Iterator[tuple[str, Requests]]:
    """Yield what was deleted and what the sync after it took, after a full read."""
    random, sandbox = Random(1), Sandbox(candidates=0, rules=Rules(key=KEY))
    world = sandbox.world
    for _ in range(records):
        world.add(NAME, OLD)
    with sandbox.serve(), dg.DagsterInstance.ephemeral() as instance:
        project = Project(sandbox, folder / "data.duckdb", instance)
        yield FULL, sync(project, 0)
        for what, (number, together) in DELETED.items():
            ids = list(world.table(NAME))
            for start in random.sample(range(len(ids) - together), number // together):
                for id_ in ids[start : start + together]:
                    world.remove(NAME, id_)
            yield what, sync(project, number)


def lines(measured: dict[int, dict[str, Requests]]) -> Iterator[str]:
    """Yield the lines of the table."""
    head = [f"{records:,} records: pages | by id" for records in measured]
    yield f"| deleted since the last sync | {' | '.join(head)} |"
    yield "| --- |" + " ---: | ---: |" * len(measured)
    for what in (*DELETED, FULL):
        found = [each[what] for each in measured.values()]
        cells = [f"{each.pages:,} | {each.by_id:,}" for each in found]
        yield f"| {what} | {' | '.join(cells)} |"


def main() -> int:
    """Measure lists of the sizes that were given, and print the table."""
    measured = {}
    for records in [int(word) for word in sys.argv[1:]] or RECORDS:
        with TemporaryDirectory() as folder:
            measured[records] = dict(measure(records, Path(folder)))
    print("\n".join(lines(measured)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
