"""Notes on erasures: what is noted; and in a table that was altered, nothing pending is hidden."""

from datetime import UTC, datetime

import duckdb
import pytest

from recruit_assets.catalogue import UNPARSED
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.endpoint_table import prepare
from recruit_assets.load.erasure import note_erasure, note_replaced, pending, was_compacted_on


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE recruit_meta.erasures ALTER since TYPE VARCHAR",
        "ALTER TABLE recruit_meta.erasures ALTER since TYPE TIMESTAMP",
        "ALTER TABLE recruit_meta.erasures DROP since",
        "ALTER TABLE recruit_meta.erasures DROP rows",
        "ALTER TABLE recruit_meta.erasures RENAME rows TO n",
        "UPDATE recruit_meta.erasures SET since = NULL, rows = NULL",
        "UPDATE recruit_meta.erasures SET since = '-infinity'",
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
        database.execute("INSERT INTO recruit_meta.compactions VALUES ('-infinity')")
        assert not was_compacted_on(database, datetime.now(UTC))


BEFORE = {"first_name": "Ada", "last_name": "Doe", "email": "a@x", "phone": "1", "pitch": "secret"}
BLANKS = (None, "", " ", "\n", "\t", "\u00a0", "\u200b", "\r\n \u2003")


@pytest.mark.parametrize(
    ("changed", "noted"),
    [
        *(({"pitch": blank}, True) for blank in BLANKS),
        ({"pitch": "-"}, False),  # an ordinary change
        ({"first_name": "Anonymous", "last_name": "Anonymous"}, False),
        (dict.fromkeys(("first_name", "last_name", "email"), "Anonymous"), True),  # over a half
    ],
)
def test_what_is_blanked_or_mostly_replaced_is_noted(
    changed: dict[str, str | None], *, noted: bool
) -> None:
    (candidates,) = (each for each in ENDPOINTS if each.name == "candidates")
    with duckdb.connect() as database:
        prepare(database, candidates, {})
        values = ", ".join(f"${name}::VARCHAR AS {name}" for name in BEFORE)
        staged = f"SELECT '1' AS id, NULL AS {UNPARSED}, {values}"
        database.execute(f"INSERT INTO recruit.candidates BY NAME {staged}", BEFORE)
        database.execute(f"CREATE TABLE staged AS {staged}", BEFORE | changed)
        note_replaced(database, candidates, "staged", BEFORE)
        assert (pending(database) is not None) is noted
