"""A PostgreSQL with a password that is reached by a port, as from other machines."""

from collections.abc import Iterator

import pytest

from recruit_assets_tests.lakes import missing
from recruit_assets_tests.postgres import Cluster

PASSWORD = "s3cr/t@nobody:may%see"  # with all that an address could misread


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One for all tests of a process; `PGPASSWORD` has its password."""
    if problem := missing():
        pytest.skip(problem)
    pytest.importorskip("psycopg", reason="needs psycopg")
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("PGPASSWORD", PASSWORD)
        cluster = Cluster(password=PASSWORD)
        try:
            yield cluster
        finally:
            cluster.remove()
