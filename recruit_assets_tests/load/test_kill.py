"""A merge killed at any moment leaves the old table or the new one, in a file that opens.

So with its history, which is written in the same transaction.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from recruit_assets.extract.jsonapi import Record
from recruit_assets.extract.records import RecordTable
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.history import write_history
from recruit_assets.load.stage import Stage
from recruit_assets_tests import lakes
from recruit_assets_tests.load.killing import WHOLE, killed_at_any_moment
from recruit_assets_tests.load.merging import prepare_and_merge
from recruit_assets_tests.load.test_merge import SMALL
from recruit_assets_tests.rings import sized

pytestmark = pytest.mark.ring(2)

ENDPOINT = replace(SMALL, history=("name",))
ROWS = 5_000
KILLS = sized(6, 6, 60)


def write_version(path: str, version: int) -> None:
    """Merge a version of all rows that differs from every other, with a column of its own."""
    name = f"v{version}"
    numbers = range(ROWS + version)
    record_table = RecordTable(ENDPOINT)
    with Stage() as stage:
        table = record_table.table(
            [Record(str(each), {"name": name, name: 1.5}) for each in numbers]
        )
        stage.add(table, record_table.columns, numbers)
        with connection(path, {}, wait_seconds=60) as database, transaction(database):
            prepare_and_merge(database, ENDPOINT, stage, name)
            write_history(database, ENDPOINT, name, [], record_table.columns, whole=True)


def test_a_merge_killed_at_any_moment(tmp_path: Path) -> None:
    path = str(lakes.database_at(tmp_path / "killed.duckdb"))
    whole = list(range(WHOLE))  # the versions that came to be
    for version in killed_at_any_moment(write_version, path, kills=KILLS, seed=7):
        with lakes.connect(path) as database:
            rows = database.execute(
                "SELECT name, _run_id, count(*) FROM recruit.small GROUP BY ALL"
            ).fetchall()
            versions = database.execute(
                "SELECT name, _run_id, valid_to IS NULL, count(*) "
                "FROM recruit_history.small GROUP BY ALL ORDER BY min(valid_from)"
            ).fetchall()
            columns = {
                column
                for (column,) in database.execute(
                    "SELECT column_name FROM duckdb_columns() "
                    "WHERE schema_name = 'recruit' AND table_name = 'small'"
                ).fetchall()
            }
        if f"v{version}" in columns:
            whole.append(version)
        assert rows == [(f"v{whole[-1]}", f"v{whole[-1]}", ROWS + whole[-1])]
        assert columns >= {f"v{each}" for each in whole}
        assert versions == [
            (f"v{each}", f"v{each}", each == whole[-1], ROWS + each) for each in whole
        ]
    assert whole[WHOLE] > WHOLE  # one that is killed at once writes nothing
    assert whole[-1] == version  # one that is left alone ends
