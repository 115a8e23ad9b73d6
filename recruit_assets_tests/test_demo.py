import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy

import duckdb
import pytest
import time_machine

from recruit_assets.demo import CANDIDATES, QUERIES, present
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.sandbox import Sandbox
from recruit_assets.sandbox.times import instant
from recruit_assets_tests.rings import sized

HOME = Path(__file__).parents[1] / "dagster_home"
COMMAND = f"""
import sys
from recruit_assets import demo
demo.CANDIDATES = {sized(100, 200, CANDIDATES)}
sys.exit(demo.main())
"""


def demo(home: Path) -> list[list[str]]:
    """The demo's table, a list of cells for each line."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND],
        env={**os.environ, "DAGSTER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith("demo-report.html: open it.")
    assert (home / "demo-report.html").exists()
    names = {endpoint.name for endpoint in ENDPOINTS}
    cells = [line.replace(",", "").split() for line in done.stdout.splitlines()]
    return [line for line in cells if line and line[0] in names]


@pytest.mark.ring(2)
def test_the_demo_loads_all_and_then_writes_nothing(tmp_path: Path) -> None:
    copy(HOME / "dagster.yaml", tmp_path)  # as `make demo` does
    rows = demo(tmp_path)
    assert len(rows) == len(ENDPOINTS)
    for _, in_api, in_table, inserted, updated, unchanged, _ in rows:
        assert in_api == in_table == inserted
        assert (updated, unchanged) == ("0", "0")
    written = versions(tmp_path)
    for _, in_api, in_table, inserted, updated, unchanged, _ in demo(tmp_path):
        assert in_api == in_table == unchanged
        assert (inserted, updated) == ("0", "0")
    assert versions(tmp_path) == written
    with duckdb.connect(str(tmp_path / "demo.duckdb"), read_only=True) as database:
        for query in QUERIES.values():
            assert database.execute(query).fetchall()


def test_the_company_lives_on_the_day_of_its_first_demo(tmp_path: Path) -> None:
    with time_machine.travel(datetime(2027, 3, 4, 5, 6, tzinfo=UTC)):
        first = present(tmp_path)
    assert present(tmp_path) == first == datetime(2027, 3, 4, tzinfo=UTC)
    applications = Sandbox(candidates=300, now=first).world.table("job-applications").values()
    newest = max(instant(each["attributes"]["updated-at"]) for each in applications)
    assert first - timedelta(days=7) < newest < first


def versions(home: Path) -> list[tuple[str, str]]:
    """Id and `_loaded_at` of every row."""
    with duckdb.connect(str(home / "demo.duckdb"), read_only=True) as database:
        return [
            row
            for endpoint in ENDPOINTS
            for row in database.execute(
                f"SELECT id, _loaded_at::VARCHAR FROM recruit.{endpoint.name} ORDER BY id"
            ).fetchall()
        ]


@pytest.mark.ring(2)
def test_without_a_home_it_says_how_to_run_it() -> None:
    env = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    done = subprocess.run(
        [sys.executable, "-m", "recruit_assets.demo"], env=env, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"`make demo`" in done.stdout
