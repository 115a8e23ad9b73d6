"""Small faults put into the proof, to see whether the nearest tests find them.

    python -m recruit_assets_tests.mutants --seed 1 --number 20

Each mutant changes one comparison, operator or constant, or drops one statement, in a copy of the
package, and the near tests of its file run against it, the second ring. The command prints those
that survive, with their place and the change, and ends with 1 if there are any.
"""

import ast
import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, cast

ROOT = Path(__file__).parents[1]
NEAR = {  # files and the tests that must find their faults
    "recruit_assets/extract/lanes.py": ["extract/test_lanes.py", "extract/test_model.py"],
    "recruit_assets/extract/ordered.py": ["extract/test_model.py", "extract/test_odd_lists.py"],
    "recruit_assets/extract/newest.py": [
        "extract/test_by_change.py",
        "extract/test_model.py",
        "extract/test_odd_lists.py",
    ],
    "recruit_assets/extract/rank.py": ["extract/test_rank.py", "extract/test_counted.py"],
    "recruit_assets/extract/counted.py": [
        "extract/test_counted.py",
        "test_counted_syncs.py",
        "test_counted_doubts.py",
    ],
    "recruit_assets/extract/rolling.py": ["extract/test_rolling.py", "test_rolling_syncs.py"],
    "recruit_assets/extract/cover.py": ["extract/test_rolling.py"],
    "recruit_assets/load/cover.py": ["test_rolling_syncs.py"],
    "recruit_assets/load/known.py": ["load/test_known.py"],
    "recruit_assets/extract/walk.py": ["extract/test_odd_lists.py", "extract/test_report.py"],
    "recruit_assets/extract/unordered.py": ["extract/test_odd_lists.py", "extract/test_walk.py"],
    "recruit_assets/extract/cursor.py": ["extract/test_odd_lists.py", "extract/test_walk.py"],
    "recruit_assets/load/merge.py": ["load/test_merge.py", "test_state.py", "test_erasure.py"],
    "recruit_assets/load/changes.py": ["load/test_merge.py", "load/test_upsert.py"],
    "recruit_assets/load/upsert.py": ["load/test_upsert.py"],
    "recruit_assets/load/sweep.py": ["test_erasure.py", "test_complete.py"],
}
FUNCTIONS = ast.FunctionDef | ast.If | ast.For | ast.While
DROPPED = ast.Assign | ast.AugAssign | ast.Expr | ast.If | ast.Raise
LIMIT = 300  # seconds that the tests of a mutant may take; one that hangs is found as well
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


@dataclass(frozen=True)
class Mutant:
    """A file with one fault: its whole text, and the place and words of the change."""

    file: str
    line: int
    change: str
    text: str


def mutants_of(file: str, text: str) -> Iterator[Mutant]:
    """Yield all mutants of a file, in the order of its syntax tree."""
    tree = ast.parse(text)
    for node in list(ast.walk(tree)):
        for holder, place, changed in _changes(node):
            before = holder[place]
            holder[place] = changed
            change = f"{ast.unparse(before)} -> {ast.unparse(changed)}"
            yield Mutant(file, before.lineno, change, ast.unparse(tree))
            holder[place] = before


def _changes(node: ast.AST) -> Iterator[tuple[Any, Any, Any]]:
    """Yield what can change right below a node: where it is held, its place, what it becomes."""
    for name, value in ast.iter_fields(node):
        statements = name == "body" and isinstance(value, list) and len(value) > 1
        for place, child in enumerate(value) if isinstance(value, list) else [(name, value)]:
            holder = value if isinstance(value, list) else vars(node)
            if statements and isinstance(node, FUNCTIONS) and isinstance(child, DROPPED):
                documents = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
                if not documents:
                    yield holder, place, ast.Pass()
            if changed := _changed(child):
                yield holder, place, changed


def _changed(node: Any) -> ast.AST | None:
    """Return an expression with another operator or constant, if it has one that can be changed."""
    other = copy(node)
    match node:
        case ast.Compare(ops=[operator, *others]) if type(operator) in SWAPS:
            other.ops = [SWAPS[type(operator)](), *others]
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) if type(operator) in SWAPS:
            other.op = SWAPS[type(operator)]()
        case ast.Constant(value=bool(value)):
            other.value = not value
        case ast.Constant(value=int(value)):
            other.value = value + 1
        case _:
            return None
    return cast(ast.AST, other)


def survives(mutant: Mutant, near: list[str]) -> bool:
    """Return whether the near tests pass with the mutant in the place of its file."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("recruit_assets", "recruit_assets_tests"):
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", place)
        (place / mutant.file).write_text(mutant.text)
        tests = [f"recruit_assets_tests/{each}" for each in near]
        command = [sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider", *tests]
        setting = {**os.environ, "RING": "2", "PYTHONPATH": folder}
        try:
            run = subprocess.run(
                command, cwd=place, env=setting, capture_output=True, timeout=LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        return run.returncode == 0


def main() -> int:
    """Draw mutants of all files, and print those that survive."""
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--file", choices=NEAR, help="this file only")
    chosen = parser.parse_args()
    files = [chosen.file] if chosen.file else list(NEAR)
    every = [each for file in files for each in mutants_of(file, (ROOT / file).read_text())]
    drawn = Random(chosen.seed).sample(every, min(chosen.number, len(every)))
    survivors = []
    for each in drawn:
        if survives(each, NEAR[each.file]):
            survivors.append(each)
            print(f"{each.file}:{each.line}: {each.change}", flush=True)
    print(f"{len(drawn) - len(survivors)} of {len(drawn)} mutants were found, seed {chosen.seed}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
