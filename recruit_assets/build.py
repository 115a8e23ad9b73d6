"""The definitions of one account: the one place where assets, jobs and resources are put together.

No connection is opened, and no request sent, before a run starts.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import dagster as dg

from recruit_assets.account import Account
from recruit_assets.assets import build_asset, endpoint_spec
from recruit_assets.catalogue import Endpoint
from recruit_assets.column_policy import under_policy
from recruit_assets.errors import BadSetting
from recruit_assets.io_manager import DuckDBMergeIOManager
from recruit_assets.load.destination import shared_catalogue
from recruit_assets.mart_assets import build_mart_assets, mart_specs
from recruit_assets.marts.build import published_columns
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS
from recruit_assets.person_jobs import PERSON_OPS, build_person_jobs
from recruit_assets.resources import RecruitApi, RecruitDatabase
from recruit_assets.schedules import (
    COMPACT_DATABASE,
    Content,
    build_compaction,
    build_marts_job,
    build_schedules,
    build_syncs,
)
from recruit_assets.sensors import Steps, build_marts_sensor, build_notifications
from recruit_assets.settings import Settings
from recruit_assets.variables import NO_COPY, is_copy_of_a_lake, is_same_file

Translation = Callable[[dg.AssetSpec], dg.AssetSpec]


def build_defs(
    settings: Settings | None = None,
    *,
    endpoints: Iterable[str | Endpoint] | None = None,
    key_prefix: str | Sequence[str] = (),
    marts: bool = True,
    schedules: bool = True,
    sensors: bool = True,
    translation: Translation | None = None,
    resources: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """Build the definitions of one account, to be merged with others.

    One account is one API key, one DuckDB file, and one key prefix. Call this once per account.

    Args:
        settings: the settings of the account; those in the environment by default.
        endpoints: the endpoints to sync, by name or as entries of your own; by default those of the
            catalogue that are always synced, and those that the settings name.
        key_prefix: the first parts of the account's asset keys, as a list or separated by `/`.
            Groups, ops, jobs, schedules, sensors and resources begin with it as well.
        marts: whether to build the marts whose endpoints are all synced, and the report if that
            is true of all marts.
        schedules: whether to add the schedules `hourly` and `nightly`.
        sensors: whether to add the sensors for failed runs.
        translation: changes the spec of each asset: its group, owners, tags, automation condition,
            freshness policy, or key.
        resources: replaces resources, by `api`, `database` and `io_manager`.

    Raises:
        BadSetting: an argument has the wrong type, no endpoint is chosen, one is unknown, two have
            one name, or two assets one key, or the read copy is the database or one of a lake.
    """
    _check_types(
        settings=(settings, Settings | None),
        translation=(translation, Callable | None),
        marts=(marts, bool),
        schedules=(schedules, bool),
        sensors=(sensors, bool),
        resources=(resources, Mapping | None),
    )
    settings = settings or Settings.from_environment()
    if is_same_file(settings.read_copy, settings.database):
        raise BadSetting("The read copy is the database itself: set read_copy to another file.")
    if is_copy_of_a_lake(settings.read_copy, settings.database):
        raise BadSetting(f"read_copy: {NO_COPY}")
    account = Account.of(key_prefix)
    chosen = settings.endpoints if endpoints is None else _chosen(endpoints)
    wrong = settings.policy_problems(chosen)
    chosen = [under_policy(each, {} if wrong else settings.column_policy) for each in chosen]
    untranslated = {each.name: endpoint_spec(each, account, settings.owners) for each in chosen}
    specs = _translated(translation, untranslated)
    in_parquet = bool(settings.parquet_folder)
    of_marts = mart_specs(account, specs, parquet=in_parquet) if marts else {}
    others = _translated(translation, of_marts)
    all_specs = [*specs.values(), *others.values()]
    _refuse_repeated("assets", [spec.key.to_user_string() for spec in all_specs])
    tables = {name: spec.key for name, spec in specs.items()}
    copied = bool(settings.read_copy)
    by_key = {tables[each.name]: each for each in chosen}
    assets = [
        build_asset(each, account, specs[each.name], wrong, read_copy=copied, others=by_key)
        for each in chosen
    ]
    assets += build_mart_assets(account, others, tables)
    content = Content(chosen, tables, [spec.key for spec in others.values()])
    syncs = build_syncs(account, content)
    mart_jobs = [build_marts_job(account, content)] if others else []
    compaction = build_compaction(account)
    known = {each.name: each for each in (*KNOWN_ENDPOINTS, *chosen)}
    person_jobs = build_person_jobs(account, list(known.values()))
    own_ops = map(account.op, (COMPACT_DATABASE, *PERSON_OPS))
    ops = [*(asset.op.name for asset in assets), *own_ops]
    return dg.Definitions(
        assets=assets,
        jobs=[*syncs, *mart_jobs, compaction, *person_jobs],
        schedules=build_schedules(account) if schedules else [],
        sensors=[
            *build_notifications(account, settings, Steps(frozenset(ops))),
            *(build_marts_sensor(account, syncs, job) for job in mart_jobs),
        ]
        if sensors
        else [],
        resources=_resources(account, settings, wrong, published_columns(chosen), resources or {}),
    )


def _check_types(**given: tuple[object, Any]) -> None:
    """Refuse an argument of another type than its own.

    Raises:
        BadSetting: the message names the argument and both types, never the value.
    """
    for name, (value, kind) in given.items():
        if not isinstance(value, kind):
            wanted = getattr(kind, "__name__", str(kind)).removeprefix("collections.abc.")
            raise BadSetting(
                f"build_defs: {name} is of type {type(value).__name__}: it must be {wanted}."
            )


def _translated(
    translation: Translation | None, specs: Mapping[str, dg.AssetSpec]
) -> Mapping[str, dg.AssetSpec]:
    if translation is None:
        return specs
    changed = {name: translation(spec) for name, spec in specs.items()}
    for spec in changed.values():
        _check_types(**{"the result of translation": (spec, dg.AssetSpec)})
    return changed


def _resources(
    account: Account,
    settings: Settings,
    wrong: Sequence[str],
    published: dict[str, list[str]],
    others: Mapping[str, Any],
) -> dict[str, Any]:
    database = others.get("database") or RecruitDatabase(
        database=settings.database,
        account=account.name,
        setting_names=settings.names,
        time_zone=settings.time_zone,
        time_zone_problems=settings.time_zone_problems,
        private_fields=settings.private_fields,
        report_names=settings.report_names,
        parquet_folder=settings.parquet_folder,
        read_copy=settings.read_copy,
        read_copy_personal=settings.read_copy_personal,
        read_copy_columns=published if settings.read_copy else {},
    )
    found = {
        "api": others.get("api") or _api(settings, wrong),
        "database": database,
        "io_manager": others.get("io_manager")
        or DuckDBMergeIOManager(database=database, deleted_rows=settings.deleted_rows),
    }
    if unknown := sorted(others.keys() - found.keys()):
        raise BadSetting(f"There is no resource {unknown[0]}: name {', '.join(found)}.")
    keys = {"api": account.api, "database": account.database, "io_manager": account.io_manager}
    return {keys[name]: resource for name, resource in found.items()}


def _api(settings: Settings, wrong: Sequence[str]) -> RecruitApi:
    # Dagster reads the key when a run starts, so that it is in no snapshot of the definitions. It
    # would report a missing variable in a hundred lines: `problems` does it in one.
    return RecruitApi(
        base_url=settings.base_url,
        key=dg.EnvVar(settings.key_variable) if settings.key else "",
        version=settings.version,
        auth_header=settings.auth_header,
        auth_prefix=settings.auth_prefix,
        requests_per_10s=settings.requests_per_10s,
        concurrency=settings.concurrency,
        shared_budget=shared_catalogue(settings.database),
        rolling=settings.rolling,
        problems=[*settings.problems, *wrong],
        names=settings.names,
    )


def _chosen(endpoints: Iterable[str | Endpoint]) -> list[Endpoint]:
    """Return endpoints by their names.

    Raises:
        BadSetting: there is none, one is unknown, or there are two of one name.
    """
    known = {each.name: each for each in KNOWN_ENDPOINTS}
    endpoints = [endpoints] if isinstance(endpoints, str) else endpoints
    _check_types(endpoints=(endpoints, Iterable))
    chosen = []
    for each in endpoints:
        _check_types(**{"an endpoint": (each, str | Endpoint)})
        if isinstance(each, str) and each not in known:
            near = next(iter(get_close_matches(each, known, 1)), "")
            advice = f"do you mean {near}?" if near else f"name some of {', '.join(known)}."
            raise BadSetting(f"There is no endpoint {each!r}: {advice}")
        chosen.append(known[each] if isinstance(each, str) else each)
    if not chosen:
        raise BadSetting("No endpoint is chosen: name some, or leave endpoints out for all.")
    _refuse_repeated("endpoints", [each.name for each in chosen])
    return chosen


def _refuse_repeated(what: str, names: Collection[str]) -> None:
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    if repeated:
        raise BadSetting(f"Two {what} have the name {repeated[0]}: give each its own.")
