"""Names of attributes, links and relationships that are an attack, in every place they show."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from recruit_assets.extract.columns import MAX_NAME_LENGTH, Places, Shape
from recruit_assets.extract.query import Query
from recruit_assets.options import Mode
from recruit_assets.text import markdown, one_line
from recruit_assets_tests.conftest import BY_NAME, KEY, Project, metadata
from recruit_assets_tests.rings import sized
from recruit_assets_tests.test_hostile_text import commands_print_plain_text, is_plain, logged
from recruit_assets_tests.test_text import HOSTILE, SNIPPETS

HALF = "HALF-A-PAIR"  # in the place of a lone surrogate until the answer is bytes
RESERVED = [column.name for column in BY_NAME["departments"].columns()]
NAMES = [
    "a\nERROR forged", "b\x1b[31m\x07", "c\u202egnp.exe", HALF, "d" * 10_000, "", " ", "\x00",
    'say "no"; DROP TABLE recruit.departments; --', "it's", "name\u3164", "\u115f", "İ", "\u2028",
    "id", "_Row_Hash", "relationships/x/id", *SNIPPETS[:8:2],
]  # fmt: skip
names = st.lists(
    st.sampled_from(HOSTILE) | st.sampled_from(SNIPPETS + RESERVED) | st.text(max_size=4),
    max_size=4,
).map("".join)


@settings(max_examples=sized(100, 300, 3000))
@given(st.lists(names, unique=True, max_size=8))
def test_a_column_shows_the_whole_of_its_name_and_shares_it_with_none(found: list[str]) -> None:
    departments = BY_NAME["departments"]
    of_these = [name for name in found if name not in RESERVED]
    columns = list(Places(departments).of(Shape(tuple(of_these), (), ())).values())
    for column in columns:
        assert one_line(column) == column != ""
        assert len(column) <= MAX_NAME_LENGTH + len("_12345678")
        assert "\n" not in markdown(column)
    shown = [column.lower() for column in columns if column not in RESERVED]
    assert len({*shown, *RESERVED}) == len(shown) + len(RESERVED)


def send(project: Project, value: Any) -> None:
    """Have each department send each of the names, as attribute, link and relationship."""

    def alter(document: dict[str, Any]) -> None:
        for record in document["data"]:
            record["attributes"] |= dict.fromkeys(NAMES, value)
            record["links"] = dict.fromkeys(NAMES[:4], "https://example.com/")
            related = {"data": {"type": "x\x1b", "id": "1"}}
            record["relationships"] |= dict.fromkeys(NAMES[:4], related)

    project.sandbox.clear_faults()
    project.sandbox.alter("departments", alter)
    query = Query.everything(BY_NAME["departments"])
    headers = {"api": KEY, "X-Api-Version": "20240904"}
    url = f"{project.sandbox.base_url.rstrip('/')}/departments?{query.page(1)}"
    body = requests.get(url, headers=headers, timeout=10).content
    assert json.loads(body)["data"]
    body = body.replace(HALF.encode(), rb"half \ud800 a pair")
    project.sandbox.fail("departments", times=None, status=200, body=body)


@pytest.mark.ring(2)
def test_hostile_names_become_columns_and_forge_nothing(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    send(project, 5)
    project.sync("departments")
    columns = project.query(
        "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = 'recruit'"
    )
    assert len(columns) > len(NAMES)
    rows = project.counts_of("departments")
    send(project, "five")
    result = project.materialize("departments", mode=Mode.full)
    assert result.success
    lines = logged(project, result.run_id)
    found = metadata(result, "departments")
    shown = [each.name for each in found["dagster/column_schema"].columns]
    assert found["unparsed"] == rows * len(NAMES)
    assert len({name.lower() for name in shown}) == len(shown)
    for text in [*lines, *shown, *(text for column in columns for text in column)]:
        assert is_plain(text), ascii(text)
        assert "\n" not in text
    for check in result.get_asset_check_evaluations():
        assert is_plain(check.description or "")
        assert "\n" not in (check.description or "")

    monkeypatch.chdir(tmp_path)
    commands_print_plain_text(project, monkeypatch, capsys)
