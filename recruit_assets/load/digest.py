"""Digest of a row, by which a merge finds what differs.

It leaves out nulls, so a column added later changes only the digests of rows with a value in it.
"""

from collections.abc import Collection, Mapping

from recruit_assets.catalogue import UNPARSED, Kind
from recruit_assets.load.convert import is_nested
from recruit_assets.load.sql import literal, quoted


def digest(columns: Mapping[str, Kind], volatile: set[str]) -> str:
    """Return SQL that digests a row of these columns, without the volatile ones."""
    return digest_of_types({name: kind.sql for name, kind in columns.items()}, volatile)


def digest_of_types(columns: Mapping[str, str], volatile: Collection[str] = ()) -> str:
    """Return SQL that digests a row; equal rows have equal digests, in every version of DuckDB.

    Args:
        columns: their SQL types, by name.
        volatile: those that do not count.

    Each value follows its column's name and its own length, so that no two different rows produce
    the same text.
    """
    parts = []
    for name, sql_type in sorted(columns.items()):
        if name in volatile:
            continue
        value = _as_text(quoted(name), sql_type)
        if name == UNPARSED and volatile:
            nothing = ", ".join(f'"{each}": null' for each in sorted(volatile))
            without = f"json_merge_patch({value}, {literal('{' + nothing + '}')})"
            # json_merge_patch does not keep null, so null must bypass it.
            value = f"CASE WHEN {value} IS NOT NULL THEN nullif({without}, '{{}}') END"
        label = literal(name + "=")
        parts.append(f"{label} || length({value}) || ':' || ({value})")
    return f"md5(concat({', '.join(parts)}))"


def _as_text(value: str, sql_type: str) -> str:
    """Return SQL for a value as text, such that different values have different texts."""
    if sql_type == Kind.TIMESTAMP.sql:
        return f"epoch_us({value})::VARCHAR"
    # As plain text, ['a, b'] and ['a', 'b'] were the same in older versions.
    return f"to_json({value})::VARCHAR" if is_nested(sql_type) else f"{value}::VARCHAR"
