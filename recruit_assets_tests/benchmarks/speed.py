"""How long a sync takes beside dlt and PyAirbyte, as a table and a plot in the documentation.

`make bench` runs it: whole commands in processes of their own, in turn, against a server in another
process that sends what it rendered once. Medians of several rounds; what is run once says so.
Here: the commands, the measurements, the scenarios. The table and the plot are in `speed_report`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from urllib.parse import parse_qsl
from urllib.request import urlopen

import psutil

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.query import Query
from recruit_assets_tests.benchmarks.peers import HEADERS, install, quiet
from recruit_assets_tests.benchmarks.speed_report import (
    AIRBYTE,
    BARE,
    BUDGET,
    DAGSTERS_LOG,
    DLT,
    OURS,
    Result,
    write,
)

HERE = Path(__file__).parent
DAGSTER = Path(sys.executable).with_name("dagster")
SMALL, MIDDLE, LARGE = 2_170, 21_700, 212_000  # candidates
LATENCY_MS = 250
HOME = (HERE.parents[1] / "dagster_home" / "dagster.yaml").read_text()
THEIR_LOG = HOME.partition("event_log_storage:")[0]  # of Dagster itself

Command = Callable[[str, Path], tuple[list[str], dict[str, str]]]  # from base URL and folder


@contextmanager
def serving(candidates: int) -> Iterator["Server"]:
    """A company of that size in a process of its own."""
    command = [sys.executable, "-m", f"{__package__}.server", "--candidates", str(candidates)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().strip())
        finally:
            process.kill()


@dataclass(frozen=True)
class Server:
    """The server, as it is steered."""

    base_url: str

    def ask(self, what: str) -> dict[str, float]:
        """Steer it, or ask what it has counted."""
        with urlopen(self.base_url.replace("/v1/", f"/_bench/{what}")) as answer:
            found: dict[str, float] = json.load(answer) or {}
            return found


def peer(python: Path, script: str, walk: str, write: str) -> Command:
    """A sync of all endpoints by a script beside this one, asked for what we ask for."""

    def command(base_url: str, folder: Path) -> tuple[list[str], dict[str, str]]:
        streams = {}
        for endpoint in ENDPOINTS:
            params = dict(parse_qsl(Query.everything(endpoint).page(1)))
            for name in ("page[number]", "page[size]", "sort"):
                params.pop(name, None)
            streams[endpoint.path] = params
        task = {
            "base_url": base_url,
            "headers": HEADERS,
            "page_size": 30,
            "streams": streams,
            "database": str(folder / "data.duckdb"),
            "walk": walk,
            "write": write,
        }
        return [str(python), str(HERE / script), json.dumps(task)], quiet(folder)

    return command


def ours(
    budget: int = 0,
    mode: str | None = None,
    select: str = "not group:marts",
    where: tuple[str, str] = ("-m", "recruit_assets.definitions"),
    home: str = HOME,
) -> Command:
    """This project, as it is used from the command line; `home` is what `dagster.yaml` says."""

    def command(base_url: str, folder: Path) -> tuple[list[str], dict[str, str]]:
        (folder / "dagster.yaml").write_text(home)
        words = [str(DAGSTER), "asset", "materialize", *where, "--select", select]
        if mode:
            config = {each.name: {"config": {"mode": mode}} for each in ENDPOINTS}
            words += ["--config-json", json.dumps({"ops": config})]
        kept = {name: each for name, each in os.environ.items() if not name.startswith("RECRUIT_")}
        return words, kept | {
            "RECRUIT_API_BASE_URL": base_url,
            "RECRUIT_API_KEY": HEADERS["api"],
            "RECRUIT_API_REQUESTS_PER_10S": str(budget),
            "RECRUIT_DATABASE": str(folder / "data.duckdb"),
            "DAGSTER_HOME": str(folder),
        }

    return command


def measure(scenario: str, tool: str, command: Command, server: Server, folder: Path) -> Result:
    """Run a command once.

    Raises:
        RuntimeError: it failed.
    """
    words, env = command(server.base_url, folder)
    begun = monotonic()
    with (folder / "log").open("w") as log:
        process = psutil.Popen(words, env=env, cwd=folder, stdout=log, stderr=log)
        peak = watched(process)
    ended = monotonic()
    if process.returncode:
        raise RuntimeError(f"{tool} failed: {(folder / 'log').read_text()[-2000:]}")
    counted = server.ask("stats")
    return Result(
        scenario=scenario,
        tool=tool,
        records=int(counted["records"]),
        seconds=ended - begun,
        reading=ended - counted["first"],
        requesting=counted["seconds"],
        peak_mb=peak / 1e6,
        requests=int(counted["requests"]),
        refused=int(counted["refused"]),
        file_mb=(folder / "data.duckdb").stat().st_size / 1e6,
        served_in=counted["busy"],
    )


def watched(process: psutil.Popen) -> int:
    """The most memory that a process and its children had together, in bytes."""
    peak = 0
    while process.poll() is None:
        total = 0
        try:
            for each in [process, *process.children(recursive=True)]:
                total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        peak = max(peak, total)
        sleep(0.05)
    return peak


def middle(results: list[Result]) -> Result:
    """The result of the median time."""
    found = median(each.seconds for each in results)
    best = min(results, key=lambda each: abs(each.seconds - found))
    return best.of(len(results))


def first_loads(
    scenario: str, tools: dict[str, Command], server: Server, rounds: int, rules: str = ""
) -> Iterator[Result]:
    """Each tool in turn, into an empty folder, so many times."""
    found: dict[str, list[Result]] = {tool: [] for tool in tools}
    for _ in range(rounds):
        for tool, command in tools.items():
            with TemporaryDirectory() as folder:
                server.ask(f"rules?{rules}")
                found[tool].append(measure(scenario, tool, command, server, Path(folder)))
    yield from (middle(results) for results in found.values())


def again(server: Server, rounds: int) -> Iterator[Result]:
    """What syncs of a table that is there take: unchanged, often, 1 % changed, incremental."""
    with TemporaryDirectory() as name:
        folder, full = Path(name), ours(mode="full")

        def run(scenario: str, command: Command) -> Result:
            server.ask("rules")
            return measure(scenario, OURS, command, server, folder)

        run("first", ours())
        yield middle([run("c", full) for _ in range(rounds)])
        yield [run("c20", full) for _ in range(20 - rounds)][-1]
        server.ask("change?share=0.01")
        yield run("d", full)
        server.ask("change?share=0.01")
        yield run("e", ours())


def warm(server: Server) -> None:
    """Have all pages rendered."""
    with TemporaryDirectory() as folder:
        measure("warm", OURS, ours(), server, Path(folder))


def scenarios(peers: dict[str, Command], rounds: int) -> Iterator[Result]:
    """All that is measured."""
    both = {**peers, OURS: ours()}
    with serving(SMALL) as server:
        warm(server)
        yield from first_loads("regions", {OURS: ours(select="regions")}, server, rounds)
        parts = {
            BARE: ours(where=("-f", str(HERE / "bare.py"))),
            DAGSTERS_LOG: ours(home=THEIR_LOG),
        }
        yield from first_loads("a11", {**both, **parts}, server, rounds)
        limited = {**peers, OURS: ours(budget=BUDGET)}
        rules = f"latency_ms={LATENCY_MS}&requests_per_10s={BUDGET}"
        yield from first_loads("b", limited, server, 1, rules)
    with serving(MIDDLE) as server:
        warm(server)
        yield from first_loads("a113", both, server, rounds)
        yield from again(server, rounds)
    with serving(LARGE) as server:
        warm(server)
        yield from first_loads("a1100", {OURS: ours()}, server, 1)


def main() -> int:
    """Measure, printing each result as a line of JSON, and write what the documentation shows."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of what is run several times")
    rounds = parser.parse_args().rounds
    results = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        dlt = install(folder / "dlt", "dlt[duckdb]==1.31.0")
        airbyte = install(folder / "airbyte", "airbyte==0.71.3")
        peers = {
            DLT: peer(dlt, "dlt_sync.py", "page_number", "delete-insert"),
            AIRBYTE: peer(airbyte, "airbyte_sync.py", "PageIncrement", "auto"),
        }
        for result in scenarios(peers, rounds):
            print(json.dumps(result.__dict__), flush=True)
            results.append(result)
    write(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
