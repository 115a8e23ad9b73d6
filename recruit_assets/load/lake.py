"""A lake as destination: DuckLake, whose catalogue is in PostgreSQL, SQLite or a DuckDB file.

The tables are Parquet files in a folder or on S3, so several machines can use them at once. The
extensions come from the wheels of the extra `lake`; nothing is downloaded.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import duckdb
from filelock import FileLock, Timeout

from recruit_assets.errors import DatabaseBusy, DatabaseProblem
from recruit_assets.load.extensions import extension, s3_secret
from recruit_assets.load.sql import OFFLINE, literal, quoted
from recruit_assets.text import LAKE, has_password

S3 = "s3://"
MAX_TURN = 600  # seconds that a transaction waits for those of other processes
_TURN = {  # settings of PostgreSQL while a transaction has its turn
    "lock_timeout": f"{MAX_TURN}s",
    "idle_in_transaction_session_timeout": "0",
    "tcp_keepalives_idle": "30",  # a machine that is gone has it for a minute
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
EXISTING = "CREATE_IF_NOT_EXISTS false"
BUSY = "Another process has been writing to the lake for ten minutes: run again when it has ended."
FORM = "ducklake:postgres:host=db dbname=recruit (DATA_PATH '/data/recruit')"
_OPTION = r"(?:DATA_PATH|METADATA_SCHEMA)\s+'(?:[^']|'')*'"
_ADDRESS = re.compile(
    rf"{LAKE}(?:(postgres|sqlite):)?(.*?)(?:\s*\(\s*({_OPTION}(?:\s*,\s*{_OPTION})*)\s*\))?",
    re.IGNORECASE | re.DOTALL,
)
_ANOTHER_KIND = re.compile(r"\s*[a-z]\w*:", re.IGNORECASE)
_NAME_AND_TEXT = re.compile(r"(\w+)\s+'((?:[^']|'')*)'")
_EXTENSIONS = {  # by kind of catalogue
    "postgres": ("ducklake", "postgres_scanner"),
    "sqlite": ("ducklake", "sqlite_scanner"),
    "": ("ducklake",),
}


@dataclass(frozen=True)
class Lake:
    """Describe a lake.

    Args:
        kind: `postgres`, `sqlite`, or empty for a DuckDB file.
        catalogue: where it is: the connection string for PostgreSQL, or the path of a file.
        options: options of DuckLake, by name in capitals.
    """

    kind: str
    catalogue: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, address: str) -> "Lake":
        """Return the lake at an address, which is written as DuckDB's ATTACH has it.

        Raises:
            DatabaseProblem: the address cannot be read, or contains a password.
        """
        found = _ADDRESS.fullmatch(address.strip())
        kind, catalogue, written = found.groups("") if found else ("", "", "")
        if has_password(address):
            raise DatabaseProblem(
                "The address of the lake contains a password, which would be shown: remove it, and "
                "set PGPASSWORD or a file .pgpass instead."
            )
        if not catalogue.strip() or (not kind and _ANOTHER_KIND.match(catalogue)):
            raise DatabaseProblem(f"The address of the lake cannot be read: write {FORM}.")
        if catalogue.endswith(")"):
            raise DatabaseProblem(
                f"The options of the lake cannot be read: write {FORM}, with DATA_PATH and "
                "METADATA_SCHEMA alone."
            )
        texts = _NAME_AND_TEXT.findall(written)
        options = {name.upper(): text.replace("''", "'") for name, text in texts}
        place = catalogue.strip()
        return cls(
            kind.lower(),
            place if kind.lower() == "postgres" else os.path.realpath(place),
            {name: text for name, text in options.items() if text},
        )

    @property
    def key(self) -> str:
        """Return the address without the options that only say where new files go."""
        schema = self.options.get("METADATA_SCHEMA", "")
        return f"{LAKE}{self.kind}:{self.catalogue} {schema}".rstrip()

    @property
    def stays(self) -> bool:
        """Return whether others can use the catalogue while it is attached; attaching takes 0.2 s.

        A DuckDB file is locked as long as it is attached.
        """
        return bool(self.kind)

    @property
    def _lock(self) -> int:
        """Return the number of the lock in PostgreSQL."""
        schema = self.options.get("METADATA_SCHEMA", "public")
        digest = sha256(f"recruit-assets {schema}".encode()).digest()
        return int.from_bytes(digest[:8], signed=True)

    @property
    def _is_on_s3(self) -> bool:
        return self.data_path.startswith(S3)

    @property
    def _extensions(self) -> tuple[str, ...]:
        return _EXTENSIONS[self.kind] + (("httpfs", "aws") if self._is_on_s3 else ())

    @property
    def data_path(self) -> str:
        """Return where the Parquet files go: a folder or an address of S3."""
        return self.options.get("DATA_PATH", f"{self.catalogue}.files").rstrip("/")

    @property
    def beside(self) -> Path:
        """Return the path of the catalogue or of the local folder; for S3, one in this folder."""
        if self.kind != "postgres":
            return Path(self.catalogue)
        return Path(Path(self.data_path).name if self._is_on_s3 else self.data_path)

    def check(self) -> None:
        """Refuse a lake that this DuckDB cannot open, or whose files would have no place.

        Raises:
            DatabaseProblem: the message says what to do.
        """
        for name in self._extensions:
            extension(name)
        if self.kind == "postgres" and "DATA_PATH" not in self.options:
            raise DatabaseProblem(
                f"The address of the lake does not say where its files are: write {FORM}."
            )
        if self._is_on_s3 and "?" in self.data_path:
            raise DatabaseProblem("DATA_PATH has options, which could be keys: take them out.")
        if not self._is_on_s3 and not os.path.isabs(self.data_path):
            raise DatabaseProblem(
                f"DATA_PATH is {self.data_path}, which is another folder for a process elsewhere: "
                "write an absolute path."
            )
        for place in (self.catalogue, self.data_path)[self.kind == "postgres" :]:
            folder = Path(place).parent
            if not place.startswith(S3) and not folder.is_dir():
                raise DatabaseProblem(f"There is no folder {folder}: create it.")

    def exists(self) -> bool:
        """Return whether the catalogue has the lake.

        Raises:
            duckdb.Error: the catalogue cannot be reached.
        """
        if self.kind != "postgres":
            return Path(self.catalogue).exists()
        with duckdb.connect(config=OFFLINE) as database:
            self._load(database)
            return self._attach_existing(database, "lake", "READ_ONLY")

    def is_made(self) -> bool:
        """Return whether the catalogue has the lake."""
        return self.exists()

    def attach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach the lake for writing; it is created unless it exists.

        One thread takes less processor time for many small files, and hardly more time.
        """
        database.execute("SET threads = 1")
        self._load(database)
        is_there = self.kind == "postgres" or self.exists()
        if is_there and self._attach_existing(database, name):
            return
        if not self._is_on_s3:
            Path(self.data_path).mkdir(mode=0o700, exist_ok=True)
        # In a folder of its own: upkeep removes what its catalogue does not name.
        self._attach(database, name, f"DATA_PATH {literal(f'{self.data_path}/{uuid4().hex}/')}")

    def attach_read_only(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach the lake for reading; it must exist."""
        self._load(database)
        self._attach(database, name, "READ_ONLY", EXISTING)

    def reach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Check that the catalogue still answers; raise duckdb.Error if not."""
        database.execute(f"FROM ducklake_current_snapshot({literal(name)})").fetchall()

    def try_to_attach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach the lake for writing; it must exist."""
        self._load(database)
        self._attach(database, name, EXISTING)

    @contextmanager
    def writing(
        self, database: duckdb.DuckDBPyConnection, name: str
    ) -> Iterator[Callable[[], None]]:
        """Let one transaction write at a time, as two that only insert would not conflict.

        The lock ends with its process, or with its connection to PostgreSQL.

        Raises:
            DatabaseBusy: another process has been writing for that long.
        """
        if self.kind != "postgres":
            try:
                with FileLock(f"{self.catalogue}.lock", timeout=MAX_TURN):
                    yield lambda: None
            except Timeout:
                raise DatabaseBusy(BUSY) from None
            return
        with database.cursor() as turn:

            def ask(sql: str) -> None:
                catalogue = literal(f"__ducklake_metadata_{name}")
                turn.execute(f"FROM postgres_query({catalogue}, {literal(sql)})").fetchall()

            turn.execute("BEGIN TRANSACTION")
            try:
                for setting, value in _TURN.items():
                    ask(f"SELECT set_config('{setting}', '{value}', true)")
                ask(f"SELECT 1 FROM (SELECT pg_advisory_xact_lock({self._lock})) AS taken")
                yield lambda: ask("SELECT 1")  # fails if the connection has ended, and the lock
            finally:  # closing it instead would abort the process if the catalogue has restarted
                with suppress(duckdb.Error):
                    turn.execute("ROLLBACK")

    def detach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Detach the lake."""
        database.execute(f"DETACH {quoted(name)}; RESET threads")

    def _load(self, database: duckdb.DuckDBPyConnection) -> None:
        for each in self._extensions:
            database.execute(f"LOAD {literal(extension(each))}")
        if self._is_on_s3:
            database.execute(f"CREATE OR REPLACE TEMPORARY SECRET recruit_lake ({s3_secret()})")

    def _attach_existing(
        self, database: duckdb.DuckDBPyConnection, name: str, *options: str
    ) -> bool:
        """Attach the lake if the catalogue has it; return whether it has."""
        try:
            self._attach(database, name, EXISTING, *options)
        except duckdb.InvalidInputException as error:
            if "does not exist" in str(error):
                return False
            raise
        return True

    def _attach(self, database: duckdb.DuckDBPyConnection, name: str, *options: str) -> None:
        kind = f"{self.kind}:" if self.kind else ""
        schema = self.options.get("METADATA_SCHEMA")
        written = [*options, *([f"METADATA_SCHEMA {literal(schema)}"] if schema else [])]
        database.execute(
            f"ATTACH {literal(f'{LAKE}{kind}{self.catalogue}')} AS {quoted(name)} "
            f"({', '.join(written)})"
        )
        self._check_place(database, name)

    def _check_place(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Refuse an address with another place for the files than the catalogue has.

        Raises:
            DatabaseProblem: the message says which.
        """
        ((stored,),) = database.execute(
            f"SELECT value FROM ducklake_options({literal(name)}) WHERE option_name = 'data_path'"
        ).fetchall()
        wanted = self.options.get("DATA_PATH")
        if wanted and not stored.startswith(f"{wanted.rstrip('/')}/"):
            database.execute(f"DETACH {quoted(name)}")
            raise DatabaseProblem(
                f"The files of the lake are in {stored}, and the address says {wanted}: correct "
                "DATA_PATH."
            )


def is_lake(database: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the tables that a connection uses are in a lake."""
    found = database.execute(
        "SELECT type FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchone()
    return found == ("ducklake",)
