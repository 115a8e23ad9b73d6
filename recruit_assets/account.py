"""The names of what belongs to one account: assets, ops, groups, jobs, schedules, resources.

Several accounts can be in one code location, beside assets, ops and resources of other origin, so
each name begins with the account's prefix. Without a prefix, names are as short as they can be.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from recruit_assets.errors import BadSetting


@dataclass(frozen=True)
class Account:
    """Name what belongs to one account.

    Args:
        prefix: the first parts of its asset keys; empty if there is only one account.

    Raises:
        BadSetting: a part has characters that a name in Dagster cannot have, or the first one
            begins with a digit.
    """

    prefix: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in self.prefix:
            if not re.fullmatch(r"[A-Za-z0-9_]+", part):
                raise BadSetting(
                    f"The key prefix {part!r} cannot be part of a name: use letters, digits and _."
                )
        if self.name[:1].isdigit():
            raise BadSetting(f"The key prefix {self.name!r} begins with a digit: use a letter.")

    @classmethod
    def of(cls, prefix: str | Sequence[str]) -> "Account":
        """Return the account of a key prefix, which is one part or several.

        Raises:
            BadSetting: it is neither a text nor a list of texts.
        """
        parts = prefix.split("/") if isinstance(prefix, str) else prefix
        if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
            raise BadSetting("The key prefix must be a text, or a list of texts.")
        return cls(tuple(part for part in parts if part))

    @property
    def name(self) -> str:
        """Return the prefix as one text; empty if there is none."""
        return "/".join(self.prefix)

    def key(self, name: str) -> dg.AssetKey:
        """Return the key of an asset."""
        return dg.AssetKey([*self.prefix, name])

    def op(self, name: str) -> str:
        """Return the name of an op, by Dagster's rule for the ops of assets."""
        return self.key(name).to_python_identifier()

    def named(self, name: str) -> str:
        """Return the name of anything else: a group, a job, a schedule, a sensor, a resource."""
        return "_".join([*self.prefix, name])

    @property
    def api(self) -> str:
        """Return the key of the resource that reads the API."""
        return self.named("recruit_api")

    @property
    def database(self) -> str:
        """Return the key of the resource that opens the database."""
        return self.named("recruit_database")

    @property
    def io_manager(self) -> str:
        """Return the key of the IO manager that merges."""
        return self.named("recruit_io_manager")
