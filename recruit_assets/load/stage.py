"""Rows on their way to the merge, kept outside the database so that it is not locked meanwhile.

Rows come page by page for as long as the API takes; here they become Parquet files in a folder of
their own, so that memory stays flat and DuckDB reads them at its own speed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir
from time import time

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from recruit_assets.catalogue import Kind
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.names import literal

ROWS_PER_FILE = 10_000
POSITION = "_position"  # the order in which rows came: of two with one id, the later answer wins
FOLDER = "recruit-assets-"
LOCK = "lock"
JUST_NOW = 60.0  # seconds


class Stage:
    """A place for rows until they are merged; gone on leaving its `with` block.

    `columns` are those of the rows added so far, `first_id` is the id of the first of them;
    `files` hold `written` of them, after `flush` all.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Kind] = {}
        self.files: list[str] = []
        self.written = 0
        self._tables: list[pa.Table] = []
        self._waiting = 0  # rows of these
        self.first_id: str | None = None
        with _explained():
            clear_leftovers()
            self._folder = TemporaryDirectory(prefix=FOLDER, ignore_cleanup_errors=True)
            self._lock = FileLock(Path(self._folder.name) / LOCK)
            self._lock.acquire()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()  # while it is locked, so that nobody clears it meanwhile
        self._lock.release()

    @property
    def sql(self) -> str:
        """The rows as SQL to read from; those flushed."""
        if not self.files:
            return "(SELECT NULL::VARCHAR AS id WHERE false)"
        return f"read_parquet([{', '.join(map(literal, self.files))}], union_by_name = true)"

    def add(self, rows: pa.Table, columns: Mapping[str, Kind], positions: Sequence[int]) -> None:
        """Add rows; a column that they lack is null.

        Args:
            rows: their columns, of the Arrow types that the kinds have.
            columns: the kinds of all columns; each call may bring more of them.
            positions: of each row, in the order in which the API answered.
        """
        self.columns = dict(columns)
        if not rows.num_rows:
            return
        self.first_id = self.first_id or rows["id"][0].as_py()
        self._tables.append(rows.append_column(POSITION, pa.array(positions, pa.int64())))
        self._waiting += rows.num_rows
        if self._waiting >= ROWS_PER_FILE:
            self.flush()

    def flush(self) -> None:
        """Write what is still in memory."""
        if not self._tables:
            return
        file = Path(self._folder.name) / f"{len(self.files)}.parquet"
        with _explained():
            pq.write_table(pa.concat_tables(self._tables, promote_options="default"), file)
        self.files.append(str(file))
        self.written += self._waiting
        self._tables, self._waiting = [], 0


def clear_leftovers() -> None:
    """Remove what runs that were killed have left: it holds personal data.

    A run that lives holds the lock in its folder; the system lets go of it however a run ends. A
    lock made just now may be about to be taken.
    """
    for lock in Path(gettempdir()).glob(f"{FOLDER}*/{LOCK}"):
        try:
            if time() - lock.stat().st_mtime < JUST_NOW:
                continue
            with FileLock(lock, blocking=False):
                rmtree(lock.parent, ignore_errors=True)
        except (Timeout, OSError):  # somebody's, or gone meanwhile
            continue


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatabaseProblem(
            f"Rows could not be kept on their way to the database ({error}): make room there, or "
            "set TMPDIR to a folder with room."
        ) from error
