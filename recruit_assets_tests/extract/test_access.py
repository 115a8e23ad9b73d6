from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.errors import BadSetting
from recruit_assets.extract.access import ApiSettings, is_loopback
from recruit_assets_tests.conftest import KEY
from recruit_assets_tests.extract.test_client import GOOD


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("base_url", "", "RECRUIT_API_BASE_URL is empty: set it to the address of the API"),
        ("base_url", "api.example.com/v1", "must look like https://"),
        ("base_url", "htps://api.example.com", "must look like https://"),
        ("base_url", "https:///v1", "must look like https://"),
        ("base_url", "https://[bad/v1", "is not a URL"),
        ("base_url", "https://api.example.com:port/v1", "is not a URL"),
        ("base_url", "https://api..example.com/v1", "has an invalid host name"),
        ("base_url", f"https://{'a' * 64}.com/v1", "has an invalid host name"),
        ("base_url", "https://exa mple.com/v1", "has an invalid host name"),
        ("base_url", "https://*.example.com/v1", "has an invalid host name"),
        ("base_url", "https://me:pass@api.example.com/v1", "must hold no user, password"),
        ("base_url", "https://api.example.com/v1?key=x", "must hold no user, password"),
        ("base_url", "http://api.example.com/v1", "be sent unencrypted"),
        ("base_url", "http://10.0.0.1/v1", "be sent unencrypted"),
        ("base_url", "http://localhost.example.com/v1", "be sent unencrypted"),
        ("key", "", "RECRUIT_API_KEY is empty"),
        ("key", f"{KEY}\n", "RECRUIT_API_KEY contains spaces"),
        ("key", f"{KEY}\r\nx: y", "RECRUIT_API_KEY contains spaces"),
        ("key", f"{KEY}é", "RECRUIT_API_KEY contains spaces"),
        ("version", "2024-09-04", "RECRUIT_API_VERSION is '2024-09-04'"),
        ("version", "", "RECRUIT_API_VERSION"),
        ("auth_header", "", "RECRUIT_API_AUTH_HEADER"),
        ("version", "名", "RECRUIT_API_VERSION"),
        ("auth_header", "schlüssel", "RECRUIT_API_AUTH_HEADER"),
        ("auth_header", "a b", "RECRUIT_API_AUTH_HEADER"),
        ("auth_prefix", "x\n", "RECRUIT_API_AUTH_PREFIX"),
        ("concurrency", 0, "RECRUIT_API_CONCURRENCY must be 1 or more"),
        ("requests_per_10s", -1, "RECRUIT_API_REQUESTS_PER_10S"),
    ],
)
def test_a_setting_that_cannot_work_is_a_sentence(setting: str, value: Any, said: str) -> None:
    with pytest.raises(BadSetting) as raised:
        ApiSettings(**GOOD | {setting: value})
    assert said in str(raised.value)
    assert KEY not in str(raised.value)
    assert "pass@" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "http://localhost:8010/v1/",
        "http://127.0.0.2/v1/",
        "http://[::1]:8010/v1/",
    ],
)
def test_base_urls_that_are_fine(url: str) -> None:
    ApiSettings(**GOOD | {"base_url": url})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_hosts_that_are_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "10.0.0.1", "::", "localhost.example.com", "127.0.0.1.example.com"]
)
def test_hosts_that_are_others(host: str) -> None:
    assert not is_loopback(host)


def refusal(**changed: str) -> str:
    """What is said of settings; empty if they are accepted."""
    try:
        ApiSettings(**GOOD | changed)
    except BadSetting as error:
        return str(error)
    return ""


@given(st.text(), st.sampled_from(["", "http://", "https://", "https://api.example.com/"]))
def test_any_base_url_is_accepted_or_told_in_a_sentence(text: str, start: str) -> None:
    said = refusal(base_url=start + text)
    assert "RECRUIT_API_BASE_URL" in said if said else start + text


@given(st.text(min_size=8), st.text(), st.text())
def test_any_key_header_and_prefix_can_be_sent_or_are_told_without_the_key(
    key: str, header: str, prefix: str
) -> None:
    said = refusal(key=key, auth_header=header, auth_prefix=prefix)
    assert key not in said
    sent = f"{header}: {prefix}{key}"
    assert said or (sent.isascii() and sent.isprintable())
