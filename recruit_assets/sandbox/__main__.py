"""`python -m recruit_assets.sandbox`: serve the invented company until told to stop."""

import argparse
import errno
import signal
import sys
import threading
from itertools import zip_longest

from recruit_assets.sandbox.rules import Rules
from recruit_assets.sandbox.schema import ENDPOINTS
from recruit_assets.sandbox.server import HOST, Sandbox
from recruit_assets.sandbox.words import COMPANY


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status."""
    options = _options().parse_args(arguments)
    rules = Rules(
        key=options.key,
        requests_per_10s=options.requests_per_10s,
        latency_ms=options.latency_ms,
        without=dict.fromkeys(options.without, 404),
        control=options.control,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    sandbox = Sandbox(options.candidates, options.seed, rules)
    try:
        with sandbox.serve(options.port):
            print(_screen(sandbox), flush=True)
            while not stop.wait(1):  # in steps, because a signal need not wake the main thread
                pass
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
        print(f"Port {options.port} on {HOST} {reason}; try --port 0.", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recruit_assets.sandbox", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, default=8010, help="0 picks a free one (%(default)s)")
    add("--candidates", type=int, default=2000, help="the size of the company (%(default)s)")
    add("--seed", type=int, default=7, help="the same seed, the same company (%(default)s)")
    add("--key", default="sandbox-key", help="the key that is let in (%(default)s)")
    add("--latency-ms", type=float, default=0, help="wait before each answer (%(default)s)")
    add("--requests-per-10s", type=int, default=50, help="0 for no budget (%(default)s)")
    add("--without", type=_endpoints, default=[], help="endpoints to miss, by comma")
    add("--control", action="store_true", help="switch on the control path /_control/")
    return parser


def _endpoints(value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in ENDPOINTS:
            raise argparse.ArgumentTypeError(f"there is no endpoint {name}")
    return names


def _screen(sandbox: Sandbox) -> str:
    counts = sandbox.world.counts()
    rows = [f"  {name:<18}{count:>9,}" for name, count in counts.items()]
    half = (len(rows) + 1) // 2
    table = [left + right for left, right in zip_longest(rows[:half], rows[half:], fillvalue="")]
    head = [
        f"{COMPANY}, an invented company: {sum(counts.values()):,} records",
        f"  base URL  {sandbox.base_url}",
        f"  key       {sandbox.rules.key}  (header `api`, or `Authorization: Token token=...`)",
        "",
    ]
    return "\n".join([*head, *table, "", "Stop with Ctrl-C."])


if __name__ == "__main__":
    sys.exit(main())
