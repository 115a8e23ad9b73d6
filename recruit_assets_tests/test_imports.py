"""The direction of the arrows: who may know whom."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "recruit_assets"
FORBIDDEN = {
    "extract": {"dagster", "duckdb", "pyarrow", "recruit_assets.load", "recruit_assets.sandbox"},
    "load": {"dagster", "requests", "recruit_assets.extract", "recruit_assets.sandbox"},
    "sandbox": {"dagster", "duckdb", "recruit_assets.extract", "recruit_assets.load"},
    "catalogue.py": {"dagster", "duckdb", "requests", "recruit_assets"},
    "endpoints.py": {"dagster", "duckdb", "requests", "recruit_assets.extract"},
    "errors.py": {"dagster", "duckdb", "requests", "recruit_assets"},
}


@pytest.mark.parametrize("place", FORBIDDEN)
def test_who_may_not_know_whom(place: str) -> None:
    files = sorted((PACKAGE / place).glob("*.py")) or [PACKAGE / place]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                broken = {bad for bad in FORBIDDEN[place] if f"{name}.".startswith(f"{bad}.")}
                assert not broken, f"{file.name} imports {name}"
