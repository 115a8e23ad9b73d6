"""The direction of the arrows: what may import what, and which files know Dagster."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "recruit_assets"
WORDS = {"recruit_assets.catalogue", "recruit_assets.errors", "recruit_assets.text"}
SYNC = {*WORDS, "recruit_assets.extract", "recruit_assets.load", "recruit_assets.options"}
OWN = {  # what a place may import of this package
    "extract": {
        *WORDS,
        "recruit_assets.extract",
        "recruit_assets.api_identity",
        "recruit_assets.interrupts",
        "recruit_assets.more_endpoints",
        "recruit_assets.private_folder",
    },
    "load": {
        *WORDS,
        "recruit_assets.api_identity",
        "recruit_assets.load",
        "recruit_assets.private_folder",
    },
    "marts": {
        *WORDS,
        "recruit_assets.endpoints",
        "recruit_assets.load",
        "recruit_assets.marts",
        "recruit_assets.more_endpoints",
    },
    "sandbox": {"recruit_assets.sandbox"},
    "sync.py": {
        *SYNC,
        "recruit_assets.gone",
        "recruit_assets.new_key",
        "recruit_assets.parts",
        "recruit_assets.reading",
        "recruit_assets.result",
        "recruit_assets.store",
    },
    "parts.py": {
        *SYNC,
        "recruit_assets.gone",
        "recruit_assets.reading",
        "recruit_assets.result",
        "recruit_assets.store",
    },
    "gone.py": {*SYNC, "recruit_assets.reading"},
    "new_key.py": {*SYNC, "recruit_assets.reading"},
    "result.py": {*SYNC, "recruit_assets.reading"},
    "conclusion.py": {*SYNC, "recruit_assets.reading", "recruit_assets.result"},
    "store.py": {
        *SYNC,
        "recruit_assets.conclusion",
        "recruit_assets.person",
        "recruit_assets.reading",
        "recruit_assets.result",
    },
    "reading.py": {*SYNC, "recruit_assets.planning"},
    "planning.py": SYNC,
    "read_ahead.py": {*SYNC, "recruit_assets.reading"},
    "options.py": {"recruit_assets.catalogue", "recruit_assets.load"},
    "person.py": {
        *WORDS,
        "recruit_assets.load",
        "recruit_assets.more_endpoints",
        "recruit_assets.reading",
    },
    "endpoints.py": {"recruit_assets.catalogue"},
    "more_endpoints.py": {"recruit_assets.catalogue", "recruit_assets.endpoints"},
    "settings.py": {
        *WORDS,
        "recruit_assets.column_policy",
        "recruit_assets.endpoints",
        "recruit_assets.environment",
        "recruit_assets.more_endpoints",
        "recruit_assets.setting_fields",
        "recruit_assets.variables",
    },
    "variables.py": {
        *WORDS,
        "recruit_assets.column_policy",
        "recruit_assets.environment",
        "recruit_assets.setting_fields",
    },
    "setting_fields.py": {
        *WORDS,
        "recruit_assets.environment",
        "recruit_assets.more_endpoints",
    },
    "column_policy.py": WORDS,
    "environment.py": WORDS,
    "catalogue.py": set(),
    "api_identity.py": set(),
    "errors.py": {"recruit_assets.text"},
    "interrupts.py": set(),
    "private_folder.py": {"recruit_assets.errors"},
    "text.py": set(),
}
FOREIGN = {  # what it may not import of others
    "extract": {"dagster", "duckdb"},
    "load": {"dagster", "requests"},
    "marts": {"dagster", "requests"},
    "sandbox": {"dagster", "duckdb"},
    "sync.py": {"dagster", "requests"},
    "gone.py": {"dagster", "requests"},
    "new_key.py": {"dagster", "requests"},
    "parts.py": {"dagster", "requests"},
    "result.py": {"dagster", "requests"},
    "conclusion.py": {"dagster", "requests"},
    "store.py": {"dagster", "requests"},
    "reading.py": {"dagster", "requests"},
    "planning.py": {"dagster", "requests"},
    "read_ahead.py": {"dagster", "duckdb", "requests"},
    "options.py": {"dagster", "requests"},
    "person.py": {"dagster", "requests"},
    "endpoints.py": {"dagster", "duckdb", "requests"},
    "more_endpoints.py": {"dagster", "duckdb", "requests"},
    "column_policy.py": {"dagster", "duckdb", "requests"},
    "environment.py": {"dagster", "duckdb", "requests"},
    "settings.py": {"dagster", "duckdb", "requests"},
    "variables.py": {"dagster", "duckdb", "requests"},
    "setting_fields.py": {"dagster", "duckdb", "requests"},
    "catalogue.py": {"dagster", "duckdb", "requests"},
    "errors.py": {"dagster", "duckdb", "requests"},
    "api_identity.py": {"dagster", "duckdb", "requests"},
    "interrupts.py": {"dagster", "duckdb", "requests"},
    "private_folder.py": {"dagster", "duckdb", "requests"},
    "text.py": {"dagster", "duckdb", "requests"},
}


DAGSTER = {  # the files named after its concepts, the names of all of them, and the command sync
    "account.py",
    "assets.py",
    "build.py",
    "checks.py",
    "cli/sync.py",
    "component.py",
    "dagster_event_log.py",
    "dagster_failure.py",
    "definitions.py",
    "file_assets.py",
    "io_manager.py",
    "mart_assets.py",
    "metadata.py",
    "person_jobs.py",
    "resources.py",
    "run_progress.py",
    "schedules.py",
    "sensors.py",
}


def imported(file: Path) -> list[str]:
    """Return the modules that a file imports, wherever in it."""
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return names


def within(name: str, packages: set[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("place", OWN)
def test_what_may_import_what(place: str) -> None:
    files = sorted((PACKAGE / place).rglob("*.py")) or [PACKAGE / place]
    for file in files:
        for name in imported(file):
            ours = within(name, {"recruit_assets"})
            allowed = within(name, OWN[place]) if ours else not within(name, FOREIGN[place])
            assert allowed, f"{file.name} imports {name}"


def test_dagster_is_in_the_files_named_after_its_concepts() -> None:
    known = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if any(within(name, {"dagster", "dagster_duckdb"}) for name in imported(file))
    }
    assert known == DAGSTER
