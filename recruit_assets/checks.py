"""The checks: what is proven of a table each time that its asset is materialized.

What lives here: what each check asks for, and what it says. To add one: a function that looks, and
an entry in `CHECKS`. They run in the step of the asset (see `assets`), as a step of their own costs
more than what they look at. A blocking check stops what lies downstream; the others warn.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import duckdb

from recruit_assets.catalogue import UNPARSED, Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.report import Verdict
from recruit_assets.load.erasure import pending
from recruit_assets.load.guards import MAX_DELETED_SHARE
from recruit_assets.load.quality import flawed_ids, misfits, orphans
from recruit_assets.load.schema import existing_table
from recruit_assets.load.state import PastSync, last_syncs
from recruit_assets.resources import RecruitDatabase, explained
from recruit_assets.text import markdown, one_line

LONGEST_ID = 60  # characters shown of an id


@dataclass(frozen=True)
class CheckContext:
    """What checks look at: a table, and the last two syncs of it, the last one first."""

    database: duckdb.DuckDBPyConnection
    endpoint: Endpoint
    last: Sequence[PastSync]


@dataclass(frozen=True)
class CheckResult:
    """What a check found: whether all is well, what to say if not (as Markdown), and numbers."""

    passed: bool
    says: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)


UNSYNCED = CheckResult(False, "No sync is remembered: materialize the asset.")


@dataclass(frozen=True)
class Check:
    """One check, for every endpoint."""

    name: str
    promise: str
    evaluate: Callable[[CheckContext], CheckResult]
    blocking: bool = False


def ids(table: CheckContext) -> CheckResult:
    """Rows whose id is not theirs alone."""
    repeated, missing = flawed_ids(table.database, table.endpoint)
    says = f"Something else has written to {table.endpoint.name}: drop the table and run full_sync."
    numbers = {"repeated_ids": repeated, "missing_ids": missing}
    return CheckResult(not (repeated or missing), says, numbers)


def available(table: CheckContext) -> CheckResult:
    """Whether the last sync could read the endpoint."""
    if not table.last:
        return UNSYNCED
    there = table.last[0].verdict != Verdict.UNAVAILABLE.value
    return CheckResult(there, markdown(table.last[0].reason), {"available": int(there)})


def complete(table: CheckContext) -> CheckResult:
    """The verdict of the last sync."""
    if not table.last:
        return UNSYNCED
    proven = table.last[0].verdict in {verdict.value for verdict in Verdict if verdict.proven}
    numbers = {"verdict": table.last[0].verdict, "proven": int(proven)}  # a number makes a plot
    return CheckResult(proven, markdown(table.last[0].reason), numbers)


def not_fewer(table: CheckContext) -> CheckResult:
    """The current rows beside those that the sync before had left."""
    counted = [each.current_rows for each in table.last]
    now = counted[0] if counted else 0
    before = counted[1] if len(counted) > 1 else now
    lost = 1 - now / before if before else 0.0
    says = f"{before:,} rows were current before, and {now:,} are now: is that right?"
    return CheckResult(lost <= MAX_DELETED_SHARE, says, {"rows": now, "rows_before": before})


def parsed(table: CheckContext) -> CheckResult:
    """Values that did not fit their column, by column and type; never a value."""
    found = misfits(table.database, table.endpoint)
    values = sum(sum(kinds.values()) for kinds in found.values())
    says = f"{values:,} values did not fit and are kept in {UNPARSED}: "
    says += "; ".join(
        f"{markdown(column)} is {' or '.join(kinds)}" for column, kinds in found.items()
    )
    numbers = {one_line(column): kinds for column, kinds in found.items()}
    return CheckResult(not found, says, {"values": values, **numbers})


def resolved(table: CheckContext) -> CheckResult:
    """Foreign keys that lead to no row."""
    found = {
        f"{key.column} to {key.table}": orphaned
        for key, orphaned in orphans(table.database, table.endpoint)
    }
    numbers = {name: each.keys for name, each in found.items()}
    says = "Keys lead to no row: " + "; ".join(
        f"{each.keys:,} of {name}, such as "
        + ", ".join(markdown(id_, LONGEST_ID) for id_ in each.examples)
        for name, each in found.items()
        if each.keys
    )
    return CheckResult(not any(numbers.values()), says, numbers)


def final(table: CheckContext) -> CheckResult:
    """Whether what was erased is out of the bytes of the file, or will be soon."""
    found = pending(table.database)
    if found is None:
        return CheckResult(True, numbers={"rows": 0})
    says = (
        f"{found.rows:,} rows lost personal data that the file still holds, since "
        f"{found.since:%Y-%m-%d %H:%M} UTC: close what has the file open, make room beside it, or "
        "run the job compact."
    )
    return CheckResult(not found.is_overdue(datetime.now(UTC)), says, {"rows": found.rows})


CHECKS = (
    Check("ids_are_unique", "Every row has an id, and no other row has it.", ids, blocking=True),
    Check("is_available", "The API lets the key read this endpoint.", available),
    Check("is_complete", "The last sync could prove that nothing is missing.", complete),
    Check("row_count_did_not_drop", "No more than a fifth fewer rows than before.", not_fewer),
    Check("everything_parsed", f"Every value fitted its column; {UNPARSED} is empty.", parsed),
    Check("keys_resolve", "Every foreign key leads to a row.", resolved),
    Check("erasure_is_final", "Erased personal data is gone from the file in 48 hours.", final),
)
ERRORS = {"erasure_is_final"}  # that stop nothing, and are no warning
WHOLE_FILE = "candidates"  # where a check of the whole file stands


def build_checks(endpoint: Endpoint) -> list[dg.AssetCheckSpec]:
    """What is checked of an endpoint's table; keys only where it has some to a known table."""
    known = {each.name for each in ENDPOINTS}
    keyless = known.isdisjoint(key.table for key in endpoint.foreign_keys())
    return [
        dg.AssetCheckSpec(
            check.name, asset=endpoint.name, description=check.promise, blocking=check.blocking
        )
        for check in CHECKS
        if not (keyless and check.evaluate is resolved)
        and (endpoint.name == WHOLE_FILE or check.evaluate is not final)
    ]


def run_checks(
    endpoint: Endpoint, duckdb: RecruitDatabase, chosen: Collection[str]
) -> Iterator[dg.AssetCheckResult]:
    """What the chosen checks find in the table as it is now.

    Raises:
        dagster.Failure: the asset was never materialized, or the database cannot be used.
    """
    with explained(), duckdb.get_connection() as database:
        existing_table(database, endpoint.name)
        table = CheckContext(database, endpoint, last_syncs(database, endpoint, 2))
        found = [(each, each.evaluate(table)) for each in CHECKS if each.name in chosen]
    for check, result in found:
        yield dg.AssetCheckResult(
            check_name=check.name,
            passed=result.passed,
            severity=(
                dg.AssetCheckSeverity.ERROR
                if check.blocking or check.name in ERRORS
                else dg.AssetCheckSeverity.WARN
            ),
            description=None if result.passed else result.says,
            metadata=result.numbers,
        )
