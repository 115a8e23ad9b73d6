"""Notes on erasures whose table somebody has altered: nothing pending is hidden, nothing raises."""

from datetime import UTC, datetime

import duckdb
import pytest

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.erasure import note_erasure, pending, was_compacted_on


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE recruit_meta.erasures ALTER since TYPE VARCHAR",
        "ALTER TABLE recruit_meta.erasures ALTER since TYPE TIMESTAMP",
        "ALTER TABLE recruit_meta.erasures DROP since",
        "ALTER TABLE recruit_meta.erasures DROP rows",
        "ALTER TABLE recruit_meta.erasures RENAME rows TO n",
        "UPDATE recruit_meta.erasures SET since = NULL, rows = NULL",
    ],
)
def test_what_is_pending_stays_known(damage: str) -> None:
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        note_erasure(database, ENDPOINTS[0], 1)
        database.execute(damage)
        found = pending(database)
        assert found is not None
        assert found.rows == 1
        assert found.since <= datetime.now(UTC)
        note_erasure(database, ENDPOINTS[0], 2)
        again = pending(database)
        assert again is not None
        assert again.rows >= 2


@pytest.mark.parametrize("column", ["finished VARCHAR", "ended TIMESTAMP", "finished TIMESTAMP"])
def test_a_compaction_that_is_not_known_was_none(column: str) -> None:
    with duckdb.connect() as database:
        database.execute("CREATE SCHEMA recruit_meta")
        database.execute(f"CREATE TABLE recruit_meta.compactions ({column})")
        assert not was_compacted_on(database, datetime.now(UTC))
