"""The columns of all tables by version, and which version may change them.

`0.2.0.schema` has the tables of version 0.2.0, one column a line. A version is released once
CHANGELOG.md has a heading for it that does not say "not released yet"; from then on its file must
not change. To write the file of the
current version, run `python -m recruit_assets_tests.released.schema`.
"""

import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb

from recruit_assets.load.column_policies import FOLLOWED
from recruit_assets.load.connection import transaction
from recruit_assets.load.cover import COVER
from recruit_assets.load.endpoint_table import prepare
from recruit_assets.load.erasure import COMPACTED, NOTED
from recruit_assets.load.forgotten import LISTED
from recruit_assets.load.history import write_history
from recruit_assets.load.salt import SALTED
from recruit_assets.load.schema import UNKNOWN, columns_of
from recruit_assets.load.syncs import prepare_syncs
from recruit_assets.load.tables import ensure
from recruit_assets.load.unfinished import KEPT
from recruit_assets.marts.build import build
from recruit_assets.marts.mart import MARTS
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS

ROOT, FOLDER = Path(__file__).parents[2], Path(__file__).parent
CHANGELOG = ROOT / "CHANGELOG.md"
WRITE = "python -m recruit_assets_tests.released.schema"
COLUMNS = (
    "SELECT concat_ws('.', schema_name, table_name, column_name), data_type "
    "FROM duckdb_columns() WHERE database_name = current_database() "
    "AND schema_name IN ('recruit', 'recruit_history', 'recruit_marts', 'recruit_meta') "
    "AND comment IS DISTINCT FROM ? ORDER BY schema_name, table_name, column_index"
)
Version = tuple[int, ...]


@dataclass(frozen=True)
class Release:
    """A version, and its SQL types by `schema.table.column`."""

    version: Version
    columns: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the release of a file."""
        lines = [line.partition(" ") for line in path.read_text().splitlines()]
        return cls(parsed(path.stem), {name: sql_type for name, _, sql_type in lines})

    @classmethod
    def current(cls) -> Self:
        """Return the version in pyproject.toml, and the tables that it makes."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        return cls(parsed(project["version"]), made())

    def write(self) -> None:
        """Write the file of this version."""
        lines = (f"{name} {sql_type}\n" for name, sql_type in self.columns.items())
        (FOLDER / f"{shown(self.version)}.schema").write_text("".join(lines))


def parsed(version: str) -> Version:
    """Return the numbers of a version."""
    return tuple(map(int, version.split(".")))


def shown(version: Version) -> str:
    """Return a version as text."""
    return ".".join(map(str, version))


def files() -> list[Release]:
    """Return the releases that have a file, oldest first."""
    return sorted(map(Release.read, FOLDER.glob("*.schema")), key=lambda each: each.version)


def last_released(changelog: str) -> Release:
    """Return the last release that has a heading in the changelog."""
    heading = r"^## \[?(\d+\.\d+\.\d+)(?!.*not released yet)"
    headings = set(re.findall(heading, changelog, re.MULTILINE))
    return [each for each in files() if shown(each.version) in headings][-1]


def objections(before: Release, now: Release, changelog: str) -> list[str]:
    """Return what must be done before the columns may change so; nothing if they may.

    Below 1.0, a column that is removed or gets another type needs a new minor version and a line
    in the changelog. An added column needs a new patch version.
    """
    lost = [name for name in before.columns if now.columns.get(name) != before.columns[name]]
    added = [name for name in now.columns if name not in before.columns]
    breaking = 0 if before.version[0] else 1  # position of the number that such a change raises
    needed = before.version
    if lost:
        needed = raised(before.version, breaking)
    elif added:
        needed = raised(before.version, breaking + 1)
    unnamed = [name for name in lost if f"`{name.split('.')[-1]}`" not in changelog]
    found = []
    if now.version < needed:
        found.append(
            f"{', '.join(lost or added)}: {'removed or retyped' if lost else 'added'} since "
            f"{shown(before.version)}, so set the version in pyproject.toml to {shown(needed)}"
        )
    if unnamed:
        found.append(f"{', '.join(unnamed)}: removed or retyped, so name it in CHANGELOG.md")
    return found


def raised(version: Version, place: int) -> Version:
    """Return the next version in which the number at this position differs."""
    return (*version[:place], version[place] + 1, *[0] * (2 - place))


def made() -> dict[str, str]:
    """Return the columns of the tables that the code makes, without a sync."""
    with duckdb.connect() as database:
        with transaction(database):
            for endpoint in KNOWN_ENDPOINTS:
                prepare(database, endpoint, {})
                present = columns_of(database, endpoint)
                write_history(database, endpoint, "run", [], present, whole=False)
            prepare_syncs(database)
            for table in (COVER, NOTED, COMPACTED, FOLLOWED, KEPT, LISTED, SALTED):
                ensure(database, table)
        build(database, MARTS)
        return columns_in(database)


def columns_in(database: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the columns of our tables, without those of attributes that the API added."""
    return dict(database.execute(COLUMNS, [UNKNOWN]).fetchall())


if __name__ == "__main__":
    said, current = CHANGELOG.read_text(), Release.current()
    if refused := objections(last_released(said), current, said):
        sys.exit("\n".join(refused))
    current.write()
