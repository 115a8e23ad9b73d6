import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.extract.redaction import Redaction

SHOWN = Redaction("SECRET")


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
    assert SHOWN.excerpt(body).replace("\ufffd", "").strip() == shown


def test_an_excerpt_is_short() -> None:
    assert len(SHOWN.excerpt(b"<p>" * 10_000)) <= 161


@given(st.dictionaries(st.sampled_from("abc"), st.text(min_size=1)), st.integers(0, 200))
def test_no_value_of_a_document_is_shown_wherever_it_is_cut(
    document: dict[str, Any], cut: int
) -> None:
    marked = {key: f"person{value}" for key, value in document.items()}
    body = json.dumps(marked).encode()[:cut]
    assert "person" not in SHOWN.excerpt(body)


@pytest.mark.parametrize(
    "spelled",
    [
        b'a+b/"c"=&',
        b'A+B/"C"=&',
        b"a%2Bb%2F%22c%22%3D%26",
        b'a+b\\/\\"c\\"=&',
        b"a+b/&quot;c&quot;=&amp;",
        b"YStiLyJjIj0m",
        b"a&#x2B;b&#x2F;&#34;c&quot;&#61;&amp;",
        b"a+b/\\u0022c\\u0022=\\u0026",
        b"a%252Bb%252F%2522c%2522%253D%2526",
        'a+b/"c"=&'.encode("utf-16"),
    ],
)
@pytest.mark.parametrize("before", [0, 150, 635, 5000])
def test_the_key_is_hidden_however_it_is_spelled_and_wherever_it_stands(
    spelled: bytes, before: int
) -> None:
    redaction = Redaction('a+b/"c"=&')
    body = b"<p>" + b" " * before + b"key is " + spelled
    text = body.replace(b"\0", b"").decode(errors="replace")
    for shown in (redaction.excerpt(body), redaction.sentence(text)):
        assert "b" not in shown.removeprefix("<p>").replace("key is", "").replace("…", "")
    assert "a+b" not in repr(redaction)


def test_a_sentence_of_the_api_is_short_and_on_one_line() -> None:
    assert SHOWN.sentence("division is not allowed.\n\x1b[31m") == "division is not allowed. [31m"
    assert len(SHOWN.sentence("x" * 1_000_000)) == 161


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("call +46 70 123 45 67 or 0701234567", "call … or …"),
        ("The current one is 20240904.", "The current one is 20240904"),
        ("ask ada@example.com", "ask …"),
    ],
)
def test_what_is_shown_of_a_sentence(said: str, shown: str) -> None:
    assert SHOWN.sentence(said) == shown
