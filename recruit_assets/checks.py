"""The asset checks: what is verified about a table after each materialization.

Contains the condition and the message of each check. To add one, write a function that evaluates a
`CheckContext` and add an entry to `CHECKS`. Checks run in the step of the asset (see `assets`),
because a separate step costs more than the check. A failed blocking check stops downstream assets;
the others only report.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import duckdb

from recruit_assets.catalogue import UNPARSED, Endpoint
from recruit_assets.dagster_failure import as_dagster_failure
from recruit_assets.extract.report import Verdict
from recruit_assets.load.erasure import pending
from recruit_assets.load.forgotten import count_forgotten
from recruit_assets.load.guards import MAX_DELETED_SHARE
from recruit_assets.load.past_syncs import PastSync, last_syncs
from recruit_assets.load.quality import flawed_ids, misfits, orphans
from recruit_assets.load.read_copy import copy_status
from recruit_assets.load.schema import existing_table
from recruit_assets.resources import RecruitDatabase
from recruit_assets.text import counted, markdown, one_line

MAX_ID = 60  # characters of an id that are shown
WAIT_SECONDS = 1.0  # for a read copy that another process has open for writing


@dataclass(frozen=True)
class CheckContext:
    """Hold the input of the checks: a table, and its last two syncs, newest first."""

    database: duckdb.DuckDBPyConnection
    endpoint: Endpoint
    last: Sequence[PastSync]
    read_copy: str = ""  # path of the read copy, if there is to be one


@dataclass(frozen=True)
class CheckResult:
    """Hold a check's result: whether it passed, a message if not (Markdown), and its numbers."""

    passed: bool
    message: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)


PROVEN = {verdict.value for verdict in Verdict if verdict.proven}
UNSYNCED = CheckResult(False, "No sync is remembered: materialize the asset.")


@dataclass(frozen=True)
class Check:
    """Define one check, for every endpoint."""

    name: str
    promise: str
    evaluate: Callable[[CheckContext], CheckResult]
    blocking: bool = False


def ids(table: CheckContext) -> CheckResult:
    """Check that every row has an id that no other row has."""
    repeated, missing = flawed_ids(table.database, table.endpoint)
    name = table.endpoint.name
    message = f"Something else has written to {name}: drop the table and run full_sync."
    numbers = {"repeated_ids": repeated, "missing_ids": missing}
    return CheckResult(not (repeated or missing), message, numbers)


def complete(table: CheckContext) -> CheckResult:
    """Check that the last sync was proven complete, and that four fifths of the rows remain."""
    if not table.last:
        return UNSYNCED
    last, first = table.last[0], table.last[-1]
    before, forgotten = first.current_rows, 0 if first is last else first.forgotten
    now, proven = last.current_rows - last.forgotten, last.verdict in PROVEN
    messages = [] if proven else [markdown(last.reason)]
    if before > forgotten and 1 - last.current_rows / (before - forgotten) > MAX_DELETED_SHARE:
        since = f" ({forgotten:,} were forgotten since)" if forgotten else ""
        messages.append(
            f"{before:,} rows were current before{since}, and {now:,} are now: is that right?"
        )
    numbers = {
        "verdict": last.verdict,
        "available": int(last.verdict != Verdict.UNAVAILABLE.value),  # Dagster plots numbers
        "proven": int(proven),
        "rows": now,
        "rows_before": before,
    }
    if left_out := count_forgotten(table.database, table.endpoint).records:
        numbers["forgotten"] = left_out  # records that syncs leave out
    return CheckResult(not messages, _sentences(messages), numbers)


def consistent(table: CheckContext) -> CheckResult:
    """Find values that did not fit their column, without showing one, and keys to no row."""
    parsed, resolved = _misfits(table), _orphans(table)
    messages = [each.message for each in (parsed, resolved) if not each.passed]
    return CheckResult(not messages, _sentences(messages), parsed.numbers | resolved.numbers)


def _misfits(table: CheckContext) -> CheckResult:
    found = misfits(table.database, table.endpoint)
    values = sum(sum(kinds.values()) for kinds in found.values())
    message = f"{values:,} values did not fit and are kept in {UNPARSED}: "
    message += "; ".join(
        f"{markdown(column)} is {' or '.join(kinds)}" for column, kinds in found.items()
    )
    numbers: dict[str, Any] = {"unparsed": values}
    if found:
        numbers["unparsed_by_column"] = {one_line(name): kinds for name, kinds in found.items()}
    return CheckResult(not found, message, numbers)


def _orphans(table: CheckContext) -> CheckResult:
    found = {
        f"{key.column} to {key.table}": orphaned
        for key, orphaned in orphans(table.database, table.endpoint)
    }
    numbers = {name: each.keys for name, each in found.items()}
    message = "Foreign keys match no row: " + "; ".join(
        f"{each.keys:,} of {name}, such as "
        + ", ".join(markdown(id_, MAX_ID) for id_ in each.examples)
        for name, each in found.items()
        if each.keys
    )
    return CheckResult(not any(numbers.values()), message, numbers)


def _sentences(said: Sequence[str]) -> str:
    *others, last = said or [""]
    return ". ".join([*(each.removesuffix(".") for each in others), last])


def erased(table: CheckContext) -> CheckResult:
    """Check that erased data is gone from the bytes of the file, or is not overdue."""
    found, persons = pending(table.database), count_forgotten(table.database).persons
    numbers = {"forgotten_persons": persons} if persons else {}
    if found is None:
        return CheckResult(True, numbers={"rows": 0, **numbers})
    message = (
        f"{counted(found.rows, 'row')} lost personal data that the file still holds, since "
        f"{found.since:%Y-%m-%d %H:%M} UTC: close what has the file open, make room beside it, or "
        "run the job compact."
    )
    numbers["rows"] = found.rows
    return CheckResult(not found.is_overdue(datetime.now(UTC)), message, numbers)


def published(table: CheckContext) -> CheckResult:
    """Check that the read copy has the syncs of earlier runs, which should have published them."""
    run = table.last[0].run_id if table.last else ""
    found = copy_status(table.database, table.read_copy, WAIT_SECONDS, run)
    return CheckResult(not found.problem, markdown(found.problem))


CHECKS = (
    Check("ids_are_unique", "Every row has an id, and no other row has it.", ids, blocking=True),
    Check(
        "sync_is_complete",
        "The last sync could read the endpoint, proved that nothing is missing, and left no more "
        "than a fifth fewer rows than before.",
        complete,
    ),
    Check(
        "data_is_consistent",
        f"Every value fitted its column ({UNPARSED} is empty), and every foreign key leads to a "
        "row.",
        consistent,
    ),
    Check("erasure_is_done", "Erased personal data is gone from the database in 48 hours.", erased),
    Check("read_copy_is_published", "The read copy has the syncs of earlier runs.", published),
)
ERRORS = {"erasure_is_done", "read_copy_is_published"}  # not blocking, but more than a warning
WHOLE_FILE = "candidates"  # the asset that has the check of the whole file


def build_checks(
    endpoint: Endpoint, asset: dg.AssetKey, *, read_copy: bool = False
) -> list[dg.AssetCheckSpec]:
    """Return the check specs of an endpoint's table, and those of the whole file on one of them."""
    of_file = {erased: True, published: read_copy} if endpoint.name == WHOLE_FILE else {}
    left_out = {erased, published} - {each for each, wanted in of_file.items() if wanted}
    return [
        dg.AssetCheckSpec(
            check.name, asset=asset, description=check.promise, blocking=check.blocking
        )
        for check in CHECKS
        if check.evaluate not in left_out
    ]


def run_checks(
    endpoint: Endpoint, duckdb: RecruitDatabase, asset: dg.AssetKey, chosen: Collection[str]
) -> Iterator[dg.AssetCheckResult]:
    """Run the chosen checks on the table as it is now.

    Raises:
        dagster.Failure: the asset was never materialized, or the database cannot be used.
    """
    with as_dagster_failure(), duckdb.get_connection() as database:
        existing_table(database, endpoint.name)
        last = last_syncs(database, endpoint, 2)
        table = CheckContext(database, endpoint, last, duckdb.read_copy)
        found = [(each, each.evaluate(table)) for each in CHECKS if each.name in chosen]
    for check, result in found:
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=check.name,
            passed=result.passed,
            severity=(
                dg.AssetCheckSeverity.ERROR
                if check.blocking or check.name in ERRORS
                else dg.AssetCheckSeverity.WARN
            ),
            description=None if result.passed else result.message,
            metadata=result.numbers,
        )
