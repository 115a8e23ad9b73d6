import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recruit_assets.errors import BadSetting
from recruit_assets.extract.rate_limit import JITTER, POLL_INTERVAL, WINDOW_SECONDS, RateLimiter

TAKE = """
import sys
from recruit_assets.extract.rate_limit import RateLimiter
print("ready", flush=True)
sys.stdin.readline()
print(RateLimiter(3, "shared").take())
"""


def waits_of(processes: int, folder: Path) -> list[float]:
    """What processes are told that take at the same time, however long each took to start."""
    env = {**os.environ, "TMPDIR": str(folder)}
    command, pipe = [sys.executable, "-c", TAKE], subprocess.PIPE
    started = [
        subprocess.Popen(command, env=env, text=True, stdin=pipe, stdout=pipe)
        for _ in range(processes)
    ]
    for each in started:
        assert each.stdout
        assert each.stdout.readline() == "ready\n"
    for each in started:
        assert each.stdin
        each.stdin.write("\n")
        each.stdin.flush()
    return [float(each.communicate()[0]) for each in started]


EXAMPLES = count()
CONCURRENCY = 4


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> Iterator[RateLimiter]:
    """Three requests in ten seconds."""
    budget = RateLimiter(3, "test", clock)
    yield budget
    budget.close()


def take_all(budget: RateLimiter) -> int:
    """How many requests may be sent at once."""
    taken = 0
    while not budget.take():
        taken += 1
    return taken


def test_the_fourth_request_waits_until_the_first_is_ten_seconds_old(
    budget: RateLimiter, clock: Clock
) -> None:
    assert take_all(budget) == 3
    clock.now += 4
    assert budget.take() == WINDOW_SECONDS - 4
    clock.now += 6
    assert take_all(budget) == 3


@given(
    limit=st.integers(1, 5),
    waits=st.lists(st.floats(0, 12, allow_nan=False), min_size=1, max_size=40),
)
def test_no_ten_seconds_hold_more_than_the_limit_and_no_wait_is_longer_than_needed(
    limit: int, waits: list[float]
) -> None:
    clock, sent = Clock(), list[float]()
    budget = RateLimiter(limit, f"example {next(EXAMPLES)}", clock)
    for wait in waits:
        clock.now += wait
        if seconds := budget.take():
            clock.now += seconds * (1 - 1e-9) - 1e-6
            assert budget.take()
            clock.now += 2e-6 + seconds * 1e-9
            assert not budget.take()
        sent.append(clock.now)
    budget.close()
    for first, last in zip(sent, sent[limit:], strict=False):
        assert last - first > WINDOW_SECONDS - 1e-6


@given(
    limit=st.integers(1, 9),
    there=st.floats(0, 0.5),
    back=st.floats(0, 0.5),
    delays=st.lists(st.tuples(st.floats(0, 0.3), st.floats(0, 0.3)), min_size=1, max_size=40),
)
def test_the_api_counts_no_more_than_the_limit_however_long_a_request_takes(
    limit: int, there: float, back: float, delays: list[tuple[float, float]]
) -> None:
    clock, counted = Clock(), list[float]()
    budget = RateLimiter(limit, f"example {next(EXAMPLES)}", clock)
    flying: list[tuple[float, float]] = []  # when each response comes, and when it was sent

    def settle(until: float) -> None:
        """Receive the responses that come until then."""
        while flying and min(flying)[0] <= until:
            arrives, sent = min(flying)
            flying.remove((arrives, sent))
            clock.now = max(clock.now, arrives)
            budget.settle(sent)

    for late_there, late_back in [(0.0, 0.0), *delays]:
        if len(flying) == CONCURRENCY:
            settle(min(flying)[0])
        while wait := budget.take():
            later = clock.now + wait + 1e-6
            settle(later)
            clock.now = later
        counted.append(clock.now + there + late_there)
        flying.append((counted[-1] + back + late_back, clock.now))
    budget.close()
    counted.sort()
    for first, last in zip(counted, counted[limit:], strict=False):
        assert last - first >= WINDOW_SECONDS - 1e-4


def test_the_time_that_all_requests_take_costs_nothing(budget: RateLimiter, clock: Clock) -> None:
    sent = clock.now
    assert take_all(budget) == 3
    clock.now += 0.5
    for _ in range(3):
        budget.settle(sent)
    assert budget.take() == WINDOW_SECONDS - 0.5
    clock.now = sent + WINDOW_SECONDS
    assert take_all(budget) == 3


def test_a_request_that_took_longer_may_have_been_counted_later(
    budget: RateLimiter, clock: Clock
) -> None:
    for seconds in (0.5, 0.75, 0.5):
        sent = clock.now
        assert not budget.take()
        clock.now += seconds
        budget.settle(sent)
    clock.now += WINDOW_SECONDS - 1.75
    assert not budget.take()
    assert budget.take() == 0.75


def test_another_budget_of_the_name_is_the_same(budget: RateLimiter, clock: Clock) -> None:
    other = RateLimiter(3, "test", clock)
    assert not budget.take()
    assert take_all(other) == 2
    assert budget.take() == WINDOW_SECONDS
    other.close()
    elsewhere = RateLimiter(3, "other", clock)
    assert take_all(elsewhere) == 3
    elsewhere.close()


def test_processes_share_it(tmp_path: Path) -> None:
    assert waits_of(5, tmp_path).count(0.0) == 3


def test_a_count_from_before_the_machine_was_started_anew_is_forgotten(
    budget: RateLimiter, clock: Clock
) -> None:
    take_all(budget)
    budget.settle(clock.now, 0, 5, refused=True)
    clock.now = 1.0
    assert take_all(budget) == 3


def test_while_the_api_says_that_nothing_remains_nothing_is_sent(
    budget: RateLimiter, clock: Clock
) -> None:
    assert not budget.take()
    budget.settle(clock.now, remaining=1, reset=7)
    assert not budget.take()
    budget.settle(clock.now, remaining=0, reset=6)  # others use the key as well
    assert budget.take() == pytest.approx(6 + JITTER)
    clock.now += 6 + JITTER
    assert not budget.take()


def test_what_is_on_its_way_counts_too(clock: Clock) -> None:
    budget = RateLimiter(9, "test", clock)
    assert not budget.take()
    assert not budget.take()
    budget.settle(clock.now, remaining=2, reset=7)
    assert not budget.take()
    budget.settle(clock.now, remaining=1, reset=7)  # and one is on its way
    assert budget.take() == POLL_INTERVAL
    budget.close()


@pytest.mark.parametrize(("seconds", "wait"), [(119, POLL_INTERVAL), (121, 0)])
def test_a_request_of_a_killed_run_is_on_its_way_for_two_minutes(
    clock: Clock, seconds: float, wait: float
) -> None:
    budget = RateLimiter(9, "test", clock)
    assert not budget.take()
    budget.settle(clock.now, remaining=5, reset=7)
    assert not budget.take()  # and nothing ever tells what came of it
    clock.now += seconds
    assert not budget.take()
    budget.settle(clock.now, remaining=1, reset=7)
    assert budget.take() == wait
    budget.close()


def test_of_whole_seconds_the_earliest_end_is_taken(budget: RateLimiter, clock: Clock) -> None:
    assert not budget.take()
    budget.settle(clock.now, remaining=9, reset=7)
    clock.now += 0.9
    assert not budget.take()
    budget.settle(clock.now, remaining=0, reset=7)  # it was 6.1, rounded up
    assert budget.take() == pytest.approx(6.1 + JITTER)


def test_numbers_that_never_move_are_not_believed(budget: RateLimiter, clock: Clock) -> None:
    for _ in range(3):
        assert not budget.take()
        budget.settle(clock.now, remaining=0, reset=10)


def test_a_refusal_holds_everybody(budget: RateLimiter, clock: Clock) -> None:
    other = RateLimiter(3, "test", clock)
    assert not budget.take()
    budget.settle(clock.now, 0, 4, refused=True)
    assert other.take() == pytest.approx(4 + JITTER)
    other.close()


def test_a_refusal_is_believed_before_what_was_told_earlier(
    budget: RateLimiter, clock: Clock
) -> None:
    assert not budget.take()
    budget.settle(clock.now, remaining=2, reset=2)
    budget.settle(clock.now, 0, 8, refused=True)
    assert budget.take() == pytest.approx(8 + JITTER)


def other_schema(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.executescript("DROP TABLE sent; CREATE TABLE sent (moment TEXT)")


def directory(file: Path) -> None:
    file.unlink()
    (file / "inside").mkdir(parents=True)


def spoil_log(file: Path) -> None:
    file.write_bytes(b"")
    file.with_name(f"{file.name}-wal").write_bytes(Random(7).randbytes(8192))
    file.with_name(f"{file.name}-shm").write_bytes(Random(7).randbytes(32768))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "random": lambda file: file.write_bytes(Random(7).randbytes(8192)),
    "text": lambda file: file.write_bytes(b"not a database" * 100),
    "empty": lambda file: file.write_bytes(b""),
    "half": lambda file: os.truncate(file, file.stat().st_size // 2),
    "middle": lambda file: file.write_bytes(file.read_bytes()[:4096] + Random(7).randbytes(8192)),
    "gone": lambda file: file.unlink(),
    "directory": directory,
    "other schema": other_schema,
    "leftovers": spoil_log,
}


@pytest.mark.parametrize(
    ("damage", "in_use"),
    [(each, in_use) for each in DAMAGES for in_use in (True, False) if in_use or each != "gone"],
)
def test_a_damaged_file_is_made_again_and_the_budget_not_exceeded(
    clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str, in_use: bool
) -> None:
    users = [RateLimiter(3, "test", clock), RateLimiter(3, "test", clock)]
    assert not users[0].take()
    if not in_use:
        for user in users:
            user.close()
    (file,) = tmp_path.glob("*/*.sqlite")
    DAMAGES[damage](file)
    if not in_use:
        users = [RateLimiter(3, "test", clock), RateLimiter(3, "test", clock)]
    sent = 1 + sum(take_all(user) for user in users)
    assert sent <= 3
    clock.now += WINDOW_SECONDS
    assert sum(take_all(user) for user in users) == 3
    assert any("starts again" in text for text in caplog.messages) or sent == 3
    for user in users:
        user.close()


@pytest.mark.ring(2)
def test_processes_that_find_it_damaged_do_not_exceed_it(tmp_path: Path) -> None:
    RateLimiter(3, "shared").close()
    for file in tmp_path.glob("*/*.sqlite"):
        file.write_bytes(Random(7).randbytes(8192))
    waits = waits_of(4, tmp_path)
    assert waits.count(0.0) == 0  # what was sent just before is not known, so all is used up
    assert max(waits) <= WINDOW_SECONDS


def test_a_file_that_cannot_be_made_again_is_a_sentence(tmp_path: Path) -> None:
    RateLimiter(3, "test").close()
    (lock,) = tmp_path.glob("*/*.lock")
    lock.unlink()
    lock.mkdir()
    with pytest.raises(BadSetting, match="remove that file, or set TMPDIR"):
        RateLimiter(3, "test")


@pytest.mark.ring(2)
def test_a_forked_process_counts_in_the_same_file_by_a_connection_of_its_own(
    tmp_path: Path,
) -> None:
    code = (
        "import multiprocessing, sys\n"
        "from recruit_assets.extract.rate_limit import RateLimiter\n"
        "budget = RateLimiter(3, 'fork')\n"
        "def child(): sys.exit(bool(budget.take()))\n"
        "start = multiprocessing.get_context('fork').Process\n"
        "print(bool(budget.take()))\n"
        "children = [start(target=child) for _ in range(3)]\n"
        "for each in children: each.start()\n"
        "for each in children: each.join()\n"
        "print(sorted(each.exitcode for each in children), bool(budget.take()))\n"
    )
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n[0, 0, 1] True\n"


def test_nobody_is_held_longer_than_a_window(budget: RateLimiter, clock: Clock) -> None:
    assert not budget.take()
    budget.settle(clock.now, 0, 86_400, refused=True)
    assert budget.take() == WINDOW_SECONDS


def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / f"recruit-assets-{os.getuid()}").symlink_to(tmp_path)
    with pytest.raises(BadSetting, match="belongs to another user: remove it"):
        RateLimiter(3, "test")


def test_the_folder_is_for_its_user_alone(budget: RateLimiter, tmp_path: Path) -> None:
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    assert "test" not in {file.stem for file in folder.iterdir()}


def test_without_its_driver_a_count_in_postgresql_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "recruit_assets.extract.rate_limit_postgres", raising=False)
    with pytest.raises(BadSetting, match=r"run pip install 'recruit-assets\[lake\]'"):
        RateLimiter(3, "test", postgres="host=db")
