"""No error tells what a table holds, whatever of somebody's own refuses a row."""

from collections.abc import Iterator
from contextlib import nullcontext

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recruit_assets.errors import DatabaseProblem, NotEnoughMemory
from recruit_assets.load.connection import transaction, translate_duckdb_errors
from recruit_assets.load.messages import is_refused_commit, problem_of
from recruit_assets.load.obstacles import translate_table_errors
from recruit_assets_tests.rings import sized

PERSON = "Zyx"  # what every planted value begins with
PLANTED = st.one_of(
    st.from_regex(rf"{PERSON}[-\w \"':(){{}}\[\]<>@%\n.,]{{0,20}}", fullmatch=True),
    st.sampled_from([f"{PERSON}: \"a\" 'b' ((", f'{PERSON}" conflict "x', f"{PERSON}\n: [*"]),
)
ON_EXPRESSION = [
    f"CREATE INDEX i ON recruit.jobs (({expression}))"
    for expression in (
        *(f"title::{each}" for each in ("DATE", "TIMESTAMP", "INTEGER", "TINYINT", "BOOLEAN",
                                        "UUID", "TIME", "BIT", "JSON", "DECIMAL(9, 2)")),
        "strptime(title, '%Y')", "regexp_matches('x', title || '((')", "from_hex(title)",
        "date_trunc(title, DATE '2020-01-01')", "from_base64('!' || title)",
    )
]  # fmt: skip
CONSTRAINED = [
    f"CREATE TABLE recruit.jobs (id VARCHAR, title VARCHAR, {more})"
    for more in (
        "UNIQUE (title)",
        "PRIMARY KEY (title, id)",
        "CHECK (title::INTEGER > 3)",
        "CHECK (length(title) < 2)",
        "CHECK (CASE WHEN length(title) > 1 THEN error(title) END)",
        "day DATE GENERATED ALWAYS AS (title::DATE)",
        "FOREIGN KEY (title) REFERENCES recruit.mine (x)",
        "must VARCHAR NOT NULL",
    )
]
TYPED = [
    f"CREATE TABLE recruit.jobs (id VARCHAR, title {each})"
    for each in (
        "INTEGER",
        "UUID",
        "ENUM ('a')",
        "INTEGER[]",
        "STRUCT(a INTEGER)",
        "INTERVAL",
        "JSON",
    )
]
PLAIN = "CREATE TABLE recruit.jobs (id VARCHAR, title VARCHAR); "
MINE = "CREATE SCHEMA recruit; CREATE TABLE recruit.mine (x VARCHAR PRIMARY KEY); "


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that the tests of this module share, as starting one takes most of their time."""
    with duckdb.connect() as connection:
        yield connection


@settings(max_examples=sized(15, 300, 2000))
@given(
    table=st.sampled_from([*(PLAIN + each for each in ON_EXPRESSION), *CONSTRAINED, *TYPED]),
    value=PLANTED,
    explained=st.booleans(),
)
def test_no_error_tells_a_value(
    database: duckdb.DuckDBPyConnection, table: str, value: str, *, explained: bool
) -> None:
    """The same value twice, as for a key; with the advice as the sync says it, and without."""
    explaining = translate_table_errors("recruit.jobs") if explained else nullcontext()
    database.execute(f"DROP SCHEMA IF EXISTS recruit CASCADE; {MINE} {table}")
    with (
        pytest.raises(DatabaseProblem) as raised,
        translate_duckdb_errors("x.duckdb", 0),
        explaining,
        transaction(database),
    ):
        database.execute(
            "INSERT INTO recruit.jobs (id, title) VALUES ('1', $1), ('1', $1)", [value]
        )
    said = str(raised.value)
    assert PERSON.lower() not in said.lower()
    assert ("undo what was added" in said) is explained
    assert "Error: " in said
    assert not raised.value.retryable


def test_a_column_that_must_have_a_value_is_named(database: duckdb.DuckDBPyConnection) -> None:
    database.execute(f"DROP SCHEMA IF EXISTS recruit CASCADE; {MINE}")
    with (
        pytest.raises(DatabaseProblem, match=r"failed: jobs\.must$"),
        translate_table_errors("recruit.jobs"),
    ):
        database.execute(
            "CREATE TABLE recruit.jobs (id VARCHAR, must VARCHAR NOT NULL); "
            "INSERT INTO recruit.jobs (id) VALUES ('1')"
        )


@pytest.mark.parametrize("what", ["could not allocate block", "failed to pin block"])
def test_a_commit_without_memory_is_told_from_a_refused_one(what: str) -> None:
    error = duckdb.TransactionException(
        f"TransactionContext Error: Failed to commit: {what} of size 256.0 KiB (40.0 MiB used)"
    )
    assert isinstance(problem_of("some.duckdb", error, 1), NotEnoughMemory)
    assert not is_refused_commit(error)
