"""A PostgreSQL of the tests' own, started from the system's binaries."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob
from itertools import count
from pathlib import Path

import pytest

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.extensions import extension

BINARIES = sorted(glob("/usr/lib/postgresql/*/bin"))
PASSWORD = "s3cr/t@nobody:may%see"  # with all that an address could misread
NUMBERS = count()


@dataclass(frozen=True)
class Postgres:
    """A running server; `PGPASSWORD` has its password."""

    folder: Path
    port: int

    def database(self) -> str:
        """Create a database; return its connection string, without the password."""
        name = f"test_{os.getpid()}_{next(NUMBERS)}"
        address = f"host=127.0.0.1 port={self.port} user=postgres dbname="
        query(f"{address}postgres", f"CREATE DATABASE {name}")
        return f"{address}{name}"

    def control(self, *arguments: str) -> None:
        """Start, stop or restart the server, and wait until it has."""
        command = [f"{BINARIES[-1]}/pg_ctl", "-D", f"{self.folder}/data", "-w", *arguments]
        log = ["-l", f"{self.folder}/log"] if "stop" not in arguments else []
        run_as_postgres(*command, *log)


def query(address: str, sql: str) -> list[str]:
    """Return the rows that statements return."""
    command = ["psql", "-v", "ON_ERROR_STOP=1", address, "-qAtc", sql]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def run_as_postgres(*command: str) -> None:
    """Run a command as the user postgres if this is root, which the server refuses."""
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    subprocess.run([*user, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Start a server of its own for the tests of a process."""
    if not BINARIES:
        pytest.skip("needs PostgreSQL")
    pytest.importorskip("psycopg", reason="needs psycopg")
    try:
        extension("ducklake")
    except DatabaseProblem as problem:
        pytest.skip(str(problem))
    # Not in pytest's own folder, which is for its user alone.
    folder = Path("/tmp") / f"recruit-postgres-{os.getpid()}"
    folder.mkdir(mode=0o700)
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if os.getuid() == 0:
        shutil.chown(secret, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run_as_postgres(
        f"{BINARIES[-1]}/initdb", "-D", f"{folder}/data", "-U", "postgres", "-E", "UTF8",
        "--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={secret}",
    )  # fmt: skip
    with (folder / "data" / "postgresql.conf").open("a") as settings:
        settings.write(f"listen_addresses='127.0.0.1'\nport={port}\n")
        settings.write("max_connections=300\n")  # Dagster 1.13.0 leaves some open for a while
        settings.write(f"unix_socket_directories='{folder}'\n")
    server = Postgres(folder, port)
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("PGPASSWORD", PASSWORD)
        server.control("start")
        try:
            yield server
        finally:
            server.control("-m", "immediate", "stop")
            shutil.rmtree(folder)
