"""What each place is given of a text that somebody else wrote, whatever is in it."""

import logging
import re
from io import StringIO
from unicodedata import category
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from recruit_assets.text import (
    BLANK,
    MAX_LABEL,
    OneLineLog,
    label,
    markdown,
    message,
    one_line,
    unescaped,
)
from recruit_assets_tests.rings import sized

HOSTILE = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *map(chr, range(0x2028, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
    *"\u00ad\u061c\u200b\u200d\u200f\u2060\u3164\u2800\ufeff\ufff9\ufffe\uffff",
    *"\ud800\udbff\udc00\udfff\U000e0041\U0010ffff",
]  # fmt: skip
SNIPPETS = [
    "x](http://127.0.0.1:9999/beacon) ![y", "https://example.com/a", "http://a.b", "WWW.a.b",
    "www.example.com", "ada@example.com", "<img src=x onerror=alert(1)>", "<!channel>", "<!-- ",
    "<http://x.y|z>", "&#33;", "&amp;", "`code`", "```", "**", "~~", "| --- |", "---", "===", "# ",
    "> ", "1. ", "1) ", "- ", "+ ", "\\", "\\|", "[^1]", "[a]: http://b.c", "$x$", "://", "@", "!",
]  # fmt: skip
EXAMPLES = settings(max_examples=sized(100, 150, 3000))
anything = st.characters(exclude_categories=())
texts = st.lists(
    st.sampled_from(HOSTILE) | st.sampled_from(SNIPPETS) | st.text(anything, max_size=8),
    max_size=12,
).map("".join)
FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# The two patterns by which Dagster's renderer (remark-gfm) looks for addresses in finished text.
ADDRESSES = re.compile(
    r"(?:https?://|www(?=\.))[-.\w]+|[-.\w+]+@[-\w]+(?:\.[-\w]+)+", re.IGNORECASE
)
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def leaves(tokens: list[Token]) -> list[Token]:
    """The tokens of a parsed document that hold text or make something else of it."""
    inline = [each for token in tokens for each in token.children or ()]
    return inline + [token for token in tokens if token.type in ("html_block", "code_block", "hr")]


@EXAMPLES
@given(texts, st.integers(1, 100))
def test_a_line_is_printable_and_short(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert not {category(letter) for letter in line} & FORBIDDEN
    assert line == " ".join(line.split(" "))
    assert line.splitlines() in ([], [line])


@EXAMPLES
@given(st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="ᅟᅠㅤﾠ⠀𝅙")))
def test_what_can_be_read_stays_as_it_is(text: str) -> None:
    assert one_line(text) == text


@pytest.mark.parametrize("letter", HOSTILE, ids=lambda each: f"{ord(each):04x}")
def test_an_odd_character_costs_no_other(letter: str) -> None:
    assert re.fullmatch("Not a fit[ \ufffd]?for now", one_line(f"Not a fit{letter}for now"))
    assert label(f"{letter}{letter}") in (BLANK, "\ufffd\ufffd")


def test_long_texts_end_with_an_ellipsis() -> None:
    assert one_line("x" * 100_000, 60) == "x" * 59 + "…"
    assert one_line(" " * 100_000, 60) == "…"
    assert one_line("x" * 60, 60) == "x" * 60


@EXAMPLES
@given(texts)
def test_markdown_of_a_text_is_nothing_but_that_text(text: str) -> None:
    line = one_line(text) or BLANK
    shown = markdown(text)
    table = f"| {shown} | b |\n| --- | --- |\n| {shown} | d |"
    image = f"![{shown}](/drawing.svg)"
    (paragraph,) = leaves(PARSER.parse(shown))
    one, _, three, _ = leaves(PARSER.parse(table))
    (picture,) = leaves(PARSER.parse(image))
    assert (picture.type, picture.attrs["src"]) == ("image", "/drawing.svg")
    for each in (paragraph, one, three, *(picture.children or ())):
        assert each.type == "text"
        assert each.content.replace(" ", "") == line.replace(" ", "")
        assert not ADDRESSES.search(each.content)


@EXAMPLES
@given(texts)
def test_a_message_has_no_markup_of_slack(text: str) -> None:
    found = message(text)
    assert not set(found) & set("<>")
    assert not re.search("&(?!amp;|lt;|gt;)", found)
    assert found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == one_line(text)


@EXAMPLES
@given(texts)
def test_a_label_is_text_of_xml(text: str) -> None:
    found = label(text)
    assert 0 < len(found) <= MAX_LABEL
    escaped = found.replace("&", "&amp;").replace("<", "&lt;")
    assert ElementTree.fromstring(f"<text>{escaped}</text>").text == found


@EXAMPLES
@given(texts)
def test_a_message_in_the_log_is_one_line(text: str) -> None:
    written = StringIO()
    logger = logging.Logger("one")  # not shared with other tests
    logger.addHandler(logging.StreamHandler(written))
    OneLineLog(logger).warning(f"job {text}")
    assert written.getvalue() == one_line(f"job {text}") + "\n"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="@/w")))
def test_markdown_without_its_escapes_is_the_text(text: str) -> None:
    assert unescaped(markdown(text)) == (one_line(text) or BLANK)
