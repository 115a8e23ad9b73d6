"""The settings of one account.

`setting_fields` says what each is, and `variables` reads those in the environment.
"""

import os
from collections.abc import Iterable
from typing import Any, Self

from pydantic import PrivateAttr

from recruit_assets.catalogue import Endpoint
from recruit_assets.column_policy import policy_problems
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.environment import PREFIX, account_problems
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS, MORE_ENDPOINTS
from recruit_assets.setting_fields import SettingFields, about_field
from recruit_assets.variables import Wrong, clashes, parsed, variables


class Settings(SettingFields):
    """Hold the settings of one account; values that are wrong in the environment are `problems`."""

    _wrong: list[str] = PrivateAttr([])
    _wrong_policy: list[str] = PrivateAttr([])
    _names: dict[str, str] = PrivateAttr({})

    @classmethod
    def from_environment(cls, account: str = "") -> Self:
        """Return the settings of an account in the environment variables; see `variables`.

        A wrong value is replaced by the default and named in `problems`, so that a code location
        always loads.
        """
        given: dict[str, Any] = {}
        wrong, wrong_policy, names = account_problems(), list[str](), {}
        for each in variables(account):
            names[each.field] = each.name
            if each.secret:
                given[each.field] = each.name
                continue
            value = parsed(each, each.text or each.default)
            if isinstance(value, Wrong):
                (wrong_policy if each.field == "column_policy" else wrong).append(value.sentence)
            else:
                given[each.field] = value
        if problems := list(clashes(account)):
            given["read_copy"] = ""
        settings = cls(**given)
        settings._wrong, settings._wrong_policy = wrong + problems, wrong_policy
        settings._names = names
        return settings

    @property
    def names(self) -> dict[str, str]:
        """Return the name that messages give to each setting, by the variable without account.

        It is a variable if the setting or the secret is in one, and the field otherwise.
        """
        return {
            PREFIX + about["variable"]: self._names.get(field)
            or (getattr(self, field) if about.get("secret") else field)
            for field, about in ((field, about_field(field)) for field in type(self).model_fields)
        }

    @property
    def key(self) -> str:
        """Return the API key from the environment; empty if it is not set."""
        return os.environ.get(self.key_variable, "")

    @property
    def failure_webhook(self) -> str:
        """Return the address for failures from the environment; empty if it is not set."""
        return os.environ.get(self.failure_webhook_variable, "").strip()

    @property
    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints to sync: those that always are, and those that the account names."""
        named = [each for each in MORE_ENDPOINTS if each.name in self.more_endpoints]
        return [*ENDPOINTS, *named]

    @property
    def unnamed(self) -> list[Endpoint]:
        """Return the endpoints that the account could name and does not."""
        return [each for each in MORE_ENDPOINTS if each.name not in self.more_endpoints]

    @property
    def time_zone_problems(self) -> list[str]:
        """Return a sentence if the time zone of the environment could not be used."""
        name = self._names.get("time_zone")
        return [each for each in self._wrong if name and each.startswith(f"{name} is ")]

    def policy_problems(self, own: Iterable[Endpoint] = ()) -> list[str]:
        """Return one sentence for each problem of the column policy.

        Args:
            own: endpoints beside those of the catalogue.
        """
        return self._wrong_policy or policy_problems(self.column_policy, [*KNOWN_ENDPOINTS, *own])

    @property
    def problems(self) -> list[str]:
        """Return one sentence for each other value of the environment that could not be used."""
        found = [*self._wrong]
        if not self.key.strip():
            found.append(
                f"{self.key_variable} is empty: export it or set it in .env (which takes "
                "precedence, even with an empty value)."
            )
        return found
