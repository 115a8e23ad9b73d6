import logging
from datetime import UTC, datetime
from random import Random
from typing import cast

import pytest

from recruit_assets.extract.report import Verdict, WalkReport
from recruit_assets.extract.source import Source
from recruit_assets.extract.walk import Walk
from recruit_assets_tests.extract.simulated_api import Nature, SimulatedSource, World
from recruit_assets_tests.extract.test_walk import StartWalk

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "records", "waited", "said"),
    [
        (10, 600, False, "page 20 of 40, 600 of 1,200 records, 60 a second, about 10 s left"),
        (300, 600, False, "page 20 of 40, 600 of 1,200 records, 2 a second, about 5 min left"),
        (
            9000,
            600,
            True,
            "page 20 of 40, 600 of 1,200 records, 0 a second, about 2.5 h left, at the rate limit",
        ),
        (10, 1230, False, "page 20 of 40, 1,200 of 1,200 records, 123 a second, about 0 s left"),
        (0, 0, False, "page 20 of 40, 0 of 1,200 records, 0 a second"),
    ],
)
def test_how_far_a_walk_is(seconds: float, records: int, waited: bool, said: str) -> None:
    report = WalkReport(BEGAN, pages=20, records=records, record_count=1200)
    assert report.so_far(30, seconds, waited=waited) == said


def test_how_far_a_walk_is_that_nobody_counts() -> None:
    report = WalkReport(BEGAN, pages=2, records=60)
    assert report.so_far(30, 6, waited=False) == "2 pages, 60 records, 10 a second"


def test_what_is_proven() -> None:
    assert {each for each in Verdict if each.proven} == {Verdict.COMPLETE, Verdict.WINDOW}


def test_a_walk_says_how_far_it_is(
    walk: StartWalk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recruit_assets.extract.walk.LOG_INTERVAL", 0.0)
    with caplog.at_level(logging.INFO, "walk"):
        read = list(walk("candidates"))
    said = [each.getMessage() for each in caplog.records]
    assert len(said) == len(read)
    assert said[0].startswith("candidates: page 1 of 2, 30 of 40 records, ")


def test_a_walk_that_waits_for_nothing_names_no_limit(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recruit_assets.extract.walk.LOG_INTERVAL", 0.0)
    nature = Nature(size=2, records=9, lanes=1, window=False, newest_first=False, busy=0, ticks=1)
    source = SimulatedSource(World(nature, Random(0)))
    with caplog.at_level(logging.INFO, "simulated"):
        list(Walk(cast(Source, source)))
    assert caplog.messages
    assert not any("limit of the request budget" in each for each in caplog.messages)
