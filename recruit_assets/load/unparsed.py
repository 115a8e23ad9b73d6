"""Values that did not fit their column: JSON objects in `_unparsed`, by name of column.

Scope: SQL that makes such an object.
"""

from collections.abc import Iterable

from recruit_assets.load.sql import literal

_ENTRIES = "STRUCT(key VARCHAR, value JSON)[]"


def entry(name: str, value: str) -> str:
    """Return SQL for the entry of a column, given SQL for its value; null means that it fits."""
    return f"{{'key': {literal(name)}, 'value': {value}}}"


def entries(found: Iterable[str]) -> str:
    """Return SQL for a list of entries."""
    return f"[{', '.join(found)}]::{_ENTRIES}"


def entries_of(unparsed: str) -> str:
    """Return SQL for the entries of an object, which may be null."""
    return f"map_entries(coalesce(TRY_CAST({unparsed} AS MAP(VARCHAR, JSON)), MAP {{}}))"


def as_object(misfits: str, unparsed: str = "NULL::JSON") -> str:
    """Return SQL for an object of entries and those of an older object, or null without any.

    Args:
        misfits: SQL for the entries; those without a value are left out.
        unparsed: SQL for the older object, which loses the entries that `misfits` names.
    """
    # A map cannot repeat a key; sorting gives its JSON the order of stored records.
    return f"""
    CASE WHEN list_bool_or(list_transform({misfits}, lambda e: e.value IS NOT NULL)) THEN to_json(
        map_from_entries(list_sort(list_concat(
            list_filter({entries_of(unparsed)},
                lambda e: NOT list_contains(list_transform({misfits}, lambda m: m.key), e.key)
            ),
            list_filter({misfits}, lambda e: e.value IS NOT NULL)
        )))
    ) END
"""
