"""Pack tables of numbers as text: byte by byte of each column, deflated, as base64.

Knows nothing of what the numbers mean. `page/unpack.js` reverses it.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def packed(tables: Mapping[str, pa.Table], header: Mapping[str, Any]) -> str:
    """Return tables of whole numbers that are not negative, with a header, as ASCII letters.

    Neighbours differ little in their high bytes, so these are stored apart from the low ones, which
    makes the text half as long.
    """
    shapes, planes = {}, list[bytes]()
    for name, table in tables.items():
        columns = {}
        for column in table.column_names:
            found = _planes(table[column])
            columns[column] = len(found)
            planes += found
        shapes[name] = {"rows": table.num_rows, "columns": columns}
    head = json.dumps({**header, "tables": shapes}, separators=(",", ":"))
    return base64.b64encode(
        zlib.compress(b"\n".join([head.encode(), b"".join(planes)]), 9)
    ).decode()


def _planes(column: pa.ChunkedArray) -> list[bytes]:
    """Return the lowest byte of all numbers, then the next, up to the last that one needs."""
    (numbers,) = (column.cast(pa.int64()).combine_chunks(),)
    most = pc.max(numbers).as_py() or 0
    raw = numbers.buffers()[1].to_pybytes()[8 * numbers.offset :][: 8 * len(numbers)]
    return [raw[place::8] for place in range(-(-most.bit_length() // 8))]
