"""The column policy of an account: which columns are kept, hashed, or dropped before storage.

Contains what a policy says, and what is wrong with one. An `Endpoint` carries its own part of it,
which `extract` applies to the records, and `load` to the rows that are stored already.

    personal = "hash"     # every column that the catalogue marks as personal
    unknown = "drop"      # every column that the catalogue does not know

    [candidates]          # exceptions of one endpoint
    pitch = "drop"
    tags = "keep"
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from recruit_assets.catalogue import (
    UNKNOWN_COLUMNS,
    Column,
    ColumnPolicy,
    Endpoint,
    Kind,
)
from recruit_assets.errors import BadSetting
from recruit_assets.text import one_line

PERSONAL = "personal"  # in a policy: all columns that are personal
GROUPS = (PERSONAL, UNKNOWN_COLUMNS)
TEXTUAL = (Kind.TEXT, Kind.TEXTS, Kind.JSON)
READ_BY_MARTS = {  # columns whose texts the marts show, or recognize things by, by endpoint
    "activities": ("code",),
    "candidates": ("referring_site",),
    "departments": ("name",),
    "job_applications": ("referring_site",),
    "jobs": ("careersite_job_url",),
    "locations": ("name", "city"),
    "reject_reasons": ("reason",),
}


def read_policy(path: str) -> dict[str, Any]:
    """Return the policy that a TOML file contains.

    Raises:
        BadSetting: it cannot be read.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # not UTF-8, or not TOML
        reason = getattr(error, "strerror", None) or str(error)
        raise BadSetting(f"{one_line(path)} cannot be read as a TOML file: {reason}.") from error


def under_policy(endpoint: Endpoint, policy: Mapping[str, Any]) -> Endpoint:
    """Return an endpoint with its part of a policy in which nothing is wrong.

    What the catalogue drops stays dropped. Only texts can be hashed: of other values, a policy for
    all personal columns drops what it would hash.
    """
    own = policy.get(endpoint.name, {})
    everywhere = {name: word for name, word in policy.items() if name in GROUPS}
    groups = everywhere | {name: word for name, word in own.items() if name in GROUPS}
    words = {UNKNOWN_COLUMNS: groups.get(UNKNOWN_COLUMNS)}
    for column in endpoint.columns():
        words[column.name] = own.get(column.name, groups.get(PERSONAL) if column.personal else None)
    chosen = {name: ColumnPolicy(word) for name, word in words.items() if word}
    for column in endpoint.columns():
        if chosen.get(column.name) is ColumnPolicy.hash and column.kind not in TEXTUAL:
            chosen[column.name] = ColumnPolicy.drop
    limited = {name: each for name, each in chosen.items() if each is not ColumnPolicy.keep}
    return replace(endpoint, policy={**endpoint.policy, **limited})


def limits_of(endpoints: Iterable[Endpoint]) -> dict[str, list[str]]:
    """Return the columns that endpoints hash and drop, as `table.column`, by policy."""
    found: dict[str, list[str]] = {}
    for endpoint in endpoints:
        for name, policy in sorted(endpoint.policy.items()):
            found.setdefault(policy.value, []).append(f"{endpoint.name}.{name}")
    return dict(sorted(found.items()))


def policy_problems(policy: Mapping[str, Any], endpoints: Iterable[Endpoint]) -> list[str]:
    """Return a sentence for each name or word of a policy that cannot be used."""
    known = {each.name: each for each in endpoints}
    found: list[str] = []
    for name, value in policy.items():
        if name in GROUPS:
            found += _wrong_word(name, name, value)
        elif name not in known:
            found.append(_unknown("endpoint", name, [*known, *GROUPS]))
        elif not isinstance(value, Mapping):
            found.append(f"{_shown(name)} needs the policy of each column, not one word for all.")
        else:
            found += _problems_of(known[name], value)
    return [f"Column policy: {each}" for each in found]


def _problems_of(endpoint: Endpoint, policy: Mapping[str, Any]) -> Iterator[str]:
    named = {name for each in endpoint.attributes for name in each.columns()}
    columns = {column.name: column for column in endpoint.columns()}
    attributes = {name: each for name, each in columns.items() if name in named}
    for name, word in policy.items():
        full = f"{endpoint.name}.{_shown(name)}"
        if name not in columns and name not in GROUPS:
            yield _unknown(f"column of {endpoint.name}", name, [*columns, *GROUPS])
            continue
        wrong = list(_wrong_word(name, full, word))
        yield from wrong
        limited = name not in GROUPS and not wrong and word != ColumnPolicy.keep.value
        if limited and (reason := _why_needed(endpoint, name, attributes.get(name), word)):
            yield f"{full} cannot be hashed or dropped: {reason}."


def _wrong_word(name: str, full: str, word: object) -> Iterator[str]:
    words = [each.value for each in ColumnPolicy]
    if name == UNKNOWN_COLUMNS:  # their kinds follow from their values
        words.remove(ColumnPolicy.hash.value)
    if word not in words:
        near = get_close_matches(str(word), words, 1)
        meant = f" Did you mean {near[0]}?" if near else ""
        yield f"{full} is {_shown(repr(word))}: set it to one of {', '.join(words)}.{meant}"


def _why_needed(endpoint: Endpoint, name: str, attribute: Column | None, word: str) -> str:
    """Return why a column must be kept; empty if it may be limited by this word."""
    if attribute is None or attribute.kind in (Kind.KEY, Kind.KEYS):
        return "tables are joined by their keys, which are ids and no names"
    if name in endpoint.history:
        return "its history is kept, and the marts compute with it"
    if name in READ_BY_MARTS.get(endpoint.name, ()):
        return "the marts read it, and would be wrong without it"
    if attribute.personal and word == ColumnPolicy.drop.value:
        return ""
    return "" if attribute.kind in TEXTUAL else "only texts, lists and JSON can be"


def _unknown(what: str, name: object, known: Iterable[str]) -> str:
    near = get_close_matches(str(name), known, 1)
    return f"there is no {what} {_shown(name)}" + (f": did you mean {near[0]}?" if near else ".")


def _shown(given: object) -> str:  # YAML takes a bare `on` for true, and `1` for a number
    return one_line(str(given), 100)
