"""A lake of its own for each test, with its catalogue in PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from recruit_assets.sandbox import Sandbox
from recruit_assets_tests import lakes
from recruit_assets_tests.conftest import Project
from recruit_assets_tests.lake.server import postgres
from recruit_assets_tests.postgres import Cluster

__all__ = ["lake", "own_cluster", "postgres", "project"]


def _need_lakes() -> None:
    if problem := lakes.missing():
        pytest.skip(problem)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """The address of a lake that does not exist yet."""
    _need_lakes()
    return lakes.lake_at(tmp_path / "lake")


@pytest.fixture
def project(sandbox: Sandbox, lake: Path, instance: dg.DagsterInstance) -> Project:
    """The project in front of the sandbox, with a lake."""
    return Project(sandbox, lake, instance)


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[Cluster]:
    """A PostgreSQL that a test may stop, as no other uses it."""
    _need_lakes()
    cluster = Cluster()
    yield cluster
    cluster.remove()
