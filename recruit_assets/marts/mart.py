"""A mart as its file defines it: description, grain, checks, picture, columns and SQL.

A file begins with a comment: some sentences, then the keys `Grain` (the columns that identify a
row), `Check` (SQL that must be true of the table, any number of them), `Expect` (SQL that should be
true, else too much is unknown), `Level` (a value of the column `level`, and the columns that its
rows alone use, any number of them), `Picture` (a title), `Bars` or `Months` (how it is drawn, and
SQL for its `label` and `value`) and `Columns` (name and meaning of each, in order). A mart reads
the tables that its SQL names.
"""

import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import duckdb

from recruit_assets.more_endpoints import MORE_ENDPOINTS

MARTS_SCHEMA = "recruit_marts"
OPTIONAL = {each.name for each in MORE_ENDPOINTS}  # a mart can do without them, and says how
_READS = """
    SELECT DISTINCT value->>'schema_name', value->>'table_name'
    FROM json_tree(json_serialize_sql(?))
    WHERE type = 'OBJECT' AND (value->>'type') = 'BASE_TABLE' AND (value->>'schema_name') <> ''
"""
_KEY = re.compile(r"(Grain|Check|Expect|Level|Picture|Bars|Months|Columns):\s*(.*)")


@dataclass(frozen=True)
class Picture:
    """Define the chart of a mart: rows of `label` (a text, or a month) and `value`."""

    title: str
    months: bool
    sql: str


@dataclass(frozen=True)
class Mart:
    """Define one table of `recruit_marts`; `columns` are meanings by name.

    `checks` and `expected` are SQL. `levels` has the columns that the rows of a level alone use,
    and is empty if the mart has no levels. `reads` has schema and name of each table that its SQL
    reads.
    """

    name: str
    description: str
    grain: tuple[str, ...]
    checks: tuple[str, ...]
    expected: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    picture: Picture
    columns: dict[str, str]
    sql: str
    reads: frozenset[tuple[str, str]]

    @property
    def rates(self) -> list[str]:
        """Return the columns that are parts of a whole, by the suffix of their names."""
        return [name for name in self.columns if name.endswith(("_rate", "_share"))]

    @property
    def steps(self) -> str:
        """Return the steps of its SQL before the last, which other queries can go on from."""
        return self.sql[: self.sql.rindex("\nSELECT")]


def read_marts(folder: Path) -> list[Mart]:
    """Return the marts of a folder, each after those that it reads.

    Raises:
        ValueError: some of them read each other.
    """
    # Only a parser: it opens no file, and its threads would outlive a fork.
    with duckdb.connect(config={"threads": 1}) as parser:
        return _in_order([_read_mart(path, parser) for path in sorted(folder.glob("*.sql"))])


def _read_mart(path: Path, parser: duckdb.DuckDBPyConnection) -> Mart:
    """Return the mart of a file; the file's name is the mart's."""
    lines = path.read_text().splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    description, keys = _parse_header([line[3:] for line in lines[:end]])
    sql = "\n".join(lines[end:]).strip()
    return Mart(
        name=path.stem,
        description="\n".join(description).strip(),
        grain=tuple(keys["Grain"][0].split(", ")),
        checks=tuple(keys["Check"]),
        expected=tuple(keys["Expect"]),
        levels=dict(map(_level, keys["Level"])),
        picture=Picture(keys["Picture"][0], "Months" in keys, (keys["Months"] + keys["Bars"])[0]),
        columns=dict(column.split(": ", 1) for column in keys["Columns"]),
        sql=sql,
        reads=frozenset(parser.execute(_READS, [sql]).fetchall()),
    )


def _level(value: str) -> tuple[str, tuple[str, ...]]:
    name, _, columns = value.partition(": ")
    return name, tuple(columns.split(", ")) if columns else ()


def _parse_header(header: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the description and the keys of a header.

    An indented line is another column, or continues a value. Within the columns, one that is
    indented twice continues a meaning.
    """
    description: list[str] = []
    keys: dict[str, list[str]] = defaultdict(list)
    key = ""
    for line in header:
        if found := _KEY.match(line):
            key = found[1]
            keys[key] += [found[2]] if key != "Columns" else []
        elif not key:
            description.append(line)
        elif key == "Columns" and not line.startswith("    "):
            keys[key].append(line.strip())
        else:
            keys[key][-1] = f"{keys[key][-1]} {line.strip()}".strip()
    return description, keys


def _in_order(marts: list[Mart]) -> list[Mart]:
    """Return the marts in order of dependency: each after those that it reads."""
    ordered: list[Mart] = []
    while marts:
        done = {mart.name for mart in ordered}
        waiting = {mart.name for mart in marts}
        ready = [m for m in marts if {name for _, name in m.reads} & waiting <= done]
        if not ready:
            raise ValueError(f"these marts read each other: {', '.join(sorted(waiting))}")
        ordered += ready
        marts = [mart for mart in marts if mart not in ready]
    return ordered


MARTS = read_marts(Path(__file__).parent)


def marts_of(endpoints: Collection[str]) -> list[Mart]:
    """Return the marts that read no other endpoints than these, in order of dependency.

    Without an endpoint, a mart would show numbers as 0 that are not known. Only those that an
    account must name may be missing.
    """
    kept: list[Mart] = []
    for mart in MARTS:
        read = {name for schema, name in mart.reads if schema in ("recruit", "recruit_history")}
        built = {name for schema, name in mart.reads if schema == MARTS_SCHEMA}
        if read <= {*endpoints, *OPTIONAL} and built <= {each.name for each in kept}:
            kept.append(mart)
    return kept
