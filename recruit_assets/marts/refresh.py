"""Building the marts and the report again only if that would change them.

Scope: the decision. `changes` has the digests that it compares, `build` and `report` do the work.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import duckdb

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.connection import transaction
from recruit_assets.load.layout import check_version
from recruit_assets.load.syncs import latest
from recruit_assets.marts.build import Built, ask, build, inspect_known
from recruit_assets.marts.changes import (
    Build,
    builds,
    digest,
    digest_content,
    digest_inputs,
    digest_tables,
    kept_since,
    remember_builds,
    sources,
    today,
)
from recruit_assets.marts.gaps import Gaps
from recruit_assets.marts.mart import MARTS, Mart
from recruit_assets.marts.report import gather, name_users, render, write
from recruit_assets.marts.rules import NO_RULES, Rules
from recruit_assets.marts.views import known_columns

REPORT = "report"  # its name among the builds, and as an asset


def refresh_marts(
    database: duckdb.DuckDBPyConnection, marts: Collection[Mart], rules: Rules = NO_RULES
) -> list[Built]:
    """Build marts as `build` does, unless nothing has changed since they were built.

    Then they are only inspected, and the results say since when they are kept.

    Args:
        database: open for writing.
        marts: in order of dependency.
        rules: the user's own rules.

    Raises:
        DatabaseProblem: a later version of this project wrote the file.
    """
    check_version(database)
    with known_columns(database, rules):
        since = kept_since(database, marts, digest_inputs(database, marts)) if marts else None
        if since:
            return [replace(inspect_known(database, mart), kept_since=since) for mart in marts]
    return build(database, marts, rules)


def refresh_report(
    database: duckdb.DuckDBPyConnection, path: Path, *, names: bool = False
) -> datetime | None:
    """Write the report, unless it is there and nothing has changed since it was written.

    It shows when each table was last read, so each sync changes it.

    Args:
        database: open for writing.
        path: the file of the report.
        names: whether it shows the names of employees.

    Returns:
        When it was written, if it is kept.

    Raises:
        DatabaseProblem: it cannot be written; the old page stays.
    """
    inputs = digest_report_inputs(database, names=names)
    if since := report_kept_since(database, path, inputs):
        return since
    write(render(gather(database, names=names)), path)
    written = Build(REPORT, inputs, _digest_file(path), datetime.now(UTC))
    with transaction(database):
        remember_builds(database, [written], replaced=[REPORT])
    return None


def report_kept_since(
    database: duckdb.DuckDBPyConnection, path: Path, inputs: str
) -> datetime | None:
    """Return when the report was written, if it is as it was, and was written from the same."""
    known = builds(database).get(REPORT)
    is_kept = known and (known.inputs, known.content) == (inputs, _digest_file(path))
    return known.built_at if known and is_kept else None


def digest_report_inputs(database: duckdb.DuckDBPyConnection, *, names: bool = False) -> str:
    """Return a digest of what the report is written from."""
    syncs = {row["endpoint"]: row for row in ask(database, f"FROM {latest(database)} ORDER BY ALL")}
    warnings = Gaps(syncs, 0, 0).warnings([each.name for each in ENDPOINTS])  # some come with time
    marts = [digest_content(database, mart.name) for mart in MARTS]
    with known_columns(database):
        tables = list(digest_tables(database))
    name_users(database, names=names)
    users = ask(database, "FROM page_users ORDER BY ALL")
    return digest(sources(), today(database), syncs, warnings, marts, tables, names, users)


def _digest_file(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest() if path.exists() else ""
