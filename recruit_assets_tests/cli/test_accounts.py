"""Several accounts in one `.env`: whose settings count, and the option `--account`."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from recruit_assets.cli.main import main
from recruit_assets.definitions import defs
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.environment import account_names, account_problems
from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets.settings import Settings
from recruit_assets.variables import holds_a_secret, unknown_variables, variables
from recruit_assets_tests.cli.test_command_line import environment
from recruit_assets_tests.conftest import KEY, served
from recruit_assets_tests.rings import FULL

OTHER = f"{KEY}-of-globex"
COMMAND = Path(sys.executable).with_name("recruit-assets")
Typed = Callable[..., tuple[int, str]]


@pytest.fixture
def accounts(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two accounts in the environment, each in front of an API of its own."""
    with served(Sandbox(5, rules=Rules(key=OTHER))) as other:
        exported = environment(
            sandbox,
            tmp_path,
            RECRUIT_API_KEY="",
            RECRUIT_DATABASE="",
            RECRUIT_ACCOUNTS="acme, globex",
            RECRUIT_ACME_API_KEY=KEY,
            RECRUIT_GLOBEX_API_KEY=OTHER,
            RECRUIT_GLOBEX_API_BASE_URL=other.base_url,
        )
        for name in os.environ.keys() - exported.keys():
            monkeypatch.delenv(name)
        for name, value in exported.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield


@pytest.fixture
def typed(accounts: None, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Runs the command for an account."""

    def run(*words: str, account: str = "") -> tuple[int, str]:
        try:
            code = main([*words, *(["--account", account] if account else [])])
        except SystemExit as refused:
            code = int(refused.code or 0)
        said = "".join(capsys.readouterr())
        assert KEY not in said
        return code, " ".join(said.split())

    return run


def synced(select: str) -> tuple[int, str]:
    """Sync assets of acme, in a process that loads the definitions of these accounts."""
    ended = subprocess.run(
        [COMMAND, "sync", "--select", select, "--account", "acme"],
        capture_output=True,
        text=True,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert KEY not in said
    return ended.returncode, " ".join(said.split())


def tables(path: Path) -> list[str]:
    with duckdb.connect(str(path), read_only=True) as database:
        found = database.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'recruit'"
        ).fetchall()
    return [name for (name,) in found]


@pytest.mark.ring(2)
@FULL
def test_the_commands_take_an_account(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = typed("sync")
    assert code == 2
    assert "There are several accounts: choose with --account one of acme, globex." in said
    code, said = typed("status", account="initech")
    assert code == 2
    assert "RECRUIT_ACCOUNTS does not name the account initech: it names acme, globex." in said

    code, said = synced("jobs, acme/users,group:forms")
    assert (code, said[:5]) == (0, "table")
    forms = {each.name for each in ENDPOINTS if each.group == "forms"}
    assert set(tables(tmp_path / "acme.duckdb")) == {"jobs", "users", *forms} != {"jobs", "users"}
    code, said = synced("globex/jobs")
    assert code == 1
    assert "--select globex/jobs: globex/jobs matches no asset of the account" in said
    assert not (tmp_path / "globex.duckdb").exists()

    code, said = typed("status", account="globex")
    assert "There is no globex.duckdb yet" in said
    monkeypatch.setenv("RECRUIT_GLOBEX_API_KEI", "x")
    code, said = typed("doctor", account="globex")
    assert code == 1
    assert "RECRUIT_GLOBEX_API_KEI is not a setting" in said
    assert "did you mean RECRUIT_GLOBEX_API_KEY?" in said


def test_the_settings_of_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECRUIT_API_KEY", "never-shared")
    monkeypatch.setenv("RECRUIT_DATABASE", "never-shared.duckdb")
    monkeypatch.setenv("RECRUIT_FAILURE_WEBHOOK", "https://never-shared.example.com")
    monkeypatch.setenv("RECRUIT_API_CONCURRENCY", "2")
    monkeypatch.setenv("RECRUIT_API_VERSION", "20240101")
    monkeypatch.setenv("RECRUIT_ACME_API_VERSION", "20250101")
    settings = Settings.from_environment("acme")
    assert (settings.concurrency, settings.version) == (2, "20250101")
    assert (settings.key, settings.failure_webhook, settings.database) == ("", "", "acme.duckdb")
    assert settings.problems == [
        "RECRUIT_ACME_API_KEY is empty: export it or set it in .env (which takes precedence, even "
        "with an empty value)."
    ]
    names = {each.field: each.name for each in variables("acme")}
    assert names["concurrency"] == "RECRUIT_API_CONCURRENCY"
    assert names["version"] == "RECRUIT_ACME_API_VERSION"
    assert names["base_url"] == "RECRUIT_ACME_API_BASE_URL"


def test_a_key_of_any_account_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECRUIT_ACME_API_KEY", "quite a secret")
    assert holds_a_secret("see quite a secret", only_known=True)


def test_accounts_that_cannot_be_names_are_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECRUIT_ACCOUNTS", "acme,,Globex Corp, acme,\x1b[31m")
    assert account_names() == ["acme"]
    found = account_problems()
    assert found[0].startswith("RECRUIT_ACCOUNTS has 'Globex Corp': write names of lowercase")
    assert len(found) == 2
    assert "\x1b" not in found[1]
    assert Settings.from_environment("acme").problems[:2] == found
    monkeypatch.setenv("RECRUIT_ACCOUNTS", " , ")
    assert account_names() == [""]
    assert account_problems() == []


def test_unknown_variables_of_accounts() -> None:
    names = [
        "RECRUIT_ACCOUNTS",
        "RECRUIT_ACME_DATABASE",
        "RECRUIT_ACME_DATABSE",
        "RECRUIT_DATABASE",
        "PATH",
    ]
    assert unknown_variables(names, ["acme"]) == {"RECRUIT_ACME_DATABSE": "RECRUIT_ACME_DATABASE"}
    assert set(unknown_variables(names, [""])) == {"RECRUIT_ACME_DATABASE", "RECRUIT_ACME_DATABSE"}


def test_without_accounts_names_are_short() -> None:
    assert "RECRUIT_ACCOUNTS" not in os.environ
    assert "sync" in {job.name for job in defs.resolve_all_job_defs()}
