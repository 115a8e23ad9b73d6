"""The endpoint assets: one per entry of `endpoints`, all built by the same function.

The asset reads: it returns a `Reading`, which the IO manager iterates and merges. The checks of the
table are in the same step, and can also run alone.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from types import MappingProxyType

import dagster as dg
from pydantic import Field, ValidationError

from recruit_assets.account import Account
from recruit_assets.catalogue import Endpoint
from recruit_assets.checks import build_checks, run_checks
from recruit_assets.metadata import definition
from recruit_assets.options import Mode, Options
from recruit_assets.read_ahead import Plan, ReadAhead
from recruit_assets.reading import Reading
from recruit_assets.resources import RecruitApi, RecruitDatabase
from recruit_assets.text import one_line

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
            "complete reading is older than full_after_hours. audit: full, but of a long list only "
            "what has changed and a part of the others. Of a long list, auto does the same when "
            "the last part was read so long ago."
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
        return Options(**self.model_dump())


def endpoint_spec(
    endpoint: Endpoint, account: Account, owners: Collection[str] = ()
) -> dg.AssetSpec:
    """Return the spec of an endpoint's asset."""
    personal = any(column.personal for column in endpoint.columns())
    return dg.AssetSpec(
        account.key(endpoint.name),
        group_name=account.named(endpoint.group),
        description=endpoint.description,
        kinds={"duckdb"},
        tags={"personal_data": ""} if personal else {},
        owners=list(owners),
        metadata=definition(endpoint),
        freshness_policy=FRESHNESS,
    )


def build_asset(
    endpoint: Endpoint,
    account: Account | None = None,
    spec: dg.AssetSpec | None = None,
    problems: Collection[str] = (),
    *,
    read_copy: bool = False,
    others: Mapping[dg.AssetKey, Endpoint] = MappingProxyType({}),
) -> dg.AssetsDefinition:
    """Build the asset of an endpoint, and its checks.

    Args:
        endpoint: the endpoint, whose name is the name of the table.
        account: the account, which names op and resources.
        spec: the spec of the asset; that of `endpoint_spec` by default.
        problems: what is wrong with the column policy; then nothing is read.
        read_copy: whether the account publishes a read copy, which has a check.
        others: the endpoints of the account, which may be read ahead while this one is merged.
    """
    account = account or Account()
    spec = spec or endpoint_spec(endpoint, account)

    @dg.multi_asset(
        name=account.op(endpoint.name),
        can_subset=True,
        outs={
            endpoint.name: dg.AssetOut.from_spec(
                spec,
                io_manager_key=account.io_manager,
                dagster_type=Reading,
                is_required=False,
            )
        },
        check_specs=build_checks(endpoint, spec.key, read_copy=read_copy),
        required_resource_keys={account.api, account.database},
    )
    def read(
        context: dg.AssetExecutionContext, config: SyncConfig
    ) -> Iterator[dg.Output[Reading] | dg.AssetCheckResult]:
        api: RecruitApi = getattr(context.resources, account.api)
        database: RecruitDatabase = getattr(context.resources, account.database)
        if context.selected_asset_keys:
            if problems:  # whatever API the run has, a column may be one to drop
                raise dg.Failure(" ".join(problems), allow_retries=False)
            ahead = api.ahead if isinstance(api, RecruitApi) else None
            known = ahead.state(endpoint.name) if ahead else None
            state = database.state(endpoint, dry_run=config.dry_run, known=known)
            if state.note:
                context.log.warning(one_line(state.note))
            reading = api.read(endpoint, state, config.options(), context.log)
            if ahead and others and not ahead.is_planned:
                _plan(ahead, database, list(_later(context, account, others)))
            # The IO manager reads and merges before this generator resumes.
            yield dg.Output(reading, endpoint.name)
        chosen = {key.name for key in context.selected_asset_check_keys}
        if chosen and not config.dry_run:
            yield from run_checks(endpoint, database, spec.key, chosen)

    return read


def _later(
    context: dg.AssetExecutionContext, account: Account, endpoints: Mapping[dg.AssetKey, Endpoint]
) -> Iterator[tuple[Endpoint, Options]]:
    """Yield the endpoints that later steps of this process read, in order, with their options.

    An executor that runs each step in a process of its own has no later steps here.
    """
    step = context.get_step_execution_context()
    selected = step.job_def.asset_layer.selected_asset_keys
    by_op = {account.op(each.name): each for key, each in endpoints.items() if key in selected}
    steps = [each.key for each in step.execution_plan.get_steps_to_execute_in_topo_order()]
    for name in steps[steps.index(step.step.key) + 1 :]:
        if name in by_op:
            config = step.resolved_run_config.ops[name].config
            with suppress(ValidationError):  # its own step says what is wrong
                yield by_op[name], SyncConfig(**config).options()


def _plan(
    ahead: ReadAhead, database: RecruitDatabase, later: Sequence[tuple[Endpoint, Options]]
) -> None:
    """Plan the readings of later steps; if the database cannot be read, those steps will say so.

    Where the column policy must be applied first, that is up to the step.
    """
    plans = []
    with suppress(dg.Failure):
        states = database.states([endpoint for endpoint, _ in later]) if later else {}
        for endpoint, options in later:
            state = states.get(endpoint.name)
            if state and (not endpoint.policy or (state.columns and not state.void)):
                plans.append(Plan(endpoint, state, options))
    ahead.plan(plans)
