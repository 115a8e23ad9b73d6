"""Pages requested in the background, a few ahead of their use.

Scope: the thread that iterates a walk, and the bound on the pages it holds. `read_ahead` decides
which endpoint is read in the background.
"""

from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from threading import Event, Semaphore, Thread

from recruit_assets.extract.source import Page
from recruit_assets.extract.waits import acquire, take

PAGES_AHEAD = 48  # pages of a reading that are held until they are used


class BackgroundPages:
    """Iterate pages in a thread until somebody uses them; iterate this for the same pages.

    Its thread ends with the next page once this is iterated, and the pages after it are requested
    where they are used. `is_ahead` says whether pages may have been requested that were not used
    yet.

    Args:
        pages: the pages.
        stopped: ends the thread.
    """

    def __init__(self, pages: Iterable[Page], stopped: Event) -> None:
        self._pages, self._stopped = iter(pages), stopped
        self._room, self._used = Semaphore(PAGES_AHEAD), Event()
        self._arrived: SimpleQueue[Page | BaseException | None] = SimpleQueue()
        self.is_ahead = True
        # A daemon, because no run waits for a request once it has ended (see `threads`).
        self._thread = Thread(target=self._request, name="read ahead", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Return whether everything has been requested."""
        return not self._thread.is_alive()

    def __iter__(self) -> Iterator[Page]:
        self._used.set()
        while (arrived := take(self._arrived)) is not None:
            if isinstance(arrived, BaseException):
                raise arrived
            self._room.release()
            yield arrived
        self._thread.join()
        self.is_ahead = False
        yield from self._pages

    def _request(self) -> None:
        try:
            for page in self._pages:
                acquire(self._room, self._stopped)
                self._arrived.put(page)
                if self._used.is_set():
                    break
        except BaseException as error:  # raised again where the pages are used
            self._arrived.put(error)
        else:
            self._arrived.put(None)
