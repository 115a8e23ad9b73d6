"""The user's own rules of stages: which group a stage belongs to, and how long one may wait in it.

They are in a CSV file in the folder of the database, `recruitment-stages.csv` for
`recruitment.duckdb`, with the columns `stage` (a name, in any case), `stage_group` and
`stuck_after_days`; either may be empty. Without the file there are none.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from recruit_assets.errors import DatabaseProblem

GROUPS = ("Inbox", "Screening", "Interview", "Assessment", "Offer", "Hired")
COLUMNS = ("stage", "stage_group", "stuck_after_days")


@dataclass(frozen=True)
class StageRule:
    """Define what is true of all stages of a name, which is in lower case."""

    stage: str
    stage_group: str | None
    stuck_after_days: int | None


def rules_path(database: str) -> Path:
    """Return the path of a database's rules, in the same folder."""
    file = Path(database)
    return file.with_name(f"{file.stem}-stages.csv")


def read_rules(path: Path) -> list[StageRule]:
    """Return the rules of a file; none if it does not exist.

    Raises:
        DatabaseProblem: a line is no rule; the message says what to do.
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise DatabaseProblem(f"{path} must begin with the line {','.join(COLUMNS)}.")
        rules = [_rule(line, path, reader.line_num) for line in reader]
    return list({rule.stage: rule for rule in rules}.values())


def _rule(line: dict[str, str | None], path: Path, number: int) -> StageRule:
    stage, group, days = (str(line.get(name) or "").strip() for name in COLUMNS)
    if group and group not in GROUPS:
        raise DatabaseProblem(
            f"Line {number} of {path} has an unknown stage_group: use {', '.join(GROUPS)}, or none."
        )
    if days and not (days.isascii() and days.isdigit() and len(days) < 6):
        raise DatabaseProblem(
            f"Line {number} of {path} needs whole days in stuck_after_days, or none."
        )
    return StageRule(stage.lower(), group or None, int(days) if days else None)
