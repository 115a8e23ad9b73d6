"""Digest of a row, by which a merge finds what differs.

It leaves out nulls, so a column added later changes only the digests of rows with a value in it.
"""

from collections.abc import Mapping

from recruit_assets.catalogue import UNPARSED, Kind
from recruit_assets.load.sql import literal, quoted

_AS_TEXT = {
    Kind.TIMESTAMP: "epoch_us({})::VARCHAR",
    Kind.TEXTS: "to_json({})::VARCHAR",
    Kind.KEYS: "to_json({})::VARCHAR",
}


def digest(columns: Mapping[str, Kind], volatile: set[str]) -> str:
    """Return SQL that digests a row; equal rows have equal digests, in every version of DuckDB.

    Each value follows its column's name and its own length, so that no two different rows produce
    the same text.
    """
    parts = []
    for name, kind in sorted(columns.items()):
        if name in volatile:
            continue
        value = _AS_TEXT.get(kind, "{}::VARCHAR").format(quoted(name))
        if name == UNPARSED and volatile:
            nothing = ", ".join(f'"{each}": null' for each in sorted(volatile))
            without = f"json_merge_patch({value}, {literal('{' + nothing + '}')})"
            # json_merge_patch does not keep null, so null must bypass it.
            value = f"CASE WHEN {value} IS NOT NULL THEN nullif({without}, '{{}}') END"
        label = literal(name + "=")
        parts.append(f"{label} || length({value}) || ':' || ({value})")
    return f"md5(concat({', '.join(parts)}))"
