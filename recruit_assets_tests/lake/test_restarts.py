"""The catalogue's PostgreSQL is restarted between transactions and during one."""

from pathlib import Path

import pytest

from recruit_assets.errors import DatabaseChanged, DatabaseProblem
from recruit_assets.load.connection import connection, transaction
from recruit_assets_tests import lakes
from recruit_assets_tests.lake.test_writers import ROWS, merge, merge_and, names
from recruit_assets_tests.postgres import Cluster

pytestmark = pytest.mark.ring(2)


@pytest.fixture
def lake(own_cluster: Cluster, tmp_path: Path) -> Path:
    """The address of a lake with some rows."""
    lake = lakes.lake_at(tmp_path / "lake", own_cluster)
    write(lake, "first")
    return lake


def write(lake: Path, name: str) -> None:
    with connection(str(lake), {}, 1) as database, transaction(database):
        merge(database, name, range(ROWS))


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_between_transactions_a_restart_is_not_noticed(
    lake: Path, own_cluster: Cluster, mode: str
) -> None:
    own_cluster.restart(mode=mode)
    write(lake, "second")
    assert names(lake) == [("second", ROWS)]


def test_a_restart_during_a_transaction_undoes_it_and_the_next_one_succeeds(
    lake: Path, own_cluster: Cluster
) -> None:
    with pytest.raises(DatabaseChanged, match=r"The connection to the catalogue .*lost") as raised:
        merge_and(own_cluster.restart, lake)
    assert raised.value.retryable
    assert names(lake) == [("first", ROWS)]
    write(lake, "second")
    assert names(lake) == [("second", ROWS)]


def test_a_transaction_that_lost_its_turn_in_a_restart_cannot_commit(
    lake: Path, own_cluster: Cluster
) -> None:
    def another_writes() -> None:
        own_cluster.restart()
        other.execute("INSERT INTO recruit.small BY NAME SELECT 'x' AS name")

    with lakes.connect(lake) as other, pytest.raises(DatabaseChanged, match="was lost"):
        merge_and(another_writes, lake, range(ROWS, 2 * ROWS))
    assert sorted(names(lake)) == [("first", ROWS), ("x", 1)]


def test_a_catalogue_that_is_down_is_waited_for_and_named(lake: Path, own_cluster: Cluster) -> None:
    own_cluster.stop()
    try:
        with pytest.raises(DatabaseProblem, match="cannot be reached: start PostgreSQL"):
            write(lake, "second")
        with pytest.raises(DatabaseProblem, match="cannot be reached: start PostgreSQL"):
            names(lake)
    finally:
        own_cluster.start()
    write(lake, "second")
    assert names(lake) == [("second", ROWS)]
