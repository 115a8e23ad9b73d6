"""How close a sync of many small lists comes to the shortest time that the rate limit allows.

`python -m recruit_assets_tests.benchmarks.overlap` prints a table, in seven minutes. The API is
distant: 250 ms latency that varies by 30 %, and 50 requests per 10 s, which a sliding window counts
or aligned periods. The floor is 10 s for each full window but the last, and the requests of the
last one four at a time, from the first request to the last.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from recruit_assets_tests.benchmarks.speed import LATENCY_MS, Server, measure, ours, serving
from recruit_assets_tests.benchmarks.speed_report import OURS, Result

SIZES = (721, 1_412, 2_170)  # candidates, for about 150, 272 and 401 requests
ALLOWED, SET = 50, 48  # requests per 10 s: by the API, and by our setting
CONCURRENCY = 4
SPREAD = 0.3  # of the latency
MAX_RATIO = 1.05


def floor(requests: int) -> float:
    """The shortest time from the first request to the last, in seconds."""
    windows = (requests - 1) // SET
    rounds = -(-(requests - windows * SET) // CONCURRENCY)
    return windows * 10 + (rounds - 1) * LATENCY_MS / 1000


def sync(server: Server, rules: str, budget: int) -> Result:
    """A first sync of all endpoints and marts."""
    with TemporaryDirectory() as folder:
        server.ask(f"rules?{rules}")
        return measure("overlap", OURS, ours(budget, select="*"), server, Path(folder))


def main() -> int:
    """Measure, and print a table; fail if a ratio is too high, or a request was refused."""
    rules = f"latency_ms={LATENCY_MS}&spread={SPREAD}&requests_per_10s={ALLOWED}"
    print("| requests | counted in | seconds | floor | ratio | 429 |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    failed = False
    for candidates in SIZES:
        with serving(candidates) as server:
            sync(server, "", 0)  # renders all pages
            for name, sliding in (("aligned periods", ""), ("a sliding window", "&sliding=1")):
                result = sync(server, rules + sliding, SET)
                least = floor(result.requests)
                ratio = result.requesting / least
                failed |= ratio > MAX_RATIO or result.refused > 0
                print(
                    f"| {result.requests} | {name} | {result.requesting:.1f} | {least:.1f} | "
                    f"{ratio:.3f} | {result.refused} |",
                    flush=True,
                )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
