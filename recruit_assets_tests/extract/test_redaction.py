import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.extract.redaction import excerpt


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", ""),
        (b"<html>\n <title>502 Bad Gateway</title>", "<html> <title>502 Bad Gateway</title>"),
        (b'{"data":[{"id":"7","name":"Ada', '{"data":[{"id":…,"name":…'),
        (b'{"tags":["vip","x"],"n":12}', '{"tags":[…,…],"n":12}'),
        (b"mail ada@example.com or +46 70 123 45 67", "mail … or …"),
        (b"who has SECRET?", "who has …?"),
        (b"\x00\xff\n", ""),
    ],
)
def test_what_is_shown_of_a_body(body: bytes, shown: str) -> None:
    assert excerpt(body, "SECRET").replace("\ufffd", "").strip() == shown


def test_an_excerpt_is_short() -> None:
    assert len(excerpt(b"<p>" * 10_000, "SECRET")) <= 161


@given(st.dictionaries(st.sampled_from("abc"), st.text(min_size=1)), st.integers(0, 200))
def test_no_value_of_a_document_is_shown_wherever_it_is_cut(
    document: dict[str, Any], cut: int
) -> None:
    marked = {key: f"person{value}" for key, value in document.items()}
    body = json.dumps(marked).encode()[:cut]
    assert "person" not in excerpt(body, "SECRET")
