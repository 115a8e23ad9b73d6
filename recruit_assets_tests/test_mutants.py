"""The generator of mutants makes those it says, and a known one is found."""

import ast

import pytest

from recruit_assets_tests.mutants import NEAR, ROOT, mutants_of, survives

LANES = "recruit_assets/extract/lanes.py"


@pytest.mark.ring(2)
@pytest.mark.parametrize("file", NEAR)
def test_each_mutant_is_another_file_that_python_reads(file: str) -> None:
    text = (ROOT / file).read_text()
    same = ast.unparse(ast.parse(text))
    found = list(mutants_of(file, text))
    assert len(found) > 10
    for mutant in found:
        assert mutant.text != same, mutant.change
        ast.parse(mutant.text)


@pytest.mark.ring(2)
def test_a_known_mutant_is_found_and_the_file_itself_is_not() -> None:
    text = (ROOT / LANES).read_text()
    (known,) = [
        each for each in mutants_of(LANES, text) if each.change.startswith("key < self.oldest ->")
    ]
    near = ["extract/test_lanes.py"]
    assert not survives(known, near)
    same = type(known)(LANES, 0, "none", text)
    assert survives(same, near)
