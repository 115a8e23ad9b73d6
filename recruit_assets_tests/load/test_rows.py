"""What counts as rows, and what does not; `test_upsert` merges them."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from recruit_assets.errors import BadRows
from recruit_assets.load.rows import DICTIONARIES_AT_ONCE, batches

ROWS = [{"id": 1, "a": "x"}, {"id": 2, "a": None}]
SCHEMA = pa.schema({"id": "int64", "a": "string"})
BATCH = pa.RecordBatch.from_pylist(ROWS, schema=SCHEMA)


def read(rows: object) -> list[dict[str, Any]]:
    return [row for table in batches(rows) for row in table.to_pylist()]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(lambda: ROWS, id="list"),
        pytest.param(lambda: (row for row in ROWS), id="generator"),
        pytest.param(lambda: BATCH, id="batch"),
        pytest.param(lambda: pa.table(BATCH), id="table"),
        pytest.param(lambda: pa.table(BATCH).to_reader(), id="reader"),
        pytest.param(lambda: [BATCH[:1], pa.table(BATCH[1:])], id="batches"),
        pytest.param(lambda: [BATCH[:1], *ROWS[1:]], id="batch and dictionary"),
        pytest.param(lambda: pl.DataFrame(ROWS), id="polars"),
    ],
)
def test_rows_of_every_source(rows: Callable[[], object]) -> None:
    assert read(rows()) == ROWS


def test_a_source_is_read_no_further_than_it_is_needed() -> None:
    rows = ({"id": number} for number in range(DICTIONARIES_AT_ONCE * 3))
    assert next(batches(rows)).num_rows == DICTIONARIES_AT_ONCE
    assert next(rows) == {"id": DICTIONARIES_AT_ONCE}


def test_none_is_no_table_and_an_empty_reader_one_without_rows() -> None:
    assert not list(batches(None))
    (empty,) = batches(SCHEMA.empty_table().to_reader())
    assert (empty.num_rows, empty.schema) == (0, SCHEMA)


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ("text", "str"),
        (b"bytes", "bytes"),
        ({"id": 1}, "dict"),
        (5, "int"),
        ([1], r"int \(in a list\)"),
        ([{"id": 1}, ["id"]], r"list \(in a list\)"),
        (pl.LazyFrame(ROWS), "LazyFrame"),
        (pl.Series([1]), "Series"),
        (pa.array([1]), "Int64Array"),
    ],
)
def test_what_is_no_rows_is_a_sentence(rows: object, kind: str) -> None:
    with pytest.raises(BadRows, match=f"^An object of type {kind} has no rows to merge: return an"):
        read(rows)
