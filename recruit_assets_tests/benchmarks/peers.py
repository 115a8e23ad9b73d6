"""What other tools make of a list that moves, comes short or loses records, as a Markdown table.

`python -m recruit_assets_tests.benchmarks.peers` needs `uv`, which installs each tool in a
throwaway environment of its own: PyAirbyte pins another version of DuckDB than we
need. Every cell is measured in a new sandbox and a new folder, on 100 records; the peers
read pages of 20, we of 30.
Here: the cases, the tools, the table. How a tool syncs is in `dlt_sync` and `airbyte_sync`.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import duckdb

from recruit_assets.resources import RecruitApi, RecruitDatabase
from recruit_assets.sandbox import Sandbox, World
from recruit_assets.sandbox.faults import Document
from recruit_assets_tests.syncing import ASSETS, resources

LIST = "regions"
RECORDS = 100
HEADERS = {"api": "sandbox-key", "X-Api-Version": "20240904"}
PYTHON = ">=3.11,<3.13"  # what PyAirbyte runs on


@dataclass(frozen=True)
class Way:
    """How a tool goes from page to page, and how it writes what it has read."""

    walk: str
    write: str


@dataclass(frozen=True)
class Outcome:
    """What the destination holds as current after a sync, and the exit code of the sync."""

    held: set[str]
    exit: int


Sync = Callable[[Sandbox, Path, Way], Outcome]


@dataclass(frozen=True)
class Tool:
    """A tool and its ways; the first of each kind stands where the other kind varies."""

    name: str
    walks: tuple[str, ...]
    writes: tuple[str, ...]
    sync: Sync


@dataclass(frozen=True)
class Result:
    """The outcome beside the truth: what lived in the sandbox all the while, and what has gone."""

    outcome: Outcome
    current: set[str]
    gone: set[str]

    def missing(self) -> str:
        """How many of the current the destination lacks."""
        lacking = self.current - self.outcome.held
        return f"{len(lacking)} of {len(self.current)} current rows missing, {self._exit}"

    def kept(self) -> str:
        """How many of the gone the destination still has as current."""
        kept = self.gone & self.outcome.held
        return f"{len(kept)} of {len(self.gone)} deleted rows kept, {self._exit}"

    @property
    def _exit(self) -> str:
        return f"exit {self.outcome.exit}"


@dataclass(frozen=True)
class Case:
    """What happens to a sync: to the first, by every walk, or to the second, by every write."""

    name: str
    happens: Callable[[Sandbox], None]
    second: bool
    tells: Callable[[Result], str]


def current(world: World) -> list[str]:
    """The ids of the list, ascending."""
    return [record["id"] for record in world.records(LIST)]


def remove_first(world: World, count: int) -> None:
    """Remove records from the beginning of the list."""
    for id_ in current(world)[:count]:
        world.remove(LIST, id_)


def swap_first(world: World, count: int) -> None:
    """Remove records from the beginning of the list and add as many at its end."""
    remove_first(world, count)
    for _ in range(count):
        world.add(LIST)


def only_first(document: Document) -> None:
    """Leave one record on a page."""
    document["data"] = document["data"][:1]


def only_first_and_last(document: Document) -> None:
    """Leave one record on a page, and no page after it."""
    only_first(document)
    document["links"].pop("next")


CASES = [
    Case(
        "three deletes on page 1 before page 2 is read",
        lambda sandbox: sandbox.before(LIST, lambda world: remove_first(world, 3), page=2),
        second=False,
        tells=Result.missing,
    ),
    Case(
        "the same, and three inserts at the end",
        lambda sandbox: sandbox.before(LIST, lambda world: swap_first(world, 3), page=2),
        second=False,
        tells=Result.missing,
    ),
    Case(
        "page 2 is 19 records short, once",
        lambda sandbox: sandbox.alter(LIST, only_first, page=2, times=1),
        second=False,
        tells=Result.missing,
    ),
    Case(
        "after a full sync, page 1 has 1 record and no next page, once",
        lambda sandbox: sandbox.alter(LIST, only_first_and_last, page=1, times=1),
        second=True,
        tells=Result.missing,
    ),
    Case(
        "five deletes between two syncs",
        lambda sandbox: remove_first(sandbox.world, 5),
        second=True,
        tells=Result.kept,
    ),
]


def install(folder: Path, requirement: str) -> Path:
    """The Python of a new environment with that package."""
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", PYTHON, folder], check=True)
    subprocess.run([*uv, "pip", "install", "--python", folder, requirement], check=True)
    return folder / "bin" / "python"


def quiet(folder: Path) -> dict[str, str]:
    """The environment of a sync: what a tool leaves goes to the folder, and nothing leaves it."""
    theirs = {name: each for name, each in os.environ.items() if not name.startswith("ARROW_")}
    return {
        **theirs,  # without what this project has chosen for itself
        "DLT_DATA_DIR": str(folder),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "AIRBYTE_PROJECT_DIR": str(folder),
        "AIRBYTE_LOGGING_ROOT": str(folder),
        "AIRBYTE_OFFLINE_MODE": "1",
        "DO_NOT_TRACK": "1",
        "NO_LIVE_PROGRESS": "1",
    }


def syncing(python: Path, script: str, query: Callable[[Way], str]) -> Sync:
    """A sync by a script beside this one; the query asks its database for the current ids."""

    def sync(sandbox: Sandbox, folder: Path, way: Way) -> Outcome:
        database = folder / "destination.duckdb"
        path = Path(__file__).with_name(script)
        task = {
            "base_url": sandbox.base_url,
            "headers": HEADERS,
            "page_size": 20,
            "streams": {LIST: {}},
            "database": str(database),
            "walk": way.walk,
            "write": way.write,
        }
        done = subprocess.run(
            [python, path, json.dumps(task)],
            cwd=folder,
            env=quiet(folder),
            capture_output=True,
            check=False,
        )
        with duckdb.connect(str(database), read_only=True) as connection:
            held = {id_ for (id_,) in connection.sql(query(way)).fetchall()}
        return Outcome(held, done.returncode)

    return sync


def with_dlt(folder: Path, version: str = "1.31.0") -> Tool:
    """dlt, with all that it offers for writing to DuckDB."""
    python = install(folder / "dlt", f"dlt[duckdb]=={version}")

    def query(way: Way) -> str:
        retired = "_dlt_valid_to IS NOT NULL" if way.write == "scd2" else "false"
        return f"SELECT id FROM peer.{LIST} WHERE NOT {retired}"

    return Tool(
        f"dlt {version}",
        walks=("json_link", "page_number"),
        writes=("delete-insert", "upsert", "insert-only", "append", "cdc", "scd2", "replace"),
        sync=syncing(python, "dlt_sync.py", query),
    )


def with_airbyte(folder: Path, version: str = "0.71.3") -> Tool:
    """PyAirbyte, with a source in its declarative language and all its write strategies."""
    python = install(folder / "airbyte", f"airbyte=={version}")
    return Tool(
        f"PyAirbyte {version}",
        walks=("PageIncrement", "CursorPagination"),
        writes=("auto", "merge", "append", "replace"),
        sync=syncing(python, "airbyte_sync.py", lambda _: f"SELECT id FROM main.{LIST}"),
    )


def with_ours() -> Tool:
    """This project, as it is used."""

    def sync(sandbox: Sandbox, folder: Path, way: Way) -> Outcome:
        path = folder / "recruitment.duckdb"
        database = RecruitDatabase(database=str(path))
        api = RecruitApi(
            base_url=sandbox.base_url, key=sandbox.rules.key, requests_per_10s=0, first_wait=0
        )
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize(
                [each for each in ASSETS if each.key == dg.AssetKey(LIST)],
                resources=resources(database, api),
                instance=instance,
                raise_on_error=False,
            )
        with duckdb.connect(str(path), read_only=True) as connection:
            current = f"SELECT id FROM recruit.{LIST} WHERE _deleted_at IS NULL"
            held = {id_ for (id_,) in connection.sql(current).fetchall()}
        return Outcome(held, int(not result.success))

    return Tool("recruit-assets", walks=("lanes",), writes=("merge",), sync=sync)


def ways(tool: Tool, case: Case) -> Iterator[tuple[str, Way]]:
    """The ways in which a tool meets a case, named by what varies."""
    if case.second:
        yield from ((write, Way(tool.walks[0], write)) for write in tool.writes)
    else:
        yield from ((walk, Way(walk, tool.writes[0])) for walk in tool.walks)


def measure(case: Case, tool: Tool, way: Way) -> str:
    """What a case tells of one way of a tool.

    Raises:
        RuntimeError: the sync before the case was not whole.
    """
    with Sandbox().serve() as sandbox, TemporaryDirectory() as folder:
        while sandbox.world.count(LIST) < RECORDS:
            sandbox.world.add(LIST)
        before = set(current(sandbox.world))
        if case.second and tool.sync(sandbox, Path(folder), way) != Outcome(before, 0):
            raise RuntimeError(f"{tool.name} did not sync a list at rest, with {way}")
        case.happens(sandbox)
        outcome = tool.sync(sandbox, Path(folder), way)
        after = set(current(sandbox.world))
        return case.tells(Result(outcome, before & after, before - after))


def cell(case: Case, tool: Tool) -> str:
    """A case in all ways of a tool, those with the same result together."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, way in ways(tool, case):
        names[measure(case, tool, way)].append(name)
    if len(tool.walks) == len(tool.writes) == 1:
        return next(iter(names))
    return "<br>".join(f"{', '.join(alike)}: {told}" for told, alike in names.items())


def table(tools: list[Tool]) -> Iterator[str]:
    """The lines of the table."""
    yield f"| case | {' | '.join(tool.name for tool in tools)} |"
    yield f"| --- |{' --- |' * len(tools)}"
    for case in CASES:
        yield f"| {case.name} | {' | '.join(cell(case, tool) for tool in tools)} |"


def main() -> None:
    """Install the tools and print the table, line by line."""
    with TemporaryDirectory() as folder:
        for line in table([with_dlt(Path(folder)), with_airbyte(Path(folder)), with_ours()]):
            print(line, flush=True)


if __name__ == "__main__":
    main()
