"""Reading ahead: the next readings of a run begin while an endpoint is merged.

With a distant API, lists of one page would leave the rate limit unused: each waits for a response,
then for the merge of the one before. So when the requests of an endpoint have ended, the next
readings begin, each in a thread that holds a few pages, until `READINGS_AHEAD` of them have pages
left to request. They are ordinary readings, which began earlier: what they prove counts from their
own first request. They share the client's connections and its rate limit.

The step of an endpoint uses the reading that has begun, or throws it away if the table or the
options are no longer those it was planned from, or if it began too long ago. Its requests are
counted in either case, and its messages and errors appear in that step.

Scope: which readings begin, and which are used. `assets` names the next endpoints of a run.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

from recruit_assets.catalogue import Endpoint
from recruit_assets.load.sync_state import SyncState
from recruit_assets.options import Options
from recruit_assets.reading import Reading

READINGS_AHEAD = 6  # as many as keep all connections busy while some wait for their steps
MAX_AGE = 3600.0  # seconds from the start of a reading until its step


@dataclass(frozen=True)
class Plan:
    """Hold what a reading follows from; two readings of equal plans send the same requests."""

    endpoint: Endpoint
    state: SyncState
    options: Options


class ReadAhead:
    """Begin the planned readings of a run, and return each to its step.

    Args:
        reading: makes the reading of a plan, with a log.
        clock: returns seconds, for the age of a reading.
    """

    def __init__(
        self,
        reading: Callable[[Plan, logging.Logger], Reading],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._reading, self._clock = reading, clock
        self._planned: dict[str, Plan] = {}
        self._begun: dict[str, _Begun] = {}
        self.is_planned = False

    def plan(self, plans: Iterable[Plan]) -> None:
        """Plan the readings of later steps, in their order; they begin one after another."""
        self._planned = {plan.endpoint.name: plan for plan in plans}
        self.is_planned = True

    def state(self, name: str) -> SyncState | None:
        """Return the state from which the reading of an endpoint was planned, if it has begun."""
        begun = self._begun.get(name)
        return begun.plan.state if begun else None

    def begin(self) -> None:
        """Begin the next readings, until enough of them have pages left to request."""
        unfinished = sum(each.reading.is_requesting for each in self._begun.values())
        for name in list(self._planned)[: max(0, READINGS_AHEAD - unfinished)]:
            plan, held = self._planned.pop(name), HeldLog()
            reading = self._reading(plan, held.logger)
            self._begun[name] = _Begun(plan, reading, held, self._clock())
            reading.begin()

    def take(self, plan: Plan, log: logging.Logger) -> Reading:
        """Return the reading of a plan for its step: the one that has begun, or a new one."""
        self._planned.pop(plan.endpoint.name, None)
        begun = self._begun.pop(plan.endpoint.name, None)
        if begun and begun.plan == plan and self._clock() - begun.at <= MAX_AGE:
            begun.held.pass_on(log)
            return begun.reading
        reading = self._reading(plan, log)
        if begun:
            reading.source.replace(begun.reading.source)
        return reading

    def stop(self) -> None:
        """Send nothing more for readings whose steps have not begun."""
        self._planned.clear()
        for begun in self._begun.values():
            begun.reading.source.stopped.set()
        self._begun.clear()


class HeldLog(logging.Handler):
    """Hold the messages of a `logger` until it is known which log they belong to."""

    def __init__(self) -> None:
        super().__init__()
        self.logger = logging.Logger("read ahead")
        self.logger.addHandler(self)
        self._held: list[logging.LogRecord] = []
        self._log: logging.Logger | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Hold a message, or pass it on."""
        if self._log:
            self._log.log(record.levelno, record.getMessage())
        else:
            self._held.append(record)

    def pass_on(self, log: logging.Logger) -> None:
        """Log all messages so far, and each one from now on."""
        self.acquire()
        try:
            self._log = log
            for record in self._held:
                self.emit(record)
            self._held.clear()
        finally:
            self.release()


@dataclass(frozen=True)
class _Begun:
    plan: Plan
    reading: Reading
    held: HeldLog
    at: float
