"""The tables under construction, to which `company` and `people` add records."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from recruit_assets.sandbox.schema import RESOURCES

Ref = dict[str, str]
Record = dict[str, Any]
Tables = dict[str, dict[str, Record]]

# Different first ids expose a key that points to the wrong type; ids that cross a power of ten
# expose sorting by text instead of by number.
_FIRST_IDS = {
    "candidates": 981, "job-applications": 9981, "jobs": 91, "stages": 481, "users": 71,
    "notes": 99901, "todos": 861, "referrals": 51, "nps-responses": 941, "team-memberships": 601,
}  # fmt: skip


_UUID = "-b8ea-11e9-a2a3-2a2ae2dbcce4"  # the end of ids that are UUIDs, not numbers


def id_of(type_: str, number: int) -> str:
    """Return an id: a number, but the results of partners have UUIDs."""
    return f"{number:08x}{_UUID}" if type_ == "partner-results" else str(number)


def number_of(id_: str) -> int:
    """Return the number in an id; 0 if it has none."""
    if id_.endswith(_UUID):
        return int(id_.removesuffix(_UUID), 16)
    return int(id_) if id_.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Opening:
    """Describe a job that has taken applications: when it opened, and its stages in order."""

    opened: int
    job: Ref
    recruiter: Ref
    stages: tuple[Ref, ...]


@dataclass
class Draft:
    """Hold a company under construction: tables, random generator, present in milliseconds."""

    rng: Random
    now: int
    tables: Tables = field(default_factory=lambda: {type_: {} for type_ in RESOURCES})
    openings: list[Opening] = field(default_factory=list)
    _refs: dict[str, list[Ref]] = field(default_factory=lambda: {type_: [] for type_ in RESOURCES})
    _blanks: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)

    def new(self, type_: str, attributes: dict[str, Any], **relationships: Any) -> Ref:
        """Add a record; underscores in relationship names stand for hyphens."""
        table = self.tables[type_]
        id_ = id_of(type_, _FIRST_IDS.get(type_, 1) + len(table))
        attributes_blank, related_blank = self._blank(type_)
        related = {name.replace("_", "-"): value for name, value in relationships.items()}
        table[id_] = {
            "id": id_,
            "attributes": attributes_blank | attributes,
            "relationships": related_blank | related,
        }
        ref = {"type": type_, "id": id_}
        self._refs[type_].append(ref)
        return ref

    def refs(self, type_: str) -> list[Ref]:
        """Return references to all records of a type, in order."""
        return self._refs[type_]

    def some(self, refs: list[Ref], most: int) -> list[Ref]:
        """Return up to `most` different references, drawn at random."""
        return self.rng.sample(refs, self.rng.randint(0, min(most, len(refs))))

    def _blank(self, type_: str) -> tuple[dict[str, Any], dict[str, Any]]:
        if type_ not in self._blanks:
            resource = RESOURCES[type_]
            self._blanks[type_] = resource.blank(), resource.unrelated()
        return self._blanks[type_]
