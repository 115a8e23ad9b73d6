"""The endpoint assets: one per entry of `endpoints`, all built by the same function."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
from pydantic import Field

from recruit_assets import settings
from recruit_assets.catalogue import Endpoint
from recruit_assets.checks import build_checks, run_checks
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.io_manager import Delivery
from recruit_assets.metadata import definition
from recruit_assets.options import Mode, Options
from recruit_assets.resources import RecruitApi, RecruitDatabase

# Warn after two missed runs of the schedule `hourly`, fail after a missed `nightly` as well.
FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=3), fail_window=timedelta(hours=26)
)


class SyncConfig(dg.Config):
    """Configure one run, in the launchpad or a job."""

    mode: Mode = Field(
        default=Mode.auto,
        description=(
            "full: read the whole list. incremental: read what has changed since the last good "
            "sync, where the API can be asked for that. auto: incremental, but full when the last "
            "complete reading is older than full_after_hours."
        ),
    )
    full_after_hours: float = Field(
        default=Options.full_after_hours,
        description="How old the last complete reading may be, in hours, before auto reads all.",
    )
    allow_mass_delete: bool = Field(
        default=False,
        description=(
            "Believe the API when it shows much less than before: more than a fifth of the rows "
            "(and more than five) gone, or a column that was always filled now empty."
        ),
    )
    dry_run: bool = Field(
        default=False,
        description="Read and compare only: report what would be written and deleted.",
    )
    refresh_volatile: bool = Field(
        default=False,
        description=(
            "Also store the new values of attributes that change by themselves (counters, signed "
            "links) for records that are otherwise unchanged."
        ),
    )
    outage_minutes: float = Field(
        default=0,
        ge=0,
        description=(
            "How many minutes to wait for an API that is down, beyond the usual retries. All "
            "endpoints of a run share it; a run that is terminated stops waiting."
        ),
    )

    def options(self) -> Options:
        """Return the options of the sync itself."""
        return Options(
            mode=self.mode,
            full_after_hours=self.full_after_hours,
            allow_mass_delete=self.allow_mass_delete,
            dry_run=self.dry_run,
            refresh_volatile=self.refresh_volatile,
        )


def build_asset(endpoint: Endpoint) -> dg.AssetsDefinition:
    """Build the asset of an endpoint, with the endpoint's name as key and table, and its checks.

    The asset and its checks are one step; the checks can also run alone.
    """
    personal = any(column.personal for column in endpoint.columns())

    @dg.multi_asset(
        name=endpoint.name,
        group_name=endpoint.group,
        can_subset=True,
        outs={
            endpoint.name: dg.AssetOut(
                description=endpoint.description,
                io_manager_key="duckdb_merge",
                dagster_type=Delivery,
                kinds={"duckdb"},
                tags={"personal_data": ""} if personal else None,
                owners=settings.owners(),
                metadata=definition(endpoint),
                freshness_policy=FRESHNESS,
                is_required=False,
            )
        },
        check_specs=build_checks(endpoint),
    )
    def read(
        context: dg.AssetExecutionContext,
        config: SyncConfig,
        api: RecruitApi,
        duckdb: RecruitDatabase,
    ) -> Iterator[dg.Output[Delivery] | dg.AssetCheckResult]:
        if context.selected_asset_keys:
            source = api.source(endpoint, context.log, config.outage_minutes)
            # The IO manager merges before this generator resumes.
            yield dg.Output(Delivery(source, config.options()), endpoint.name)
        chosen = {key.name for key in context.selected_asset_check_keys}
        if chosen and not config.dry_run:
            yield from run_checks(endpoint, duckdb, chosen)

    return read


ASSETS = [build_asset(endpoint) for endpoint in ENDPOINTS]
