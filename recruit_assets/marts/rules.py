"""The user's own rules, in CSV files in the folder of the database. Without a file there are none.

- `recruitment-stages.csv` for `recruitment.duckdb`: which group the stages of a name belong to, and
  how long one may wait in them.
- `recruitment-sources.csv`: how a site is called, and which type of source it is.

The first column of a file says what a rule is for, in any case; the others may be empty.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Self

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.destination import destination

GROUPS = ("Screening", "Interview", "Assessment", "Offer")  # the others are types of the API
SOURCE_TYPES = ("referral", "sourced", "internal", "career site", "job board", "direct")
STAGES = ("stage", "stage_group", "stuck_after_days")
SOURCES = ("site", "source", "source_type")


@dataclass(frozen=True)
class StageRule:
    """Define what is true of all stages of a name, which is in lower case."""

    stage: str
    stage_group: str | None
    stuck_after_days: int | None


@dataclass(frozen=True)
class SourceRule:
    """Define what is true of all applications from a site, which is in lower case."""

    site: str
    source: str | None
    source_type: str | None


@dataclass(frozen=True)
class Rules:
    """Hold the rules of one user."""

    stages: Sequence[StageRule] = ()
    sources: Sequence[SourceRule] = ()

    @classmethod
    def read(cls, database: str) -> Self:
        """Return the rules for a database.

        Raises:
            DatabaseProblem: a line is no rule; the message says what to do.
        """
        return cls(
            stages=_read_stages(rules_path(database, "stages")),
            sources=_read_sources(rules_path(database, "sources")),
        )


NO_RULES = Rules()


def rules_path(database: str, what: str) -> Path:
    """Return the path of a database's rules of `stages` or `sources`."""
    file = destination(database).beside
    return file.with_name(f"{file.stem}-{what}.csv")


def _read_stages(path: Path) -> list[StageRule]:
    rules = []
    for where, (stage, group, days) in _lines(path, STAGES):
        if group and group not in GROUPS:
            raise DatabaseProblem(
                f"{where} has an unknown stage_group: use {', '.join(GROUPS)}, or none."
            )
        if days and not (days.isascii() and days.isdigit() and len(days) < 6):
            raise DatabaseProblem(f"{where} needs whole days in stuck_after_days, or none.")
        rules.append(StageRule(stage, group or None, int(days) if days else None))
    return rules


def _read_sources(path: Path) -> list[SourceRule]:
    rules = []
    for where, (site, source, source_type) in _lines(path, SOURCES):
        if source_type and source_type not in SOURCE_TYPES:
            raise DatabaseProblem(
                f"{where} has an unknown source_type: use {', '.join(SOURCE_TYPES)}, or none."
            )
        rules.append(SourceRule(site, source or None, source_type or None))
    return rules


def _lines(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield where each line of a file is, in words, and its values, the first in lower case.

    Nothing is yielded without the file.

    Raises:
        DatabaseProblem: the file has other columns, or is no CSV, or two lines have one name.
    """
    if not path.exists():
        return
    reader = csv.DictReader(StringIO(_text(path), newline=""), strict=True)
    names: set[str] = set()
    begun = 1
    try:
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise DatabaseProblem(f"{path} must begin with the line {','.join(columns)}.")
        begun = reader.line_num + 1
        for line in reader:
            where = f"Line {reader.line_num} of {path}"
            if None in line:
                raise DatabaseProblem(f"{where} has more values than columns: quote its commas.")
            values = [str(line[name] or "").strip() for name in columns]
            name = values[0] = _lower(values[0])
            if not name or name in names:
                raise DatabaseProblem(f"{where} needs a {columns[0]} that no other line has.")
            names.add(name)
            yield where, values
            begun = reader.line_num + 1
    except csv.Error as error:
        raise DatabaseProblem(
            f"{path} is not CSV from line {begun} on ({error}): correct it, or save it as CSV in "
            "UTF-8."
        ) from error


def _lower(text: str) -> str:
    """Return a text in lower case, as DuckDB's `lower` has it: character by character."""
    return "".join(character.lower()[0] for character in text)


def _text(path: Path) -> str:
    """Return the text of a file, which may begin with the mark of UTF-8.

    Raises:
        DatabaseProblem: it is not in UTF-8.
    """
    found = path.read_bytes()
    try:
        return found.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = found[: error.start].count(b"\n") + 1
        raise DatabaseProblem(
            f"Line {line} of {path} is not in UTF-8: save the file as CSV in UTF-8."
        ) from error
