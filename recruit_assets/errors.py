"""Everything that can go wrong, as one tree; every message says what happened and what to do.

    RecruitError
    ├── BadSetting                a setting is wrong; nothing was sent or written
    ├── RequestFailed             one request, after its tries
    │   ├── Transient             may clear by itself: it is asked again, after the wait it names
    │   │   ├── RateLimited       429
    │   │   └── BadAnswer         an answer that is not what the API's shape says
    │   ├── NeverReached          no answer from this host since we started
    │   ├── ParameterRefused      400, with the codes and details of the API
    │   ├── Unavailable           403 or 404: a scope or an add-on is missing
    │   └── Rejected              anything else that asking again cannot change
    ├── ShowsMuchLess             the API shows so much less than before that it needs a person
    └── DatabaseProblem           the DuckDB file cannot be used
        ├── DatabaseBusy          another process holds it
        ├── NotEnoughMemory       DuckDB may not take what it needs
        ├── NoSpaceLeft           a disk is full
        └── DatabaseChanged       another run changed it meanwhile

`retryable` says whether a later try of the whole asset can help. As text, every error is one line,
whatever the API or the system put into it.
"""

from recruit_assets.text import one_line


class RecruitError(Exception):
    """Base of every error of this project."""

    retryable = False

    def __str__(self) -> str:
        return one_line(super().__str__())


class BadSetting(RecruitError):
    """A setting is missing or wrong."""


class RequestFailed(RecruitError):
    """A request has failed for good.

    Args:
        subject: what was asked for, such as `candidates, page 3`.
        happened: what came of it, without secrets or personal data.
        advice: what the user can do.

    `status` is that of the API's answer, if it refused; `wait` is how many seconds the answer asks
    to wait before another try, if it does.
    """

    status: int | None = None
    wait: float | None = None

    def __init__(self, subject: str, happened: str, advice: str) -> None:
        super().__init__(subject, happened, advice)
        self.subject = one_line(subject, 200)
        # Cut on its own, so that the advice is always there.
        self.happened, self.advice = one_line(happened, 1000), one_line(advice, 600)
        self.tries = 1

    def __str__(self) -> str:
        tried = f" ({self.tries} tries)" if self.tries > 1 else ""
        return f"{self.subject}: {self.happened}{tried}. {self.advice}"


class Transient(RequestFailed):
    """A failure that can clear by itself, or that the API asks to wait out (`wait`, in seconds)."""

    retryable = True

    def __init__(self, subject: str, happened: str, advice: str, wait: float | None = None) -> None:
        super().__init__(subject, happened, advice)
        self.wait = wait


class RateLimited(Transient):
    """HTTP 429: more requests than the API allows."""


class BadAnswer(Transient):
    """An answer that is not JSON:API, or not whole."""


class NeverReached(RequestFailed):
    """No connection, and this host has not answered once: a typo more often than an outage."""

    retryable = True


class ParameterRefused(RequestFailed):
    """HTTP 400; `refusals` are the (code, detail) pairs of the API's error objects."""

    def __init__(
        self, subject: str, happened: str, advice: str, refusals: list[tuple[str, str]]
    ) -> None:
        super().__init__(subject, happened, advice)
        self.refusals = refusals


class Unavailable(RequestFailed):
    """HTTP 403 or 404 on a list; `status` says which."""

    status: int

    def __init__(self, subject: str, happened: str, advice: str, status: int) -> None:
        super().__init__(subject, happened, advice)
        self.status = status


class Rejected(RequestFailed):
    """An answer that stays the same however often it is asked for."""


class ShowsMuchLess(RecruitError):
    """So much is gone from the API that nobody but a person may believe it."""


class DatabaseProblem(RecruitError):
    """The database file cannot be opened, read or written."""


class DatabaseBusy(DatabaseProblem):
    """Another process holds the file, also after waiting for it."""

    retryable = True


class NotEnoughMemory(DatabaseProblem):
    """DuckDB needs more memory than it may take."""


class NoSpaceLeft(DatabaseProblem):
    """A disk is full; `committed` says whether the merge is in the database all the same."""

    def __init__(self, message: str, *, committed: bool = False) -> None:
        super().__init__(message)
        self.committed = committed


class DatabaseChanged(DatabaseProblem):
    """Another run changed the table while this one was reading."""

    retryable = True
