"""One sync of an endpoint at a time.

Two syncs of one endpoint would ask for the same pages, and the later one to store could undo what
the other has found. A sync holds a lock of the system, which ends with its process. Where processes
do not share a temporary folder, as in containers, nothing is lost either: a part is not stored if
another sync was stored since the last one (see `store`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256

from filelock import FileLock, Timeout

from recruit_assets.load.destination import destination
from recruit_assets.private_folder import private_folder


@contextmanager
def lease(
    database: str, endpoint: str, wait_seconds: float, waiting: Callable[[], None]
) -> Iterator[bool]:
    """Hold the lease of an endpoint while the block runs; yield whether it could be had.

    Args:
        database: the path of the file, or the address of the lake.
        endpoint: the name of the endpoint.
        wait_seconds: how long to wait for another sync to end.
        waiting: is called once, before it waits.
    """
    name = sha256(f"{destination(database).key} {endpoint}".encode()).hexdigest()[:32]
    lock = FileLock(private_folder() / f"{name}.lease", mode=0o600)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        waiting()
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout:
            yield False
            return
    try:
        yield True
    finally:
        lock.release()
