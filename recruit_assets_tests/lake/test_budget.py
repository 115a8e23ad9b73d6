"""The rate limit of a key that several machines share: its count is in the lake's PostgreSQL."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recruit_assets.errors import BadSetting
from recruit_assets.extract.rate_limit import JITTER, WINDOW_SECONDS, RateLimiter
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import KEY
from recruit_assets_tests.extract.test_rate_limit import take_all
from recruit_assets_tests.lake.server import PASSWORD
from recruit_assets_tests.postgres import USER, Cluster, query
from recruit_assets_tests.rings import sized

pytestmark = pytest.mark.ring(3)

NAMES = count()
TAKE = """
import sys
from recruit_assets.extract.rate_limit import RateLimiter
print("ready", flush=True)
sys.stdin.readline()
budget = RateLimiter(3, "shared", postgres=sys.argv[1])
print(budget.take())
budget.close()
"""
READ = """
import logging, sys
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.access import ApiSettings
from recruit_assets.extract.client import Client
from recruit_assets.extract.retries import RetryLimits
from recruit_assets.extract.source import Source
from recruit_assets.extract.walk import Walk
url, key, name, address = sys.argv[1:]
client = Client(ApiSettings(url, key, "20240904", "api", "", 10, 4, shared_budget=address))
endpoint, = [each for each in ENDPOINTS if each.name == name]
source = Source(client, endpoint, RetryLimits(), logging.getLogger(), 4)
print(len({record.id for page in Walk(source) for record in page.records}))
client.close()
"""


class Host:
    """A machine, as far as processes on it can tell: it has its own folders."""

    def __init__(self, folder: Path) -> None:
        for name in ("tmp", "home", "cache"):
            (folder / name).mkdir(parents=True)
        self.env = {
            **os.environ,
            "TMPDIR": str(folder / "tmp"),
            "HOME": str(folder / "home"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def start(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=self.env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )


def hosts(folder: Path, number: int) -> list[Host]:
    return [Host(folder / f"host{each}") for each in range(number)]


@pytest.fixture(scope="module")
def address(postgres: Cluster) -> str:
    return postgres.database()


@pytest.fixture
def budget(address: str) -> Iterator[RateLimiter]:
    """Three requests in ten seconds."""
    budget = RateLimiter(3, f"test {next(NAMES)}", postgres=address)
    yield budget
    budget.close()


def let_pass(address: str, seconds: float) -> None:
    """Let time pass for all counts, by making them older."""
    found = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'recruit\\_budget\\_%'"
    changes = [
        f"UPDATE {schema}.sent SET at = at - {seconds}; "
        f"UPDATE {schema}.told SET until = until - {seconds};"
        for schema in query(address, found).splitlines()
    ]
    query(address, " ".join(changes))


def waits_of(machines: list[Host], address: str) -> list[float]:
    """What machines are told that take at the same time."""
    started = [each.start(TAKE, address) for each in machines]
    for each in started:
        assert each.stdout
        assert each.stdout.readline() == "ready\n"
    return [float(each.communicate("\n")[0]) for each in started]


def test_the_fourth_request_waits_until_the_first_is_ten_seconds_old(
    budget: RateLimiter, address: str
) -> None:
    assert take_all(budget) == 3
    let_pass(address, 4)
    assert budget.take() == pytest.approx(WINDOW_SECONDS - 4, abs=1)
    let_pass(address, 6)
    assert take_all(budget) == 3


@settings(max_examples=sized(3, 5, 8))
@given(limit=st.integers(1, 4), waits=st.lists(st.floats(0, 12), min_size=1, max_size=8))
def test_no_ten_seconds_hold_more_than_the_limit_and_no_wait_is_longer_than_needed(
    address: str, limit: int, waits: list[float]
) -> None:
    budget = RateLimiter(limit, f"example {next(NAMES)}", postgres=address)
    sent, passed = list[tuple[float, float]](), 0.0
    for wait in waits:
        let_pass(address, wait)
        passed += wait
        before = monotonic()
        if seconds := budget.take():
            assert seconds <= WINDOW_SECONDS
            let_pass(address, seconds)
            passed += seconds
            before = monotonic()
            assert not budget.take()
        sent.append((before + passed, monotonic() + passed))
    budget.close()
    for (first, _), (_, last) in zip(sent, sent[limit:], strict=False):
        assert last - first > WINDOW_SECONDS


def test_a_refusal_holds_everybody(budget: RateLimiter, address: str) -> None:
    name = f"refused {next(NAMES)}"
    users = [RateLimiter(3, name, postgres=address) for _ in range(2)]
    assert not users[0].take()
    users[0].settle(monotonic(), 0, 4, refused=True)
    assert users[1].take() == pytest.approx(4 + JITTER, abs=1)
    let_pass(address, 4 + JITTER)
    assert not users[1].take()
    for each in users:
        each.close()


def test_machines_whose_responses_take_different_times_do_not_trust_each_other(
    address: str,
) -> None:
    name = f"far {next(NAMES)}"
    near, far = (RateLimiter(1, name, postgres=address) for _ in range(2))
    assert not far.take()
    far.settle(monotonic() - 5, None, None)  # five seconds there and back
    let_pass(address, 6)
    assert near.take() == pytest.approx(4, abs=1)
    assert far.take() == pytest.approx(4, abs=1)
    near.close()
    far.close()


def test_a_clock_that_is_put_back_frees_nothing_and_blocks_for_ten_seconds_only(
    budget: RateLimiter, address: str
) -> None:
    assert take_all(budget) == 3
    let_pass(address, -3600)
    assert 9 < budget.take() <= WINDOW_SECONDS
    let_pass(address, 10)
    assert take_all(budget) == 3


def test_machines_that_create_it_at_once_share_it(postgres: Cluster, tmp_path: Path) -> None:
    assert waits_of(hosts(tmp_path, 5), postgres.database()).count(0.0) == 3


def test_machines_without_it_do_not_share(postgres: Cluster, tmp_path: Path) -> None:
    assert waits_of(hosts(tmp_path, 4), "").count(0.0) == 4


def test_the_api_never_counts_more_than_the_budget_of_all_machines(
    postgres: Cluster, tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.rules.requests_per_10s = 10
    arrived = list[float]()
    names = ["candidates", "jobs", "users"]
    for name in names:
        sandbox.before(name, lambda _: arrived.append(monotonic()), times=None)
    address = postgres.database()
    started = [
        each.start(READ, sandbox.base_url, KEY, name, address)
        for name, each in zip(names, hosts(tmp_path, 3), strict=True)
    ]
    read = [int(each.communicate()[0]) for each in started]
    assert read == [sandbox.world.count(name) for name in names]
    assert len(arrived) == len(sandbox.requests) > 20
    assert {each.status for each in sandbox.requests} == {200}
    arrived.sort()
    for first, last in zip(arrived, arrived[10:], strict=False):
        assert last - first >= WINDOW_SECONDS


def test_a_server_that_restarts_keeps_the_count(postgres: Cluster, budget: RateLimiter) -> None:
    assert not budget.take()
    for mode in ("fast", "immediate"):
        postgres.restart(mode=mode)
        assert not budget.take()
    assert budget.take() > 0


def test_a_server_that_is_gone_is_a_sentence(
    postgres: Cluster, budget: RateLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recruit_assets.extract.rate_limit_postgres.MAX_WAIT", 0)
    postgres.stop(mode="fast")
    try:
        with pytest.raises(BadSetting, match="No more requests were sent") as raised:
            budget.take()
    finally:
        postgres.start()
    assert PASSWORD not in str(raised.value)
    monkeypatch.undo()
    assert not budget.take()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("password={password}", "contains a password"),
        ("{password}", "cannot be read"),
        ("dbname=missing", "does not exist"),
    ],
)
def test_an_address_that_cannot_work_is_a_sentence_at_once(
    address: str, change: str, said: str
) -> None:
    with pytest.raises(BadSetting, match=said) as raised:
        RateLimiter(3, "test", postgres=f"{address} {change.format(password=PASSWORD)}")
    assert PASSWORD not in str(raised.value)


def test_a_wrong_password_is_a_sentence_at_once(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "wr0ng-nobody-may-see")
    with pytest.raises(BadSetting, match="authentication failed") as raised:
        RateLimiter(3, "test", postgres=address)
    assert "wr0ng" not in str(raised.value)


def test_a_user_who_may_not_create_it_is_told(address: str) -> None:
    query(address, f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
    with pytest.raises(BadSetting, match="this user may create a schema"):
        RateLimiter(3, "test", postgres=address.replace(f"user={USER}", "user=reader"))


def test_what_is_late_after_the_end_of_a_run_does_not_connect_again(budget: RateLimiter) -> None:
    assert not budget.take()
    budget.close()
    with pytest.raises(BadSetting, match="was closed with its run"):
        budget.settle(monotonic())
