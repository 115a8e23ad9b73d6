"""Interrupts that Python loses: noticed all the same, and raised again.

Python raises the exception of a signal wherever the main thread happens to be. Where errors are
ignored, that exception is lost: in a finalizer, in the callback of a weak reference, in Python code
that DuckDB calls while it prepares a query. A run that was told to stop would go on, and end as a
success. The interpreter also writes the number of each
signal to a socket, which nothing can swallow. A `Listener` receives it during a run, and
`raise_if_interrupted` is called wherever a run may end.
"""

import signal
import socket
from contextlib import suppress
from threading import current_thread, main_thread

NOBODY = -1  # the descriptor while nothing receives signals
STOPPING = {signal.SIGINT, signal.SIGTERM}

_listening: list["Listener"] = []  # at most one


class Listener:
    """Notice interrupts until it is closed.

    It notices none outside the main thread, which alone handles signals, or if something else, such
    as an event loop, receives them.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._inbox, self._outbox = socket.socketpair()
        self._inbox.setblocking(False)
        self._outbox.setblocking(False)
        if _in_main_thread() and _redirect(NOBODY, self._outbox.fileno()):
            _listening.append(self)

    def close(self) -> None:
        """Leave the process as it was."""
        if self in _listening:
            _listening.remove(self)
            _redirect(self._outbox.fileno(), NOBODY)
        self._inbox.close()
        self._outbox.close()

    def listen(self) -> None:
        """Take note of the signals that have arrived."""
        with suppress(BlockingIOError):
            arrived = self._inbox.recv(4096)
            self.interrupted = self.interrupted or not STOPPING.isdisjoint(arrived)


def raise_if_interrupted() -> None:
    """Do nothing, unless the process has been told to stop since the run began.

    Raises:
        KeyboardInterrupt: it has, and runs on.
    """
    for listener in _listening if _in_main_thread() else ():
        listener.listen()
        if listener.interrupted:
            raise KeyboardInterrupt


def _in_main_thread() -> bool:
    return current_thread() is main_thread()


def _redirect(before: int, after: int) -> bool:
    """Have signals written to another descriptor, if they are written to `before`."""
    found = signal.set_wakeup_fd(after, warn_on_full_buffer=False)
    if found != before:
        signal.set_wakeup_fd(found)
    return found == before
