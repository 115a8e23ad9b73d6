"""Records of forgotten persons, which are left out before anything is stored.

Scope: which rows of a reading lead to a person on the account's list, directly or through a record
that is on it too. The list has salted hashes only; `load.forgotten` keeps it.
"""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from recruit_assets.catalogue import PERSON, Endpoint
from recruit_assets.extract.privacy import pseudonym

NOBODY: frozenset[str] = frozenset()


class LeftOut:
    """Leave out the rows of one endpoint that belong to forgotten persons.

    Args:
        endpoint: the endpoint.
        persons: the hashes of persons by the hash of a record's id, by endpoint.
        salt: the key of the hashes.

    `records` has the hashes of the persons by the id of each record that was left out, and
    `returned` the ids of records on the list that lead to other persons now. Of a record that was
    read more than once, the last version counts.
    """

    def __init__(
        self, endpoint: Endpoint, persons: Mapping[str, Mapping[str, frozenset[str]]], salt: bytes
    ) -> None:
        self.records: dict[str, frozenset[str]] = {}
        self.returned: set[str] = set()
        self._name, self._persons, self._salt = endpoint.name, persons, salt
        self._keys = [
            key for key in endpoint.foreign_keys() if key.table in persons and not key.many
        ]

    def remaining(self, rows: pa.Table, positions: Sequence[int]) -> tuple[pa.Table, Sequence[int]]:
        """Return the rows that are not left out, and the position of each."""
        if not self._persons:
            return rows, positions
        kept = [self._keeps(*row) for row in self._ids(rows)]
        left = [place for place, keep in zip(positions, kept, strict=True) if keep]
        return rows.filter(pa.array(kept, pa.bool_())), left

    def _ids(self, rows: pa.Table) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Yield the id of each row, and the endpoint and id of each record that it leads to."""
        columns = [rows[key.column].to_pylist() for key in self._keys]
        types = [
            rows[key.type_column].to_pylist() if key.type_column else [key.type] * rows.num_rows
            for key in self._keys
        ]
        for number, id_ in enumerate(rows["id"].to_pylist()):
            yield (
                id_,
                [
                    (key.table, ids[number])
                    for key, ids, type_ in zip(self._keys, columns, types, strict=True)
                    if ids[number] is not None and type_[number] == key.type
                ],
            )

    def _keeps(self, id_: str, targets: Sequence[tuple[str, str]]) -> bool:
        """Return whether a record is nobody's on the list, and note it otherwise."""
        own = self._on_list(self._name, id_)
        persons = self._persons_of(id_, own, targets)
        if persons:
            self.records[id_] = persons
            self.returned.discard(id_)
            return False
        self.records.pop(id_, None)
        if own:
            self.returned.add(id_)
        return True

    def _persons_of(
        self, id_: str, own: frozenset[str], targets: Sequence[tuple[str, str]]
    ) -> frozenset[str]:
        itself = own & {pseudonym(self._salt, id_)} if self._name == PERSON else NOBODY
        led = NOBODY.union(*(self._on_list(*each) for each in targets))
        # A record that leads to nobody any more still is about those to whom it led.
        return itself | (led if targets else own)

    def _on_list(self, name: str, id_: str) -> frozenset[str]:
        listed = self._persons.get(name)
        return listed.get(pseudonym(self._salt, id_), NOBODY) if listed else NOBODY
