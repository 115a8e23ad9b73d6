"""The errors of this project, as one tree; every message says what happened and what to do.

    RecruitError
    ├── BadSetting                a setting is wrong; nothing was sent or written
    ├── RequestFailed             one request, after its tries
    │   ├── Transient             may be temporary, so it is retried
    │   │   ├── RateLimited       429
    │   │   └── InvalidResponse   a response that is not JSON:API, or incomplete
    │   ├── HostUnreachable       no response from this host since the start
    │   ├── ParameterRefused      400, with the API's codes and details
    │   ├── Unavailable           403 or 404: a scope or an add-on is missing
    │   └── Rejected              any other response that a retry cannot change
    ├── ConfirmationRequired      so much is gone from the API that a person must confirm it
    ├── BadRows                   rows of an asset that cannot be merged; nothing was written
    ├── PersonUnclear             a person who is not in the tables, or is one of several
    └── DatabaseProblem           the DuckDB file cannot be used
        ├── DatabaseBusy          another process holds it
        ├── NotEnoughMemory       DuckDB needs more memory than its limit allows
        ├── NoSpaceLeft           a disk is full
        └── DatabaseChanged       another run changed it during this one, or may have
            └── WriteConflict     a transaction that may succeed if it is run again

`retryable` says whether a retry of the whole asset can help. The text of every error is one line,
whatever the API or the system returned.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from recruit_assets.text import one_line


class RecruitError(Exception):
    """Serve as the base of every error of this project."""

    retryable = False

    def name_settings(self, names: Mapping[str, str]) -> None:
        """Replace the names of environment variables by those that the user knows."""
        self.args = tuple(_renamed(str(each), names) for each in self.args)

    def __str__(self) -> str:
        return one_line(super().__str__())


class BadSetting(RecruitError):
    """Report settings that are missing or wrong; `args` has a sentence for each."""

    def __str__(self) -> str:
        return one_line(" ".join(map(str, self.args)))


class RequestFailed(RecruitError):
    """Report a request that failed for good.

    Args:
        subject: the object of the request, such as `candidates, page 3`.
        happened: the outcome, without secrets or personal data.
        advice: what the user can do.

    `status` is the HTTP status, if the API refused; `wait` is the number of seconds that the
    response asks to wait before a retry, if it does.
    """

    status: int | None = None
    wait: float | None = None

    def __init__(self, subject: str, happened: str, advice: str) -> None:
        super().__init__(subject, happened, advice)
        self.subject = one_line(subject, 200)
        # Cut separately, so that the advice is always shown.
        self.happened, self.advice = one_line(happened, 1000), one_line(advice, 600)
        self.tries = 1

    def name_settings(self, names: Mapping[str, str]) -> None:
        """Replace the names of environment variables in the advice; the rest is the API's text."""
        self.advice = _renamed(self.advice, names)

    def __str__(self) -> str:
        tried = f" ({self.tries} tries)" if self.tries > 1 else ""
        return f"{self.subject}: {self.happened}{tried}. {self.advice}"


class Transient(RequestFailed):
    """Report a failure that may be temporary."""

    retryable = True


class RateLimited(Transient):
    """Report HTTP 429: more requests than the API allows."""


class InvalidResponse(Transient):
    """Report a response that is not JSON:API, or incomplete."""


class HostUnreachable(RequestFailed):
    """Report a host that has never responded: a typo more often than an outage."""

    retryable = True


class ParameterRefused(RequestFailed):
    """Report HTTP 400; `refusals` are the (code, detail) pairs of the API's error objects."""

    def __init__(
        self, subject: str, happened: str, advice: str, refusals: list[tuple[str, str]]
    ) -> None:
        super().__init__(subject, happened, advice)
        self.refusals = refusals


class Unavailable(RequestFailed):
    """Report HTTP 403 or 404 on a list; `status` says which."""

    status: int

    def __init__(self, subject: str, happened: str, advice: str, status: int) -> None:
        super().__init__(subject, happened, advice)
        self.status = status


class Rejected(RequestFailed):
    """Report a response that a retry cannot change."""


class ConfirmationRequired(RecruitError):
    """Report that so much is gone from the API that a person must confirm it."""


class BadRows(RecruitError):
    """Report that an asset returned something other than rows with a key."""


class PersonUnclear(RecruitError):
    """Report that not exactly one person is meant."""


class DatabaseProblem(RecruitError):
    """Report a database file that cannot be opened, read or written."""


class DatabaseBusy(DatabaseProblem):
    """Report that another process holds the file, even after a wait."""

    retryable = True


class NotEnoughMemory(DatabaseProblem):
    """Report that DuckDB needs more memory than its limit allows."""


class NoSpaceLeft(DatabaseProblem):
    """Report a full disk; `committed` says whether the merge was committed anyway."""

    def __init__(self, message: str, *, committed: bool = False) -> None:
        super().__init__(message)
        self.committed = committed


class DatabaseChanged(DatabaseProblem):
    """Report that another run changed the table while this one was reading, or may have."""

    retryable = True


class WriteConflict(DatabaseChanged):
    """Report a transaction that met another one, or lost the catalogue of its lake."""


@contextmanager
def naming_settings(names: Mapping[str, str]) -> Iterator[None]:
    """Let the errors that leave the block name settings as the user does.

    Args:
        names: the user's name of each setting, by environment variable; others stay as they are.
    """
    try:
        yield
    except RecruitError as error:
        error.name_settings(names)
        raise


def _renamed(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"RECRUIT_[A-Z0-9_]+", lambda found: names.get(found[0], found[0]), text)
