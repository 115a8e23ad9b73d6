"""A lake as destination: DuckLake, whose catalogue is in PostgreSQL, SQLite or a DuckDB file.

The tables are Parquet files in a folder or on S3, so several machines can use them at once. The
extensions come from the wheels of the extra `lake`; nothing is downloaded.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from recruit_assets.errors import DatabaseBusy, DatabaseProblem
from recruit_assets.load.sql import OFFLINE, literal, quoted
from recruit_assets.text import LAKE, has_password

SUPPORTED = "1.5.5"  # version of DuckDB for which the extensions exist as wheels
S3 = "s3://"
MAX_TURN = 600  # seconds that a transaction waits for those of other processes
BUSY = "Another process has been writing to the lake for ten minutes: run again when it has ended."
FORM = "ducklake:postgres:host=db dbname=recruit (DATA_PATH '/data/recruit')"
_OPTION = r"(?:DATA_PATH|METADATA_SCHEMA)\s+'(?:[^']|'')*'"
_ADDRESS = re.compile(
    rf"{LAKE}(?:(postgres|sqlite):)?(.*?)(?:\s*\(\s*({_OPTION}(?:\s*,\s*{_OPTION})*)\s*\))?",
    re.IGNORECASE | re.DOTALL,
)
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
        if not catalogue.strip():
            raise DatabaseProblem(f"The address of the lake cannot be read: write {FORM}.")
        if catalogue.endswith(")"):
            raise DatabaseProblem(
                f"The options of the lake cannot be read: write {FORM}, with DATA_PATH and "
                "METADATA_SCHEMA alone."
            )
        texts = _NAME_AND_TEXT.findall(written)
        options = {name.upper(): text.replace("''", "'") for name, text in texts}
        return cls(kind.lower(), catalogue.strip(), options)

    @property
    def key(self) -> str:
        """Return the address without the options that only say where new files go."""
        place = self.catalogue if self.kind == "postgres" else os.path.realpath(self.catalogue)
        return f"{LAKE}{self.kind}:{place} {self.options.get('METADATA_SCHEMA', '')}".rstrip()

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
        return self.options.get("DATA_PATH") or f"{self.catalogue}.files"

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
        for place in (self.catalogue, self.data_path)[self.kind == "postgres" :]:
            folder = Path(place).absolute().parent
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
            try:
                self.attach_read_only(database, "lake")
            except duckdb.InvalidInputException as error:
                if "does not exist" in str(error):
                    return False
                raise
        return True

    def is_made(self) -> bool:
        """Return whether the catalogue has the lake."""
        return self.exists()

    def attach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach the lake for writing; it is created unless it exists.

        One thread takes less processor time for many small files, and hardly more time.
        """
        database.execute("SET threads = 1")
        if not self._is_on_s3:
            Path(self.data_path).mkdir(mode=0o700, exist_ok=True)
        self._attach(database, name)

    def attach_read_only(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach the lake for reading; it must exist."""
        self._attach(database, name, "READ_ONLY", "CREATE_IF_NOT_EXISTS false")

    def reach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Raise duckdb.Error if the catalogue cannot be reached any more since it was attached."""
        database.execute(f"FROM ducklake_current_snapshot({literal(name)})").fetchall()

    def try_to_attach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach the lake for writing; it must exist."""
        self._attach(database, name, "CREATE_IF_NOT_EXISTS false")

    @contextmanager
    def writing(self, database: duckdb.DuckDBPyConnection, name: str) -> Iterator[None]:
        """Let one transaction write at a time, as two that only insert would not conflict.

        The lock ends with its process, or with its connection to PostgreSQL.

        Raises:
            DatabaseBusy: another process has been writing for that long.
        """
        if self.kind != "postgres":
            try:
                with FileLock(f"{self.catalogue}.lock", timeout=MAX_TURN):
                    yield
            except Timeout:
                raise DatabaseBusy(BUSY) from None
            return
        catalogue = literal(f"__ducklake_metadata_{name}")
        with database.cursor() as turn:
            turn.execute("BEGIN TRANSACTION")
            for sql in (
                f"SELECT set_config('lock_timeout', '{MAX_TURN}s', true)",
                "SELECT set_config('idle_in_transaction_session_timeout', '0', true)",
                f"SELECT 1 FROM (SELECT pg_advisory_xact_lock({self._lock})) AS taken",
            ):
                turn.execute(f"FROM postgres_query({catalogue}, {literal(sql)})").fetchall()
            try:
                yield
            finally:  # closing it instead would abort the process if the catalogue has restarted
                with suppress(duckdb.Error):
                    turn.execute("ROLLBACK")

    def detach(self, database: duckdb.DuckDBPyConnection, name: str) -> None:
        """Detach the lake."""
        database.execute(f"DETACH {quoted(name)}; RESET threads")

    def _attach(self, database: duckdb.DuckDBPyConnection, name: str, *options: str) -> None:
        for each in self._extensions:
            database.execute(f"LOAD {literal(extension(each))}")
        if self._is_on_s3:
            database.execute(f"CREATE OR REPLACE TEMPORARY SECRET recruit_lake ({_s3_secret()})")
        address = f"{LAKE}{self.kind}:{self.catalogue}" if self.kind else self.catalogue
        address = address if self.kind else f"{LAKE}{self.catalogue}"
        known = {**self.options, "DATA_PATH": f"{self.data_path.rstrip('/')}/"}
        written = [f"{option} {literal(text)}" for option, text in known.items()]
        database.execute(
            f"ATTACH {literal(address)} AS {quoted(name)} ({', '.join([*written, *options])})"
        )


def _s3_secret() -> str:
    """Return the options of DuckDB's secret for S3, which finds keys as AWS's own tools do.

    Its extension does not know the variable for the address of another storage with this protocol.
    """
    options = ["TYPE s3", "PROVIDER credential_chain", "REFRESH auto"]
    if address := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        scheme, _, host = address.rstrip("/").rpartition("://")
        options += [f"ENDPOINT {literal(host)}", f"USE_SSL {scheme != 'http'}", "URL_STYLE 'path'"]
    return ", ".join(options)


def is_lake(database: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the tables that a connection uses are in a lake."""
    found = database.execute(
        "SELECT type FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchone()
    return found == ("ducklake",)


def extension(name: str) -> str:
    """Return the path of an extension of DuckDB in its wheel.

    Raises:
        DatabaseProblem: it is not installed, or is for another DuckDB.
    """
    found = find_spec(f"duckdb_extension_{name}")
    places = list(found.submodule_search_locations or ()) if found else []
    files = [
        file
        for place in places
        for file in Path(place).glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension")
    ]
    if not files:
        raise DatabaseProblem(
            f"A lake needs DuckDB {SUPPORTED} and its extensions, and this is DuckDB "
            f"{duckdb.__version__}: run pip install 'recruit-assets[lake]'."
        )
    return str(files[0])
