"""What syncs of large accounts request, as a table for `docs/performance.md`.

Run it as `.venv/bin/python -m recruit_assets_tests.benchmarks.forecast [records ...]`. Nothing is
requested: it is the doctor's forecast for accounts that are larger copies of the sandbox's company,
at rest, after their first sync.
"""

import sys
from collections.abc import Iterator

from recruit_assets.cli.sync_forecast import SyncForecast
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.forecast import Costs, Estimate
from recruit_assets.extract.probe import Probe, ProbeState
from recruit_assets.extract.query import PAGE_SIZE
from recruit_assets.extract.report import duration
from recruit_assets.options import Options
from recruit_assets.sandbox import Sandbox
from recruit_assets.settings import Settings

RECORDS = (10_000, 100_000, 300_000, 1_000_000)
LIMIT = Settings().requests_per_10s


def probes(records: int) -> list[Probe]:
    """Return what the doctor finds in an account of this many records, all of them readable."""
    world = Sandbox().world
    sizes = {each.name: world.count(each.path) for each in ENDPOINTS}
    scale = records / sum(sizes.values())
    return [
        _probe(number, round(sizes[each.name] * scale)) for number, each in enumerate(ENDPOINTS)
    ]


def _probe(number: int, records: int) -> Probe:
    pages = max(1, -(-records // PAGE_SIZE))
    whole, end = pages + (pages > 1), 2 if records % PAGE_SIZE == 0 else 1
    endpoint, short = ENDPOINTS[number], records < PAGE_SIZE
    found = Costs(whole, end, 1, end, short) if endpoint.dated else None
    return Probe(
        endpoint,
        ProbeState.READABLE,
        records=records,
        requests=whole,
        costs=found,
        takes_filter=endpoint.dated,
    )


def lines(sizes: list[int]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| records | full sync | hourly | nightly |"
    yield "| ---: | ---: | ---: | ---: |"
    for records in sizes:
        told = SyncForecast(probes(records), options=Options(requests_per_10s=LIMIT))
        cells = [_cell(each) for each in (told.full, told.hourly, told.nightly)]
        yield f"| {records:,} | {' | '.join(cells)} |"


def _cell(estimate: Estimate | None) -> str:
    requests = estimate.requests if estimate else 0
    return f"{requests:,} ({duration(requests / LIMIT * 10)})"


def main() -> int:
    """Print the table for accounts of the sizes that were given."""
    print("\n".join(lines([int(word) for word in sys.argv[1:]] or list(RECORDS))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
