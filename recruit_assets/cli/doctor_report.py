"""The findings of the doctor, for a terminal and as JSON."""

from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from recruit_assets.cli.display import (
    NONE,
    UNKNOWN,
    heading,
    iso,
    notes,
    number,
    paragraph,
    policy_line,
    since,
    table,
)
from recruit_assets.cli.doctor import Diagnosis, Readiness
from recruit_assets.cli.status_report import read_copy_as_json, show_left_over, show_read_copy
from recruit_assets.extract.forecast import Estimate
from recruit_assets.extract.probe import Probe, ProbeState
from recruit_assets.extract.rate_limit import WINDOW_SECONDS
from recruit_assets.extract.report import duration
from recruit_assets.load.destination import destination
from recruit_assets.load.overview import TableStatus
from recruit_assets.text import one_line

RESULTS = {
    Readiness.GOOD: "All is well: a sync would bring everything.",
    Readiness.RESTRICTED: "A sync would work, with the restrictions above.",
    Readiness.FAILING: (
        "A sync would fail: fix the problem above and run `recruit-assets doctor` again."
    ),
}
ACCEPTED = "All is well: a sync would bring everything but the endpoints that are unavailable."
MEANINGS = (
    "changes: whether the API can list changed records only; - where records have no update time.\n"
    "complete: time since the last complete sync started.\n"
)


def show_diagnosis(screen: Console, found: Diagnosis) -> None:
    """Print the findings of the doctor."""
    heading(screen, "Settings")
    paragraph(screen, one_line(_places(found)))
    grid = table("setting", "value", "from")
    for each in found.settings:
        grid.add_row(each.name, one_line(each.value), each.origin)
    screen.print(grid)
    paragraph(screen, policy_line(found.limited))
    notes(screen, found.setting_problems)
    notes(screen, [_unknown(*each) for each in found.unknown.items()])
    if not found.setting_problems:
        heading(screen, "API")
        paragraph(
            screen, found.api_problem or "It can be reached, and accepts the key and the version."
        )
    if found.probes:
        _show_probes(screen, found)
        heading(screen, "Syncs")
        _show_forecast(screen, found)
    heading(screen, "Database")
    paragraph(screen, found.database_problem or _database(found))
    show_left_over(screen, found.left_over)
    show_read_copy(screen, found.read_copy)
    notes(screen, [found.parquet_problem] if found.parquet_problem else [])
    screen.print(f"\n{_result(found)}", style="bold")


def diagnosis_as_json(found: Diagnosis) -> dict[str, Any]:
    """Return the findings of the doctor for machines; times in ISO 8601."""
    tables = {each.table: each for each in found.tables}
    return {
        "readiness": found.readiness.name.lower(),
        "folder": str(found.folder),
        "env_file": found.has_env_file,
        "settings": {
            each.name: {"value": each.value, "from": each.origin} for each in found.settings
        },
        "unknown_settings": {name: near or None for name, near in found.unknown.items()},
        "setting_problems": found.setting_problems,
        "column_policy": found.limited,
        "api_problem": found.api_problem or None,
        "endpoints": [
            {
                **_probe_as_json(each, tables),
                "hourly": _requests_as_json(found.forecast.hourly_of(each)),
                "nightly": _requests_as_json(found.forecast.nightly_of(each)),
            }
            for each in found.probes
        ],
        "full_sync": _forecast_as_json(found, found.forecast.full),
        "hourly_sync": _forecast_as_json(found, found.forecast.hourly),
        "nightly_sync": _forecast_as_json(found, found.forecast.nightly),
        "database": {
            "path": found.database,
            "exists": found.database_made,
            "problem": found.database_problem or None,
        },
        **read_copy_as_json(found.read_copy),
        "parquet_problem": found.parquet_problem or None,
    }


def _places(found: Diagnosis) -> str:
    if found.has_env_file:
        return f"From .env in {found.folder}, and from the environment."
    return f"From the environment. There is no .env in {found.folder}."


def _unknown(name: str, nearest: str) -> str:
    advice = f"did you mean {nearest}?" if nearest else "docs/settings.md lists them."
    return one_line(f"{name} is not a setting of recruit-assets: {advice}")


def _result(found: Diagnosis) -> str:
    if found.readiness is Readiness.GOOD and found.unavailable:
        return ACCEPTED
    return RESULTS[found.readiness]


def _show_probes(screen: Console, found: Diagnosis) -> None:
    complete = {each.table: each.complete_at for each in found.tables}
    now = datetime.now(UTC)
    grid = table("endpoint", "state", ">records", ">pages", ">requests", "changes", ">complete")
    for each in found.probes:
        grid.add_row(
            each.endpoint.name,
            each.state.value,
            *(number(count) for count in (each.records, each.pages)),
            f"{'at least ' if each.at_least else ''}{number(each.requests)}",
            _takes_filter(each),
            since(complete.get(each.endpoint.name), now),
            style=None if each.state is ProbeState.READABLE and not each.refused else "yellow",
        )
    screen.print(grid)
    paragraph(screen, MEANINGS)
    notes(screen, [str(each.error) for each in found.probes if each.error])
    notes(
        screen,
        [
            one_line(f"{each.endpoint.name} refuses {text}.")
            for each in found.probes
            for text in each.refused
        ],
    )


def _takes_filter(found: Probe) -> str:
    if not found.endpoint.dated:
        return NONE
    return {True: "yes", False: "no", None: UNKNOWN}[found.takes_filter]


def _show_forecast(screen: Console, found: Diagnosis) -> None:
    forecast = found.forecast
    full, hourly, nightly = forecast.full, forecast.hourly, forecast.nightly
    if full is None or hourly is None or nightly is None:
        paragraph(
            screen,
            "The number of requests is unknown, because an endpoint fails, refuses too much, or "
            "does not count its records.",
        )
        return
    grid = table("sync", ">requests", ">time")
    for name, estimate in (("first", full), ("hourly", hourly), ("nightly", nightly)):
        seconds = _seconds(found, estimate)
        least = "" if estimate.exact else "at least "
        time = UNKNOWN if seconds is None else f"{least}{duration(seconds)}"
        grid.add_row(name, f"{least}{estimate.requests:,}", time)
    screen.print(grid)
    paragraph(screen, _explanation(found))


def _explanation(found: Diagnosis) -> str:
    """Return what the numbers of the forecast hold for."""
    limit, forecast = found.requests_per_10s, found.forecast
    lines = [
        f"time: at the rate limit of {limit} requests in 10 seconds."
        if limit
        else "time: depends on the API, as no rate limit is set.",
        "hourly and nightly: if nothing has changed.",
    ]
    filtered = [each.endpoint for each in found.probes if each.at_least]
    unknown = [
        each.endpoint.name
        for each in found.probes
        if not (each.at_least or _is_exact(forecast.hourly_of(each)) or forecast.reads_part(each))
    ]
    parts = [
        each.endpoint.name
        for each in found.probes
        if not (each.at_least or _is_exact(forecast.nightly_of(each)))
        and each.endpoint.name not in unknown
    ]
    lines += [f"at least: {each.name}: one list for each {each.parent}." for each in filtered]
    if unknown:
        lines.append(
            f"at least: two requests do not show how the API lists changes of {', '.join(unknown)}."
        )
    if parts:
        lines.append(f"at least: a part of {', '.join(parts)} may take one page more.")
    return "\n".join(lines)


def _is_exact(estimate: Estimate | None) -> bool:
    return estimate is None or estimate.exact


def _requests_as_json(estimate: Estimate | None) -> dict[str, Any]:
    return {
        "requests": estimate.requests if estimate else None,
        "at_least": not estimate.exact if estimate else None,
    }


def _forecast_as_json(found: Diagnosis, estimate: Estimate | None) -> dict[str, Any]:
    seconds = _seconds(found, estimate) if estimate else None
    return {**_requests_as_json(estimate), "seconds_at_the_budget": seconds}


def _seconds(found: Diagnosis, estimate: Estimate) -> float | None:
    """Return the seconds of a sync at the rate limit; None if it is unset."""
    limit = found.requests_per_10s
    return estimate.requests / limit * WINDOW_SECONDS if limit else None


def _database(found: Diagnosis) -> str:
    path = one_line(found.database)
    if not found.database_made:
        return f"{path} does not exist yet. The first sync creates it."
    room = "Replaced rows take more space than current ones: run the job compact."
    free = "" if destination(found.database).stays else ", and no other process has it open"
    return f"{path} can be written{free}." + (f"\n{room}" if found.is_bloated else "")


def _probe_as_json(found: Probe, tables: dict[str, TableStatus]) -> dict[str, Any]:
    known = tables.get(found.endpoint.name)
    return {
        "endpoint": found.endpoint.name,
        "state": found.state.value,
        "reason": str(found.error) if found.error else None,
        "records": found.records,
        "pages": found.pages,
        "requests": found.requests,
        "requests_at_least": found.at_least,
        "refused": found.refused,
        "takes_updated_at_filter": found.takes_filter,
        "last_complete": iso(known.complete_at) if known else None,
    }
