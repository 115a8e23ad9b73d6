"""The command: its screen, its end, its one way to fail."""

import re
import signal
import socket
import subprocess
import sys

import pytest
import requests

from recruit_assets.sandbox.__main__ import main
from recruit_assets_tests.sandbox.conftest import HEADERS

COMMAND = [sys.executable, "-m", "recruit_assets.sandbox", "--candidates", "20"]


@pytest.mark.ring(2)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_told_to_stop_and_ends_quietly(number: signal.Signals) -> None:
    options = ["--port", "0", "--key", "k", "--without", "job-offers", "--control"]
    with subprocess.Popen(
        COMMAND + options, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        screen = ""
        while "Stop with" not in screen:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            screen += line
        found = re.search(r"http://127\.0\.0\.1:\d+/v1/", screen)
        assert found
        answer = requests.get(f"{found[0]}jobs", headers=HEADERS | {"api": "k"}, timeout=60)
        assert answer.headers["X-Rate-Limit-Limit"] == "50"
        missing = requests.get(f"{found[0]}job-offers", headers=HEADERS | {"api": "k"}, timeout=60)
        assert missing.status_code == 404
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    assert "key       k" in screen
    assert re.search(r"candidates +20\b", screen)
    assert len(screen.splitlines()) <= 24


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == f"Port {port} on 127.0.0.1 is in use; try --port 0.\n"
    assert done.stdout == ""


def test_an_unknown_endpoint_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--without", "pigeons"])
    assert "there is no endpoint pigeons" in capsys.readouterr().err
