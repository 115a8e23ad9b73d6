"""What does not count as a change is read by no mart, and not by the page."""

from pathlib import Path
from shutil import copy

import pytest

from recruit_assets.load.connection import connection
from recruit_assets.load.history import HISTORY
from recruit_assets.load.layout import META
from recruit_assets.load.schema import SCHEMA, columns_found
from recruit_assets.load.sql import quoted
from recruit_assets.load.syncs import LATEST_VIEW, SYNCS_TABLE
from recruit_assets.marts.build import build
from recruit_assets.marts.carried import carry
from recruit_assets.marts.changes import endpoints_read, words_of
from recruit_assets.marts.mart import MARTS
from recruit_assets_tests.marts.conftest import Answers
from recruit_assets_tests.marts.test_refresh import marts_in


@pytest.mark.ring(2)
def test_what_does_not_count_changes_neither_marts_nor_page(
    told_answers: Answers, tmp_path: Path
) -> None:
    other = Path(copy(told_answers.path, tmp_path / "other.duckdb"))
    with connection(str(other), {}, 0.1) as database:
        carried = carry(database, {})
        for schema, table in sorted({each for mart in MARTS for each in mart.reads}):
            if schema not in (SCHEMA, HISTORY):
                continue
            unread = [
                f"{quoted(name)} = NULL"
                for name, _ in columns_found(database, table, schema)
                if name not in words_of(schema, table)
            ]
            assert unread
            database.execute(f"UPDATE {schema}.{table} SET {', '.join(unread)}")
        read = endpoints_read(META, LATEST_VIEW) + endpoints_read(META, SYNCS_TABLE)
        database.execute(
            "DELETE FROM recruit_meta.syncs WHERE NOT list_contains(?, endpoint)", [read]
        )
        assert not [each for each in build(database, MARTS) if each.wrong]
        assert carry(database, {}) == carried
    assert marts_in(other) == marts_in(told_answers.path)
