"""The classes that describe an endpoint, and the policies for its columns and its deleted rows.

Contains frozen descriptions and what is derived from them alone (path, columns). The endpoints
themselves are in `endpoints`; `extract` reads them and `load` stores them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

UNPARSED = "_unparsed"  # column of the values that did not fit their own
TYPE, META, MORE = "_type", "_meta", "_more"  # columns of record data other than attributes
UNKNOWN_COLUMNS = "unknown"  # in a column policy: all columns that the catalogue does not know
WITHHELD = "withheld by the column policy"  # stored in place of a value that has no column
PERSON = "candidates"  # the endpoint whose records are persons
MAX_UNKNOWN = 200  # columns per table that are not in the catalogue; further values go to MORE
EXTRAS = {
    TYPE: "Type of the record, where it is not the endpoint's",
    META: "What the record says of itself in its meta",
    MORE: f"Attributes beyond the first {MAX_UNKNOWN} that the catalogue does not know, by name",
}


class DeletionPolicy(Enum):
    """Define what is left of a deleted row; the names are lower case, as in the setting."""

    erase = "erase"  # all but personal columns and those that the catalogue does not know
    keep = "keep"  # all
    drop = "drop"  # nothing


class Rolling(Enum):
    """Define which lists without a filter for changes are read in parts, a part by each sync."""

    auto = "auto"  # long lists of an account that takes more than a minute to read
    always = "always"  # every list of more than a page
    never = "never"  # none: each sync reads them whole


class ColumnPolicy(Enum):
    """Define what is stored of a column's values; the names are lower case, as in the setting."""

    keep = "keep"  # the values
    hash = "hash"  # salted hashes, which are equal where the values are equal
    drop = "drop"  # nothing: the table does not have the column


class Kind(Enum):
    """List the kinds of values; each has one DuckDB column type."""

    TEXT = "text"
    KEY = "key"  # an id; the API sends some as numbers, but the column is text so that keys join
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"
    TEXTS = "texts"
    KEYS = "keys"
    JSON = "json"

    @property
    def sql(self) -> str:
        """Return the DuckDB type of a column of this kind."""
        return _SQL_TYPES[self]


_SQL_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.KEY: "VARCHAR",
    Kind.INTEGER: "BIGINT",
    Kind.NUMBER: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    Kind.DATE: "DATE",
    Kind.TEXTS: "VARCHAR[]",
    Kind.KEYS: "VARCHAR[]",
    Kind.JSON: "JSON",
}


@dataclass(frozen=True)
class Member:
    """Describe a member of an object, which is stored if another attribute has the value `of`.

    Without `of`, it is stored in any case. A key is checked against no table, because a log may
    refer to what was gone before the first sync.
    """

    name: str
    column: str
    meaning: str
    kind: Kind
    of: str = ""


@dataclass(frozen=True)
class Attribute:
    """Describe one attribute of a record, spelled as in the API.

    `volatile` attributes change without the record changing (signed URLs, counters): they are
    stored, but a change in them alone does not rewrite the row. `personal` marks data about a
    person. `target` is the resource type that a key refers to, if no relationship says so. `kinds`
    has other kinds of values, each with a column, by the type that the attribute `kinds_by` names.
    Of an object with `members`, only these are stored, some only by that type.
    """

    name: str
    meaning: str
    kind: Kind
    volatile: bool = False
    personal: bool = False
    target: str = ""
    kinds_by: str = ""
    kinds: Mapping[str, Kind] = field(default_factory=dict, hash=False)
    members: tuple[Member, ...] = ()

    def columns(self) -> dict[str, Kind]:
        """Return the kind of its column, and of those for other kinds of values, by name."""
        if self.members:
            return {each.column: each.kind for each in self.members}
        name = snake_case(self.name)
        return {name: self.kind} | {f"{name}_{kind.value}": kind for kind in self.kinds.values()}

    def meaning_of(self, column: str) -> str:
        """Return the meaning of one of its columns."""
        meanings = {each.column: each.meaning for each in self.members}
        return meanings.get(column, self.meaning)


@dataclass(frozen=True)
class Relationship:
    """Describe one relationship to include; without `include` the API sends no keys.

    `targets` are the resource types that it can refer to; more than one makes it polymorphic.
    `needed` means that the endpoint is useless without it.
    """

    name: str
    targets: tuple[str, ...]
    many: bool = False
    needed: bool = False

    @property
    def polymorphic(self) -> bool:
        """Return whether a key alone does not say which type it refers to."""
        return len(self.targets) > 1


@dataclass(frozen=True)
class Column:
    """Describe one column of an endpoint's table."""

    name: str
    kind: Kind
    meaning: str = ""
    volatile: bool = False
    personal: bool = False


@dataclass(frozen=True)
class ForeignKey:
    """Describe a column whose values are ids of another endpoint's table.

    `type_column` is the column with the resource type of a polymorphic key, and `type` is its value
    where the key refers to this table.
    """

    column: str
    table: str
    many: bool = False
    type_column: str | None = None
    type: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """Describe one endpoint of the API; `name` is also the name of its asset and its table.

    `filters` are the query parameters without which the API hides records. `filtered_by` names the
    relationship by which the API must filter the list, if it cannot show it whole. `nested_in`
    names the relationship whose records have the only lists of it, and `within` is the path of one
    of these records, followed by a slash, where only its list is meant. `history` names the columns
    whose earlier values are kept (SCD type 2): neither personal, nor free text, nor
    volatile. `policy` names the columns that are hashed or dropped, and `UNKNOWN_COLUMNS` if those
    that the catalogue does not know are dropped; an entry itself drops what nobody may store.
    """

    name: str
    group: str
    description: str
    attributes: tuple[Attribute, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    filtered_by: str = ""
    nested_in: str = ""
    within: str = ""
    history: tuple[str, ...] = ()
    policy: Mapping[str, ColumnPolicy] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Return the path of its records below the base URL, also the JSON:API resource type."""
        return self.name.replace("_", "-")

    @property
    def address(self) -> str:
        """Return the path of its list below the base URL."""
        return self.within + self.path

    @property
    def parent(self) -> str:
        """Return the relationship by whose records it is read, if it is not one list."""
        return self.filtered_by or self.nested_in

    @property
    def dated(self) -> bool:
        """Return whether its list can be asked for changes: its records have `updated-at`."""
        return not self.parent and any(
            attribute.name == "updated-at" for attribute in self.attributes
        )

    @property
    def hashes(self) -> bool:
        """Return whether any column is hashed, which takes the account's salt."""
        return ColumnPolicy.hash in self.policy.values()

    def columns(self) -> Iterator[Column]:
        """Yield its columns in table order, without dropped ones: `id`, attributes, relationships.

        A hashed column keeps its kind: a text becomes a text, and so does each text of a list.
        """
        yield Column("id", Kind.KEY, "Id of the record, unique in this table")
        for attribute in self.attributes:
            for name, kind in attribute.columns().items():
                if (policy := self.policy.get(name)) is not ColumnPolicy.drop:
                    hashed = " (salted hash)" if policy is ColumnPolicy.hash else ""
                    meaning = attribute.meaning_of(name) + hashed
                    yield Column(name, kind, meaning, attribute.volatile, attribute.personal)
        for relationship in self.relationships:
            yield from relationship_columns(relationship)

    def tracked(self) -> list[Column]:
        """Return the columns of its history: `id` and those in `history`; none without one."""
        columns = {column.name: column for column in self.columns()}
        return [columns[name] for name in ("id", *self.history)] if self.history else []

    def foreign_keys(self) -> Iterator[ForeignKey]:
        """Yield its foreign keys, including those to unknown endpoints."""
        for attribute in self.attributes:
            if attribute.target:
                column, table = snake_case(attribute.name), table_of(attribute.target)
                yield ForeignKey(column, table, attribute.kind is Kind.KEYS)
        for relationship in self.relationships:
            name = snake_case(relationship.name)
            column = f"{name}_ids" if relationship.many else f"{name}_id"
            for target in relationship.targets:
                if relationship.polymorphic:
                    yield ForeignKey(f"{name}_id", table_of(target), False, f"{name}_type", target)
                else:
                    yield ForeignKey(column, table_of(target), relationship.many)


def table_of(path: str) -> str:
    """Return the table of the endpoint at a path."""
    return path.replace("-", "_")


def relationship_columns(relationship: Relationship) -> Iterator[Column]:
    """Yield a relationship's columns: `x_ids`, or `x_id` and, if polymorphic, `x_type`."""
    name, targets = snake_case(relationship.name), " or ".join(relationship.targets)
    if relationship.many:
        yield Column(f"{name}_ids", Kind.KEYS, f"Ids of the related {targets}")
        return
    yield Column(f"{name}_id", Kind.KEY, f"Id of the related record in {targets}")
    if relationship.polymorphic:
        yield Column(f"{name}_type", Kind.TEXT, f"Type of the record in {name}_id: {targets}")


def snake_case(name: str) -> str:
    """Return a name in snake case: `created_at` for `created-at`.

    Letters become lower case; words of any script are joined by one underscore.
    """
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
    return "_".join(words)
