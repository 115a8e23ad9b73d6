"""Several machines: Dagster's storage and queue in PostgreSQL, and two accounts in a lake."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import pytest

from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.load.connection import connection
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import KEY, Project
from recruit_assets_tests.lake.deployment import Deployment
from recruit_assets_tests.lake.server import PASSWORD
from recruit_assets_tests.postgres import USER, Cluster, program

pytestmark = pytest.mark.ring(3)

BUDGET = 20  # requests in ten seconds
ACCOUNTS = ("acme", "globex")
SYNC = ["recruit-assets", "sync", "--account", "acme", "--select", "group:acme_company"]


def variables(postgres: Cluster, sandbox: Sandbox, folder: Path) -> dict[str, str]:
    """What all machines have in their environment, of which the password is in PGPASSWORD alone."""
    inherited = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("RECRUIT_", "PG", "DAGSTER_"))
    }
    lakes = {
        f"RECRUIT_{name.upper()}_DATABASE": address_of(name, folder / "lake") for name in ACCOUNTS
    }
    return {
        **inherited,
        **lakes,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGUSER": USER,
        "PGPASSWORD": PASSWORD,
        "RECRUIT_API_BASE_URL": sandbox.base_url,
        "RECRUIT_ACME_API_KEY": KEY,
        "RECRUIT_GLOBEX_API_KEY": KEY,
        "RECRUIT_API_REQUESTS_PER_10S": str(BUDGET),
    }


def address_of(account: str, folder: Path) -> str:
    return (
        f"ducklake:postgres:dbname=lake "
        f"(DATA_PATH '{folder / account}', METADATA_SCHEMA '{account}')"
    )


def rows(address: str) -> dict[str, list[tuple[Any, ...]]]:
    """The current rows of all tables."""
    with connection(address, {}, 60) as database:
        return {
            each.name: database.execute(
                f"SELECT id, _row_hash FROM recruit.{each.name} "
                "WHERE _deleted_at IS NULL ORDER BY id"
            ).fetchall()
            for each in ENDPOINTS
        }


def waited(address: str) -> float:
    """The seconds for which syncs waited for the rate limit."""
    with connection(address, {}, 60) as database:
        ((seconds,),) = database.execute(
            "SELECT sum(seconds_waited_for_budget) FROM recruit_meta.syncs"
        ).fetchall()
    return float(seconds)


def test_two_accounts_on_two_machines_of_which_one_is_lost_and_postgresql_restarts(
    postgres: Cluster,
    sandbox: Sandbox,
    tmp_path: Path,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("dagster", "lake"):
        postgres.sql(f"CREATE DATABASE {name}")
    (tmp_path / "lake").mkdir()
    env = variables(postgres, sandbox, tmp_path)
    for name in ("PGHOST", "PGPORT", "PGUSER"):
        monkeypatch.setenv(name, env[name])
    sandbox.rules.requests_per_10s = BUDGET
    deployment = Deployment(tmp_path, env)
    with deployment.running({each: {"RECRUIT_ACCOUNTS": each} for each in ACCOUNTS}):
        lost = deployment.launch("acme", "acme_sync")
        others = [
            deployment.launch("acme", "acme_sync_company"),
            deployment.launch("globex", "globex_sync_talent"),
        ]
        os.kill(deployment.process_of(lost), signal.SIGKILL)
        for each in others:
            deployment.process_of(each)
        postgres.restart(mode="fast")
        assert deployment.outcome(lost) == "FAILURE"
        for each in others:  # which a restart may fail, if Dagster gives up its own storage
            deployment.outcome(each)
        sandbox.world.remove("candidates", next(iter(sandbox.world.table("candidates"))))
        last = [deployment.launch(each, f"{each}_sync") for each in ACCOUNTS]
        elsewhere = deployment.start("elsewhere", SYNC, {"RECRUIT_ACCOUNTS": "acme"})
        assert [deployment.outcome(each) for each in last] == ["SUCCESS", "SUCCESS"]
        assert elsewhere.wait() == 0
    asked = sandbox.requests
    assert len(asked) > 4 * BUDGET
    assert 429 not in {each.status for each in asked}
    assert sum(waited(address_of(each, tmp_path / "lake")) for each in ACCOUNTS) > 0

    sandbox.rules.requests_per_10s = 0
    reference = Project(sandbox, tmp_path / "reference.duckdb", instance)
    reference.sync_all()
    for name in ACCOUNTS:
        assert rows(address_of(name, tmp_path / "lake")) == rows(str(reference.path))
    dump = subprocess.run([program("pg_dumpall")], capture_output=True, check=True).stdout
    written = [each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()]
    for place in (dump, *written):
        assert PASSWORD.encode() not in place
        assert quote(PASSWORD, safe="").encode() not in place
