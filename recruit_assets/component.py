"""The component: the definitions of one account from a `defs.yaml` of a `dg` project."""

from collections.abc import Mapping
from typing import Annotated, Any

import dagster as dg
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import Field, WithJsonSchema

from recruit_assets.build import build_defs
from recruit_assets.settings import Settings

RESOLVER = TranslationFnResolver[str](template_vars_for_translation_fn=lambda name: {"name": name})
# Any object is accepted here: an error of `_settings` has a sentence for each mistake, and shows no
# value, which may be a key. Those of Dagster repeat all values.
_ABOUT = {
    "type": "object",
    "properties": {
        name: {"description": field.description} for name, field in Settings.model_fields.items()
    },
}


def _settings(context: dg.ResolutionContext, given: Any) -> Settings | None:
    """Return settings with templates such as `{{ env.ACME_URL }}` resolved."""
    values = context.resolve_value(given)
    return None if values is None else Settings.of(values)


class RecruitComponent(dg.Component, dg.Model, dg.Resolvable):
    """Sync one account of Teamtailor, or of an API of its shape, into a DuckDB file."""

    key_prefix: str | list[str] = Field(
        default="",
        description="First parts of the account's asset keys; all its other names begin with it",
    )
    settings: Annotated[
        Settings | None,
        dg.Resolver(
            _settings, model_field_type=Annotated[Mapping[str, Any], WithJsonSchema(_ABOUT)] | None
        ),
    ] = Field(
        default=None, description="The settings; those in the environment (RECRUIT_*) by default"
    )
    endpoints: list[str] | None = Field(
        default=None,
        description="The endpoints to sync; by default those that always are, and more_endpoints "
        "of the settings",
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
