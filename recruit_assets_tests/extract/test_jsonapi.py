"""What is read from an answer: records strictly, counts and links only where they make sense."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.extract.jsonapi import (
    MAX_COUNT,
    BadId,
    Document,
    Single,
    count_in,
    members,
    read,
)
from recruit_assets.extract.links import by_number, ends, has_next_link
from recruit_assets.extract.source import Page

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(meta=JSON, links=JSON, count=JSON, link=JSON)
def test_counts_and_links_never_spoil_a_page(meta: Any, links: Any, count: Any, link: Any) -> None:
    for each in (
        {"data": [{"id": "1"}], "meta": meta, "links": links},
        {"data": [{"id": "1"}], "meta": {"record-count": count}, "links": {"next": link}},
        {"data": [{"id": "1"}], "meta": {"page-count": count}, "links": {"next": {"href": link}}},
    ):
        document = msgspec.convert(each, Document)
        for said in (document.record_count, document.page_count):
            assert said is None or 0 <= said <= MAX_COUNT
        assert document.next is None or document.next.strip()
        page = Page(document, 1, 0)
        by_number(page), ends(page, 30), has_next_link(page)


@pytest.mark.parametrize("count", [0, 1, 65, MAX_COUNT])
def test_a_count_is_read_in_each_form_that_is_whole(count: int) -> None:
    for form in (count, str(count), f" {count} ", f"{count}.0", float(count)):
        assert count_in(form) == count


@pytest.mark.parametrize(
    "value",
    [
        -1,
        "-1",
        0.5,
        "0.5",
        "1e3",
        "+5",
        "1,000",
        "many",
        "",
        ".0",
        "\u0661",
        True,
        False,
        None,
        MAX_COUNT + 1,
        str(MAX_COUNT + 1),
        "9" * 31,
        float("inf"),
        float("nan"),
        [65],
        {"a": 65},
    ],
)
def test_what_is_no_count_is_not_said(value: Any) -> None:
    assert count_in(value) is None


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"NaN", b"Infinity", b"1" * 5000])
def test_a_number_that_nothing_can_hold_is_not_said(number: bytes) -> None:
    document = read(b'{"data":[{"id":"1"}],"meta":{"record-count":' + number + b"}}", Document)
    assert document.record_count is None
    assert [record.id for record in document.data] == ["1"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data":null}',
        b'{"data":[{}]}',
        b'{"data":[{"id":null}]}',
        b'{"data":[{"id":""}]}',
        b'{"data":[' + b"[" * 10**5,
    ],
)
def test_an_answer_without_records_is_none(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        read(body, Document)


def test_one_record_is_read_as_one() -> None:
    assert read(b'{"data":{"id":5}}', Single).data.id == 5


@pytest.mark.parametrize(
    ("number", "count", "pages", "link", "end", "on"),
    [
        (1, 30, None, None, True, False),
        (1, 31, None, None, False, False),
        (2, 60, 2, "?page[number]=2", True, False),
        (2, 60, 2, "?page%5Bnumber%5D=1", True, False),
        (2, 60, 2, "?page[number]=3", False, True),
        (2, 60, 2, "?page[after]=x", False, True),
        (2, 60, 2, "?page[number]=x", False, True),
        (2, None, 2, None, True, False),
        (1, None, 2, None, False, False),
        (1, None, None, None, True, False),
    ],
)
def test_the_end_of_a_list(
    number: int, count: int | None, pages: int | None, link: str | None, *, end: bool, on: bool
) -> None:
    said = {
        "data": [{"id": "1"}],
        "meta": {"record-count": count, "page-count": pages},
        "links": {"next": link},
    }
    page = Page(msgspec.convert(said, Document), number, 0)
    assert (ends(page, 30), has_next_link(page)) == (end, on)


@pytest.mark.parametrize("member", ["attributes", "relationships", "links"])
def test_an_empty_list_in_the_place_of_an_object_has_no_members(member: str) -> None:
    (record,) = read(f'{{"data":[{{"id":"1","{member}":[]}}]}}'.encode(), Document).data
    assert not members(getattr(record, member))


@pytest.mark.parametrize(
    "id_",
    ["5", "5.0", "5e0", "-5.0", "9007199254740993.0", "1e17", "123456789012345678.0", "-1E20"],
)
def test_an_id_that_is_a_whole_number_is_one_however_it_is_written(id_: str) -> None:
    (record,) = read(f'{{"data":[{{"id":{id_}}}]}}'.encode(), Document).data
    assert record.id == int(Decimal(id_))
    assert type(record.id) is int
    assert read(f'{{"data":{{"id":{id_}}}}}'.encode(), Single).data.id == record.id


@pytest.mark.parametrize(
    ("id_", "shown"),
    [
        ("1.5", "1.5"),
        ("9007199254740993.5", "9007199254740993.5"),
        ("true", "true"),
        ("[1]", "a list"),
        ('{"a": "Jane"}', "a dict"),
    ],
)
def test_an_id_that_can_be_none_is_named(id_: str, shown: str) -> None:
    with pytest.raises(BadId) as raised:
        read(f'{{"data":[{{"id":"1"}},{{"id":{id_}}}]}}'.encode(), Document)
    said = f"record 2 has the id {shown}, but an id must be a text or a whole number"
    assert str(raised.value) == said


@pytest.mark.parametrize("id_", [b"\\ud800", b"5\\udfff", b"\xe9", b"5\xff", b"\xed\xa0\x80"])
def test_only_a_damaged_id_is_refused(id_: bytes) -> None:
    ids = ["1", "Zo\u00eb", "\U0001f600", "\ufffd"]
    intact = b",".join(b'{"id":"%s"}' % each.encode() for each in ids)
    label = b'{"id":"2","type":"%s"}' % id_
    (*others, damaged) = read(b'{"data":[%s,%s]}' % (intact, label), Document).data
    assert [record.id for record in others] == ids
    assert damaged.id == "2"
    with pytest.raises((BadId, msgspec.ValidationError), match="record 5"):
        read(b'{"data":[%s,{"id":"%s"}]}' % (intact, id_), Document)
    with pytest.raises((BadId, msgspec.ValidationError), match="record 1"):
        read(b'{"data":{"id":"%s"}}' % id_, Single)


@pytest.mark.parametrize(
    "number",
    ["0.12345678901234567890123", "9007199254740993.0", "1e-400", "-3." + "3" * 5000, "0.1", "1e5"],
)
@pytest.mark.parametrize("other", ["0", "NaN"])
def test_a_number_keeps_all_its_digits(number: str, other: str) -> None:
    body = f'{{"data":[{{"id":"1","attributes":{{"a":[{number},{other}]}}}}]}}'.encode()
    value = members(read(body, Document).data[0].attributes)["a"][0]
    assert Decimal(str(value)) == Decimal(number)


def test_a_number_with_an_absurd_exponent_is_kept_as_its_text() -> None:
    for number in ("1e-9999999999999999999999", "-1e9999999999999999999999"):
        body = b'{"data":[{"id":"1","meta":%s}]}' % number.encode()
        assert read(body, Document).data[0].meta == number


def test_an_id_is_the_same_whatever_else_the_page_holds() -> None:
    for id_ in ("9007199254740993.0", "1e17", "5", '"5"'):
        plain, odd = (
            read(b'{"data":[{"id":%s,"meta":%s}]}' % (id_.encode(), meta), Document).data[0].id
            for meta in (b"0", b"NaN")
        )
        assert (type(plain), plain) == (type(odd), odd)
