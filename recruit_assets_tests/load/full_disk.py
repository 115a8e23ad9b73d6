"""What happens on a full disk: a program for `test_full_disk`, in a namespace where it may mount.

Its arguments are a folder, the settings of the API and, by phase, which of its folders is a small
disk, both in JSON. It prints what it found, a line of JSON each. Each phase has a fork of its own,
with a disk of its own, because to import this project takes longer than a phase.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from shutil import disk_usage
from typing import Any

from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.errors import RecruitError
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.load.compact import compact
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.read_copy import publish
from recruit_assets.load.state import rows
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.parquet import write_files
from recruit_assets.marts.report import write
from recruit_assets.options import Mode, Options
from recruit_assets_tests.syncing import sync

MOUNT = ("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs")
PLAIN = {"force_compression": "uncompressed"}
STEP = 128 << 10  # bytes


@dataclass(frozen=True)
class Found:
    """What was said of work on a full disk, if anything; candidates then, and one sync later."""

    said: str
    rows: int
    later: int


@dataclass
class Disk:
    """The small disk, and a database that is on it or elsewhere."""

    folder: Path
    database: Path
    api: dict[str, Any]

    @contextmanager
    def full(self, left: int) -> Iterator[None]:
        """Leave so many bytes free in the block."""
        filler = self.folder / "filler"
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, disk_usage(self.folder).free - left)
        yield
        filler.unlink()

    def refused(self, work: Callable[[], object], left: int = 0) -> Found:
        """Work while the disk is full."""
        said = ""
        with self.full(left):
            try:
                work()
            except RecruitError as error:
                said = str(error)
        then = self.rows()
        self.sync()
        return Found(said, then, self.rows())

    def sync(self, name: str = "candidates") -> None:
        """Sync an endpoint whole."""
        client, limits = Client(ApiSettings(**self.api)), RetryLimits(first_wait=0)
        source = Source(client, endpoint(name), limits, logging.getLogger("sync"))
        opened = partial(connection, str(self.database), {}, 0)
        try:
            sync(source, opened, self.database.exists, Options(mode=Mode.full), "run")
        finally:
            client.close()

    def run(self, sql: str, **config: str) -> None:
        """Run SQL in a transaction."""
        with connection(str(self.database), config, 0) as database, transaction(database):
            database.execute(sql).fetchall()

    def rows(self) -> int:
        """Count the candidates."""
        if not self.database.exists():
            return -1
        with connection(str(self.database), {}, 0) as database:
            return rows(database, endpoint("candidates"))


def endpoint(name: str) -> Endpoint:
    return next(each for each in ENDPOINTS if each.name == name)


def in_every_size(disk: Disk) -> Iterator[Found]:
    """Sync with no room, and with ever more, until it is enough."""
    disk.sync("regions")
    begun, said, left = disk.database.read_bytes(), "?", 0
    while said:
        disk.database.write_bytes(begun)
        found = disk.refused(disk.sync, left)
        said, left = found.said, left + STEP
        yield found


def at_first(disk: Disk) -> Iterator[Found]:
    """Make the database."""
    yield disk.refused(disk.sync)


def staging(disk: Disk) -> Iterator[Found]:
    """Sync with no room for what is on its way."""
    disk.sync("regions")  # or Python would choose another folder
    yield disk.refused(disk.sync)


def counting(disk: Disk) -> Iterator[Found]:
    """Sync with no room for the count of requests, which is kept."""
    disk.api["requests_per_10s"] = 1000
    disk.sync("regions")
    (count,) = disk.folder.glob("*/*.sqlite")
    before = count.stat().st_ino
    yield disk.refused(disk.sync)
    assert count.stat().st_ino == before


def large_write(disk: Disk) -> Iterator[Found]:
    """Write more than DuckDB keeps until the commit."""
    disk.sync()
    create = "CREATE TABLE own AS SELECT uuid() AS i FROM range(400_000)"
    yield disk.refused(lambda: disk.run(create), left=1 << 20)


def spill(disk: Disk) -> Iterator[Found]:
    """Sort what does not fit into memory."""
    disk.sync()
    query = "FROM (SELECT uuid() AS i FROM range(3_000_000)) ORDER BY i OFFSET 2_999_999"
    yield disk.refused(lambda: disk.run(query, memory_limit="40MB"))


def copy(disk: Disk) -> Iterator[Found]:
    """Compact; that the copy does not fit is plain from the start, or comes out on the way."""
    disk.sync()
    yield disk.refused(lambda: compact(str(disk.database), 0))
    disk.run("CREATE TABLE own AS SELECT 'the same' AS said FROM range(1_000_000)")
    yield disk.refused(lambda: compact(str(disk.database), 0, PLAIN), left=5 << 20)


def read_copy(disk: Disk) -> Iterator[Found]:
    """Publish a copy beside the database; the old one stays."""
    disk.sync()
    target = disk.folder / "copy.duckdb"
    publishing = partial(publish, str(disk.database), str(target), 0, {}, None)
    publishing()
    old = target.read_bytes()
    yield disk.refused(publishing, left=STEP)
    assert target.read_bytes() == old
    assert not list(disk.folder.glob(f".{target.name}*"))


def report(disk: Disk) -> Iterator[Found]:
    """Write the page beside the database."""
    disk.sync()
    page = disk.folder / "report.html"
    page.write_text("old")
    yield disk.refused(lambda: write("new" * 10_000, page))
    assert page.read_text() == "old"
    assert not list(disk.folder.glob(f".{page.name}*"))


def parquet(disk: Disk) -> Iterator[Found]:
    """Write a mart as a file; the old one stays."""
    disk.sync()
    (mart,) = [each for each in MARTS if each.name == "offers"]
    disk.run("CREATE SCHEMA recruit_marts")
    disk.run("CREATE TABLE recruit_marts.offers AS SELECT 'old' AS said")
    folder = disk.folder / "files"
    folder.mkdir()

    def export() -> None:
        with connection(str(disk.database), {}, 0) as database:
            write_files(database, [mart], folder, "")

    export()
    old = {each.name: each.read_bytes() for each in folder.iterdir()}
    disk.run("INSERT INTO recruit_marts.offers SELECT uuid() FROM range(40_000)")
    yield disk.refused(export, left=STEP)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == old


PHASES: dict[str, Callable[[Disk], Iterator[Found]]] = {
    each.__name__: each
    for each in (
        at_first,
        in_every_size,
        large_write,
        spill,
        copy,
        read_copy,
        report,
        parquet,
        staging,
        counting,
    )
}


def happen(phase: str, full: str, folder: Path, api: dict[str, Any]) -> None:
    """Let a phase happen in a folder, of which a part is a small disk."""
    parts = {name: folder / phase / name for name in ("database", "temporary")}
    for part in parts.values():
        part.mkdir(parents=True)
    subprocess.run([*MOUNT, parts[full]], check=True)
    os.environ["TMPDIR"], tempfile.tempdir = str(parts["temporary"]), None
    for found in PHASES[phase](Disk(parts[full], parts["database"] / "x.duckdb", api)):
        sys.stdout.write(json.dumps([phase, asdict(found)]) + "\n")


if __name__ == "__main__":
    folder, api, disks = sys.argv[1:]
    for phase, full in json.loads(disks).items():
        arguments = phase, full, Path(folder), json.loads(api)
        process = get_context("fork").Process(target=happen, args=arguments)
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(phase)
