"""A lake whose files are on S3, by a server with its protocol."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.compact import compact
from recruit_assets.load.connection import connection, transaction
from recruit_assets.load.destination import destination
from recruit_assets.load.extensions import extension
from recruit_assets.load.reading import is_made, reading

pytestmark = pytest.mark.ring(3)

moto = pytest.importorskip("moto.server", reason="needs moto")
boto3 = pytest.importorskip("boto3", reason="needs boto3")


class Bucket:
    """A bucket that a server in this process has."""

    def __init__(self, address: str) -> None:
        self._client = boto3.client("s3", endpoint_url=address)
        self._client.create_bucket(Bucket="lake")

    def names(self) -> list[str]:
        found = self._client.list_objects(Bucket="lake").get("Contents", [])
        return sorted(each["Key"] for each in found)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket, whose keys and address are in the environment."""
    try:
        extension("ducklake"), extension("httpfs"), extension("aws")
    except DatabaseProblem as problem:
        pytest.skip(str(problem))
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "s3cret-nobody-may-see",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        yield Bucket(f"http://{host}:{port}")
    finally:
        server.stop()


def test_its_files_are_on_s3(bucket: Bucket, tmp_path: Path) -> None:
    address = f"ducklake:sqlite:{tmp_path}/lake.sqlite (DATA_PATH 's3://lake/recruit')"
    assert not is_made(address)
    with connection(address, {}, 1) as database, transaction(database):
        database.execute("CREATE SCHEMA recruit")
        database.execute("CREATE TABLE recruit.jobs AS SELECT range AS id FROM range(1000)")
    with connection(address, {}, 1) as database, transaction(database):
        database.execute("DELETE FROM recruit.jobs WHERE id >= 500")
    with reading(address, 1) as database:
        assert database.execute("SELECT count(*) FROM recruit.jobs").fetchall() == [(500,)]
    written = bucket.names()
    assert all(re.match(r"recruit/[0-9a-f]{32}/recruit/jobs/", each) for each in written)
    sizes = compact(address, 1)
    assert sizes.before > sizes.after
    assert len(bucket.names()) == 1
    assert not set(bucket.names()) & set(written)
    assert {each.name for each in tmp_path.iterdir()} == {"lake.sqlite", "lake.sqlite.lock"}


def test_the_report_is_written_where_the_run_is() -> None:
    assert destination("ducklake:postgres:host=db (DATA_PATH 's3://a/hiring')").beside == Path(
        "hiring"
    )
