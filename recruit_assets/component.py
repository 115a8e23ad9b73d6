"""The component: the definitions of one account from a `defs.yaml` of a `dg` project."""

from typing import Annotated

import dagster as dg
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import Field

from recruit_assets.build import build_defs
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.settings import Settings

RESOLVER = TranslationFnResolver[str](template_vars_for_translation_fn=lambda name: {"name": name})


class AccountSettings(Settings, dg.Resolvable):
    """Hold the settings of one account, with templates such as `{{ env.ACME_URL }}` resolved."""


class RecruitComponent(dg.Component, dg.Model, dg.Resolvable):
    """Sync one account of Teamtailor, or of an API of its shape, into a DuckDB file."""

    key_prefix: str | list[str] = Field(
        default="",
        description="First parts of the account's asset keys; all its other names begin with it",
    )
    settings: AccountSettings | None = Field(
        default=None, description="The settings; those in the environment (RECRUIT_*) by default"
    )
    endpoints: list[str] = Field(
        default=[each.name for each in ENDPOINTS], description="The endpoints to sync"
    )
    marts: bool = Field(
        default=True, description="Whether to build the marts whose endpoints are synced"
    )
    schedules: bool = Field(default=True, description="Whether to add the schedules")
    sensors: bool = Field(default=True, description="Whether to add the sensors for failed runs")
    translation: Annotated[TranslationFn[str], RESOLVER] | None = Field(
        default=None,
        description="Attributes of each asset, such as group_name, owners, tags; {{ name }} is "
        "the name of the table or mart, {{ spec }} the spec",
    )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the definitions of the account."""
        translate = self.translation
        return build_defs(
            self.settings,
            endpoints=self.endpoints,
            key_prefix=self.key_prefix,
            marts=self.marts,
            schedules=self.schedules,
            sensors=self.sensors,
            translation=translate and (lambda spec: translate(spec, spec.key.path[-1])),
        )
