import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy

import duckdb
import pytest
import time_machine

from recruit_assets.demo import CANDIDATES, QUERIES, present, served
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.sandbox import Sandbox
from recruit_assets.sandbox.days import pass_day
from recruit_assets.sandbox.times import instant
from recruit_assets_tests.rings import FULL, sized

ROOT = Path(__file__).parents[1]
SIZE = sized(100, 200, CANDIDATES)
COMMAND = f"""
import sys
from recruit_assets import demo
demo.CANDIDATES = {SIZE}
sys.exit(demo.main())
"""


def keep_a_port(home: Path) -> int:
    """Let the demo use a port that no other test gets from the system."""
    port = random.SystemRandom().randint(10_000, 30_000)
    (home / "port").write_text(str(port))
    return port


def demo(folder: Path) -> str:
    """What `make demo` prints."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND],
        cwd=folder,
        env={**os.environ, "DAGSTER_HOME": str(folder / "demo"), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def table(printed: str) -> Iterator[list[int]]:
    """Rows, inserted, updated, deleted, unchanged and requests of each table."""
    names = {endpoint.name for endpoint in ENDPOINTS}
    for line in printed.replace(",", "").splitlines():
        name, *cells = line.split() or [""]
        if name in names:
            yield [int(cell) for cell in cells]


def shape(printed: str) -> list[str]:
    """The lines without what differs from company to company: numbers and widths."""
    lines = (re.sub(r"\d[\d,.:]*", "#", line) for line in printed.splitlines())
    return [" ".join(re.sub("─+", "─", line).split()) for line in lines]


def follows(shown: str, printed: str) -> bool:
    """Whether the lines of a transcript were printed, where `...` leaves some out."""
    left = iter(shape(printed))
    return all(line in left for line in shape(shown) if line not in ("", "..."))


@pytest.mark.ring(2)
@FULL
def test_the_demo_loads_all_and_then_what_changed_as_the_readme_shows(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    home.mkdir()
    copy(ROOT / "dagster_home" / "dagster.yaml", home)  # as `make demo` does
    keep_a_port(home)
    first, second = demo(tmp_path), demo(tmp_path)
    assert first.splitlines()[0] == second.splitlines()[0]  # the same address
    rows = list(table(first))
    assert len(rows) == len(ENDPOINTS)
    assert [count for count, *_ in rows] == [inserted for _, inserted, *_ in rows]
    later = list(table(second))
    _, inserted, updated, deleted, _, requests = map(sum, zip(*later, strict=True))
    (changed,) = re.findall(r"the company changed (\d+) records and deleted (\d+)", second)
    assert (inserted, str(updated), str(deleted)) == (0, *changed)
    assert requests < sum(requests for *_, requests in rows)
    assert f": {updated} updated, {deleted} deleted, {requests} requests." in second
    assert (home / "demo-report.html").exists()
    with duckdb.connect(str(home / "demo.duckdb"), read_only=True) as database:
        for query in QUERIES.values():
            assert database.execute(query).fetchall()
    _, transcript, *_ = re.split(r"```console\n\$ make demo\n", (ROOT / "README.md").read_text())
    shown_first, shown_second = transcript.partition("```")[0].split("$ make demo\n")
    assert follows(shown_first, first)
    assert follows(shown_second, second)


def test_the_company_lives_on_the_day_of_its_first_demo(tmp_path: Path) -> None:
    with time_machine.travel(datetime(2027, 3, 4, 5, 6, tzinfo=UTC)):
        first = present(tmp_path)
    assert present(tmp_path) == first == datetime(2027, 3, 4, tzinfo=UTC)
    applications = Sandbox(candidates=300, now=first).world.table("job-applications").values()
    newest = max(instant(each["attributes"]["updated-at"]) for each in applications)
    assert first - timedelta(days=7) < newest < first


def test_the_same_day_passes_again_in_the_same_way() -> None:
    moment = datetime(2027, 3, 4, 5, 6, tzinfo=UTC)
    one, other, untouched = (Sandbox(candidates=100).world for _ in range(3))
    assert pass_day(one, 1, moment) == pass_day(other, 1, moment) == (3, 4)
    for type_ in ("candidates", "job-applications", "notes", "todos", "referrals"):
        assert one.records(type_) == other.records(type_)
        assert one.records(type_) != untouched.records(type_)
    for number in range(2, 200):  # however often the demo runs
        pass_day(one, number, moment)


def test_the_address_is_kept_unless_it_is_taken(tmp_path: Path) -> None:
    port = keep_a_port(tmp_path)
    first, other, again = (Sandbox(candidates=1) for _ in range(3))
    with served(first, tmp_path):
        assert str(port) in first.base_url
        with served(other, tmp_path):
            assert other.base_url != first.base_url
        assert (tmp_path / "port").read_text() in other.base_url
    (tmp_path / "port").write_text(str(port))
    with served(again, tmp_path):
        assert again.base_url == first.base_url


@pytest.mark.ring(2)
def test_without_a_home_it_says_how_to_run_it() -> None:
    env = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    done = subprocess.run(
        [sys.executable, "-m", "recruit_assets.demo"], env=env, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"`make demo`" in done.stdout
