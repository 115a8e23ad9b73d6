from concurrent.futures import CancelledError
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any

import pytest
import trustme

from recruit_assets.errors import (
    HostUnreachable,
    InvalidResponse,
    Rejected,
    RequestFailed,
    Transient,
)
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.jsonapi import Document, members
from recruit_assets.extract.retries import RequestStats
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests.conftest import KEY, served

GOOD: dict[str, Any] = {
    "base_url": "https://api.example.com/v1/",
    "key": KEY,
    "version": "20240904",
    "auth_header": "api",
    "auth_prefix": "",
    "requests_per_10s": 48,
    "concurrency": 4,
}


def test_the_key_is_not_in_any_representation() -> None:
    settings = ApiSettings(**GOOD)
    assert KEY not in repr(settings) + str(settings) + repr(Client(settings))


def test_a_netrc_file_does_not_replace_the_key(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    settings = GOOD | {
        "base_url": sandbox.base_url,
        "auth_header": "Authorization",
        "auth_prefix": "Token token=",
    }
    client = Client(ApiSettings(**settings))
    client._session.trust_env = True  # off on loopback, on everywhere else
    assert client.get("regions", "", "regions", Document, RequestStats()).data
    client.close()


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client = Client(ApiSettings(**GOOD | {"base_url": sandbox.base_url}))
    assert client.get("regions", "", "regions", Document, RequestStats()).data
    client.close()


def test_numbers_beyond_64_bits_arrive_whole(sandbox: Sandbox) -> None:
    sandbox.alter(
        "regions", lambda document: document["data"][0]["attributes"].update(name=2**70 + 1)
    )
    client = Client(ApiSettings(**GOOD | {"base_url": sandbox.base_url}))
    record = client.get("regions", "", "regions", Document, RequestStats()).data[0]
    assert members(record.attributes)["name"] == 2**70 + 1
    client.close()


def test_a_page_that_is_not_unicode_fails_only_for_its_ids(sandbox: Sandbox) -> None:
    client = Client(ApiSettings(**GOOD | {"base_url": sandbox.base_url}))

    def get(body: bytes, url: str = "regions") -> Document:
        sandbox.fail("regions", status=200, body=body)
        return client.get(url, "", "regions, page 1", Document, RequestStats())

    body = b'{"data":[{"id":"%s","attributes":{"name":"Malm\xf6 \\ud800"}}]}'
    (record,) = get(body % "Malm\u00f6".encode()).data
    assert record.id == "Malm\u00f6"
    assert members(record.attributes)["name"] == "Malm\udcf6 \ud800"
    advice = r"The table is unchanged\. Tell the API's operator\."
    with pytest.raises(InvalidResponse, match=r"regions, page 1: .* id in UTF-8 - at record 1"):
        get(body % b"Malm\xf6")  # damaged on its way, perhaps
    refused = r'regions, page 1: record 1 has the id "\\udfff", which is not valid Unicode'
    with pytest.raises(Rejected, match=rf"{refused}.*{advice}"):
        get(body % rb"\udfff")
    with pytest.raises(Rejected, match=rf"link to this page is not valid Unicode.*{advice}"):
        get(body, "regions?page[after]=\ud800")
    client.close()


def test_the_budget_is_kept(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sandbox.rules.requests_per_10s = 3
    client = Client(ApiSettings(**GOOD | {"base_url": sandbox.base_url, "requests_per_10s": 3}))
    for _ in range(3):
        with client.turn(Event()) as waited:
            assert waited < 10
            client.get("regions", "", "regions", Document, RequestStats())
    stopped = Event()
    stopped.set()
    with pytest.raises(CancelledError), client.turn(stopped):
        pass  # would wait for ten seconds, were it not stopped
    assert client._limiter is not None
    assert client._limiter.take()
    client.close()


def test_no_more_requests_are_on_their_way_than_the_setting_allows() -> None:
    client, stopped = Client(ApiSettings(**GOOD | {"concurrency": 2})), Event()
    with client.turn(stopped), client.turn(stopped):
        waiting = Timer(0, stopped.set)
        waiting.start()
        with pytest.raises(CancelledError), client.turn(stopped):
            pass  # would wait for ever
    with client.turn(Event()):
        pass
    client.close()


def https(folder: Path, *names: str) -> tuple[trustme.CA, Path]:
    """An authority, and the file of a certificate that it issued for the names, with its key."""
    authority, file = trustme.CA(), folder / "server.pem"
    authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(file))
    return authority, file


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_certificates_of_the_environment_count_on_loopback_and_its_proxies_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, host: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    authority, file = https(tmp_path, "localhost", "127.0.0.1")
    with served(Sandbox(candidates=1, rules=Rules(key=KEY)), certificate=file) as sandbox:
        settings = GOOD | {"base_url": sandbox.base_url.replace("127.0.0.1", host)}
        client = Client(ApiSettings(**settings))
        with pytest.raises(Rejected, match="Set REQUESTS_CA_BUNDLE to a file"):
            client.get("regions", "", "regions", Document, RequestStats())
        client.close()
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
        client = Client(ApiSettings(**settings))
        assert client.get("regions", "", "regions", Document, RequestStats()).data
        client.close()


def test_a_certificate_for_another_name_is_told_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, file = https(tmp_path, "api.example.com")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with served(Sandbox(candidates=1), certificate=file) as sandbox:
        client = Client(ApiSettings(**GOOD | {"base_url": sandbox.base_url}))
        with pytest.raises(Rejected, match=r"not valid for .*BASE_URL to a host that the cert"):
            client.get("regions", "", "regions", Document, RequestStats())
        client.close()


def test_a_port_that_does_not_speak_tls_is_told_to_be_one(sandbox: Sandbox) -> None:
    url = sandbox.base_url.replace("http:", "https:")
    client = Client(ApiSettings(**GOOD | {"base_url": url}))
    with pytest.raises(Rejected, match="Check the port in RECRUIT_API_BASE_URL"):
        client.get("regions", "", "regions", Document, RequestStats())
    client.close()


@pytest.mark.parametrize(
    ("status", "final", "advice"),
    [
        (407, True, "The proxy requires a user and a password"),
        (403, True, "Ask the proxy's operator"),
        (502, False, "Is the proxy in HTTPS_PROXY or HTTP_PROXY right"),
    ],
)
def test_what_a_proxy_refuses_is_final_unless_it_can_clear(
    monkeypatch: pytest.MonkeyPatch, status: int, final: bool, advice: str
) -> None:
    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(status)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            pass

    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = Thread(target=proxy.serve_forever)
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        client = Client(ApiSettings(**GOOD))
        with pytest.raises(RequestFailed, match=advice) as raised:
            client.get("regions", "", "regions", Document, RequestStats())
        assert isinstance(raised.value, Rejected if final else Transient | HostUnreachable)
        client.close()
        proxy.shutdown()
        thread.join()
