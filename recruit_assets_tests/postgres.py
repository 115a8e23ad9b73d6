"""A PostgreSQL of the tests' own, started from the programs of the system."""

import os
import shutil
import socket
import subprocess
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

USER = "recruit"
_NUMBERS = count()


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, which Debian leaves out of PATH."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), shutil.which("initdb")]
    return next((Path(each).parent for each in found if each), None)


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs."""
    found = programs()
    assert found
    return str(found / name)


def query(address: str, text: str) -> str:
    """Run SQL in a database; return what it prints."""
    command = [program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", address]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return done.stdout


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Cluster:
    """Run a PostgreSQL that is reached by a socket, so that no port is taken.

    Args:
        folder: where one runs already; empty to make one and start it.
        password: what `PGPASSWORD` has for it; then it is reached by a port, as from elsewhere.
    """

    def __init__(self, folder: str = "", *, password: str = "") -> None:
        self.folder, self._is_ours = Path(folder or mkdtemp(prefix="pg-", dir="/tmp")), not folder
        self._password, self.port = password, _free_port() if password else 0
        if self._is_ours:  # in /tmp, because the path of a socket has to be short
            self._make()

    def _make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self._password)
        if not os.geteuid():  # it refuses to run as root
            for each in (self.folder, secret):
                shutil.chown(each, "postgres", "postgres")
        auth = ["-A", "scram-sha-256", f"--pwfile={secret}"] if self._password else ["-A", "trust"]
        self._run("initdb", *auth, "-U", USER, "--no-sync", "-E", "UTF8", "--no-locale")
        settings = {
            "listen_addresses": "127.0.0.1" if self.port else "",
            "port": self.port or 5432,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": 300,  # Dagster 1.13.0 leaves some open for a while
        }
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self.start()

    @property
    def address(self) -> str:
        """Return how libpq connects, without the password."""
        return f"{self._server} dbname=postgres"

    @property
    def _server(self) -> str:
        where = f"127.0.0.1 port={self.port}" if self.port else str(self.folder)
        return f"host={where} user={USER}"

    def database(self) -> str:
        """Create a database; return how libpq connects to it."""
        name = f"test_{os.getpid()}_{next(_NUMBERS)}"
        self.sql(f"CREATE DATABASE {name}")
        return f"{self._server} dbname={name}"

    def start(self) -> None:
        """Start it; return when it answers."""
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "start")

    def stop(self, *, mode: str = "immediate") -> None:
        """Stop it, which ends all connections; `immediate` is as good as a crash."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def restart(self, *, mode: str = "immediate") -> None:
        """Stop and start it."""
        self.stop(mode=mode)
        self.start()

    def remove(self) -> None:
        """Stop it for good, if this process made it."""
        if self._is_ours:
            self.stop()
            shutil.rmtree(self.folder)

    def sql(self, text: str) -> str:
        """Run SQL; return what it prints."""
        return query(self.address, text)

    def dump(self, schema: str) -> str:
        """Return all rows of all tables of a schema as text."""
        names = self.sql(f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'").split()
        return "\n".join(self.sql(f'COPY "{schema}"."{each}" TO STDOUT') for each in names)

    def _run(self, name: str, *arguments: str) -> None:
        as_user = {} if os.geteuid() else {"user": "postgres", "group": "postgres"}
        command = [program(name), "-D", str(self.folder / "data"), *arguments]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            **as_user,  # type: ignore[call-overload]
        )
