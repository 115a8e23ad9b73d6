"""What the marts say of some applications only: their own SQL, over the rows that pass a filter.

The tables of a copy are replaced: the applications by those that pass, and the marts that are
counted from them. Offers and answers pass with their application, and by their own month.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from shutil import copy

import duckdb

from recruit_assets.load.connection import connection
from recruit_assets.load.sql import literal
from recruit_assets.load.syncs import latest
from recruit_assets.marts.build import Row, ask
from recruit_assets.marts.charts import MAX_MONTHS
from recruit_assets.marts.gaps import Gaps
from recruit_assets.marts.headlines import Period, count_headline
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.report import Answer, answer, define_words, read_content
from recruit_assets.marts.views import known_columns

SQL = {mart.name: mart.sql for mart in MARTS}
# By the time of an application that counts, the marts of which it does.
COUNTED_BY = {
    "applied_at": ("funnel", "source_of_hire", "applications"),
    "hired_at": ("time_to_hire",),
    "rejected_at": ("rejections",),
    "now()": ("stuck_applications", "offers", "candidate_nps"),
}
MONTH_OF = {"offers": "month", "candidate_nps": "asked_month"}
FIRST = "min(applied_at)) AS first_month FROM recruit_marts.applications"
HEADLINES, SECTIONS = read_content()
BY_MART = {section["mart"]: section for section in SECTIONS}
# An offer or an answer whose application is not known, and what is known of that one.
STRAY = "coalesce(application_id, '') NOT IN (SELECT application_id FROM whole.applications)"
NOTHING_KNOWN = (
    "SELECT 'Not known' AS department, NULL::VARCHAR AS job_id, NULL::VARCHAR AS source_type, "
    "NULL::VARCHAR AS source"
)
EVER = Period(date(1, 1, 1), date(9999, 1, 1))


@dataclass(frozen=True)
class Filter:
    """What is chosen; `where` is SQL over the applications."""

    period: Period
    earlier: Period | None
    where: str


class Filtered:
    """A copy whose marts can be made of a part of the applications."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self.database = database
        define_words(database)
        database.execute("CREATE SCHEMA whole")
        database.execute("CREATE TABLE whole.applications AS FROM recruit_marts.applications")
        self.tables = {row["endpoint"]: row for row in ask(database, f"FROM {latest(database)}")}

    def answers(self, chosen: Filter) -> dict[str, Answer]:
        """What each section says of what passes."""
        found: dict[str, Answer] = {}
        for moment, marts in COUNTED_BY.items():
            unknown = self._gaps(chosen, moment if moment == "applied_at" else "now()")
            self._keep(chosen, moment)
            self._rebuild(marts, chosen)
            found |= {name: answer(self.database, BY_MART[name], unknown) for name in marts}
        return found

    def headlines(self, chosen: Filter) -> dict[str, Row]:
        """The numbers at the top of what passes; after `answers`."""
        ever = Filter(EVER, None, chosen.where)
        self._keep(ever, "now()")
        self._rebuild(COUNTED_BY["now()"], ever)
        unknown = self._gaps(ever, "now()")
        return {
            each["title"]: {"value": None, "note": reason}
            if (reason := unknown.reason(each["needs"]))
            else count_headline(self.database, each, chosen.period, chosen.earlier)
            for each in HEADLINES
        }

    def months(self, chosen: Filter) -> list[Row]:
        """How many applications of each whole month pass, as the chart has them."""
        self._keep(chosen, "applied_at")
        return ask(
            self.database,
            """
            SELECT label::DATE AS label, count(application_id) AS value
            FROM (
                SELECT unnest(generate_series(
                    greatest($since, date_trunc('month', min(applied_at)) + INTERVAL 1 MONTH),
                    least($until, date_trunc('month', max(as_of))) - INTERVAL 1 MONTH,
                    INTERVAL 1 MONTH
                )) AS label
                FROM whole.applications
            )
            LEFT JOIN recruit_marts.applications ON date_trunc('month', applied_at) = label
            GROUP BY label ORDER BY label
            """,
            vars(chosen.period),
        )[-MAX_MONTHS:]

    def _gaps(self, chosen: Filter, moment: str) -> Gaps:
        """What is not known of the applications that pass."""
        self._keep(chosen, moment)
        (stages,) = ask(
            self.database,
            "SELECT count(*) AS applications, count(*) FILTER (outcome = 'unknown') AS "
            "without_stage FROM recruit_marts.applications",
        )
        return Gaps(self.tables, **stages)

    def _keep(self, chosen: Filter, moment: str) -> None:
        within = _within(chosen.period, moment) if moment != "now()" else "true"
        self.database.execute(
            "CREATE OR REPLACE TABLE recruit_marts.applications AS FROM whole.applications "
            f"WHERE {chosen.where} AND {within}"
        )

    def _rebuild(self, marts: tuple[str, ...], chosen: Filter) -> None:
        for name in marts:
            if name == "applications":
                continue
            sql = SQL[name].replace(FIRST, FIRST.replace("recruit_marts", "whole"))
            if name in MONTH_OF:
                sql = _of_those(sql, _within(chosen.period, MONTH_OF[name]), chosen.where)
            self.database.execute(f"CREATE OR REPLACE TABLE recruit_marts.{name} AS {sql}")


@contextmanager
def filtered(path: Path, folder: Path) -> Iterator[Filtered]:
    """Copy a database, and count what passes in the copy."""
    with connection(str(copy(path, folder / "filtered.duckdb")), {}, 0.1) as database:
        database.execute("SET TimeZone = 'UTC'")
        found = Filtered(database)
        with known_columns(database):
            yield found


def _within(period: Period, moment: str) -> str:
    if period == EVER:
        return "true"
    return f"{moment} >= {literal(str(period.since))} AND {moment} < {literal(str(period.until))}"


def _of_those(sql: str, within: str, where: str) -> str:
    """Let a mart count the offers, or answers, of the applications that are left."""
    before, _, after = sql.rpartition("\nGROUP BY")
    those = f"SELECT application_id FROM whole.applications WHERE {where}"
    strays = f"{STRAY} AND EXISTS (FROM ({NOTHING_KNOWN}) WHERE {where})"
    passes = f"(application_id IN ({those}) OR ({strays}))"
    return f"{before}\nWHERE {passes} AND {within}\nGROUP BY{after}"
