"""The answers of the simulated year, and what was seen in it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from recruit_assets.load.connection import connection
from recruit_assets.marts.build import build
from recruit_assets.marts.mart import MARTS
from recruit_assets.marts.report import gather, render, report_path, write
from recruit_assets.resources import RecruitDatabase
from recruit_assets.sandbox.times import NOW
from recruit_assets_tests import lakes
from recruit_assets_tests.marts.cases import Story, live_cases
from recruit_assets_tests.syncing import MART_ASSETS, resources
from recruit_assets_tests.year import EVERYTHING, WEEKS, Year, sync_all

Row = dict[str, Any]
Answering = Callable[..., "Answers"]
READ = {
    table
    for mart in MARTS
    for schema, table in mart.reads
    if schema == "recruit" and table in EVERYTHING
}


@dataclass
class Answers:
    """A database with its marts, its report, and the run that made them."""

    path: Path
    result: dg.ExecuteInProcessResult

    @property
    def page(self) -> str:
        """The report as it is without scripts."""
        return re.sub("<script.*?</script>", "", self.report.read_text(), flags=re.DOTALL)

    @property
    def report(self) -> Path:
        """The file of the report."""
        return report_path(str(self.path))

    def query(self, sql: str) -> list[Row]:
        """Rows of the database, times in UTC."""
        with lakes.connect(self.path, read_only=True) as database:
            database.execute("SET TimeZone = 'UTC'")
            found = database.execute(sql)
            columns = [column[0] for column in found.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    def mart(self, name: str) -> list[Row]:
        """The rows of a mart."""
        return self.query(f"FROM recruit_marts.{name}")


def answer(
    path: Path, instance: dg.DagsterInstance, *, raises: bool = True, time_zone: str = "UTC"
) -> Answers:
    """Make the marts and the report of a database, in a real run."""
    database = RecruitDatabase(database=str(path), wait_seconds=0.1, time_zone=time_zone)
    result = dg.materialize(
        MART_ASSETS,
        resources=resources(database),
        instance=instance,
        raise_on_error=raises,
    )
    return Answers(path, result)


def rebuild(answers: Answers, folder: Path, *sql: str) -> Answers:
    """What is answered from a copy of the file, after these statements."""
    path = lakes.copied(answers.path, folder / "rebuilt.duckdb")
    with connection(str(path), {}, 0.1) as database:
        for each in sql:
            database.execute(each)
        assert not [each for each in build(database, MARTS) if each.wrong]
        write(render(gather(database)), report_path(str(path)))
    return replace(answers, path=path)


@pytest.fixture(scope="package")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture(scope="package", autouse=True)
def at_the_end() -> Iterator[None]:
    """Let it be the end of the year: syncs in the future are not believed."""
    with time_machine.travel(NOW + timedelta(weeks=WEEKS), tick=True):
        yield


@pytest.fixture(scope="package")
def answers(
    at_the_end: None,
    year: Year,
    instance: dg.DagsterInstance,
    tmp_path_factory: pytest.TempPathFactory,
) -> Answers:
    """What is answered at the end of the year."""
    return answer(lakes.copied(year.path, tmp_path_factory.mktemp("answers")), instance)


@pytest.fixture(scope="package")
def told_answers(
    at_the_end: None,
    year: Year,
    instance: dg.DagsterInstance,
    tmp_path_factory: pytest.TempPathFactory,
) -> Answers:
    """What is answered to an account that also syncs what the marts can do without."""
    assert year.told
    return answer(lakes.copied(year.told.path, tmp_path_factory.mktemp("told")), instance)


@pytest.fixture(scope="package")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """The six weeks of what could mislead."""
    return live_cases(lakes.database_at(tmp_path_factory.mktemp("cases") / "cases.duckdb"))


@pytest.fixture(scope="package")
def case_answers(at_the_end: None, cases: Year, instance: dg.DagsterInstance) -> Answers:
    """What is answered after them."""
    return answer(cases.path, instance)


@pytest.fixture
def story() -> Iterator[Story]:
    """The company of the cases before its first sync."""
    story = Story()
    story.before()
    with story.sandbox.serve():
        yield story


@pytest.fixture
def answering(story: Story, instance: dg.DagsterInstance, tmp_path: Path) -> Answering:
    """Syncs what marts read in a week, and answers; some endpoints may be refused."""

    def answering(week: int, refused: tuple[str, ...] = ()) -> Answers:
        story.sandbox.rules.without = dict.fromkeys(refused, 403)
        at, path = NOW + timedelta(weeks=week), lakes.database_at(tmp_path / "unread.duckdb")
        story.now = at
        sync_all(story.sandbox, path, week, at, READ)
        with time_machine.travel(at, tick=True):
            return answer(path, instance)

    return answering
