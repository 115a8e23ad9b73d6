"""The files in `deploy`: compose accepts them, and the containers start what there is."""

import re
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from recruit_assets.environment import PREFIX
from recruit_assets.load.destination import destination
from recruit_assets.load.lake import Lake
from recruit_assets_tests.test_operations import options
from recruit_assets_tests.test_readme import PAGES, ROOT

pytestmark = pytest.mark.ring(2)
DEPLOY = ROOT / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def copied() -> dict[str, list[str]]:
    """What the image has from this repository, by place."""
    lines = [each.split()[1:] for each in DOCKERFILE.splitlines() if each.startswith("COPY")]
    plain = [[word for word in words if not word.startswith("--")] for words in lines]
    return {words[-1]: words[:-1] for words in plain}


def test_compose_accepts_the_file() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its models
        compose_spec = pytest.importorskip("compose_spec", reason="needs compose-spec")
        settings = compose_spec.PyOptions(apply_merge=True)
        found = settings.from_yaml(COMPOSE)
    found.validate()
    assert set(found.service_names()) == set(SERVICES)
    with pytest.raises(ValueError, match="helthcheck"):
        settings.from_yaml(COMPOSE.replace("healthcheck", "helthcheck"))


def test_the_containers_start_what_there_is() -> None:
    assert SERVICES.keys() == {"postgres", "code", "webserver", "daemon"}
    code = options(SERVICES["code"]["command"])
    assert find_spec(code["module_name"])
    assert options(SERVICES["code"]["healthcheck"]["test"])["port"] == code["port"]
    (location,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"]
    assert location["grpc_server"]["host"] in SERVICES
    assert str(location["grpc_server"]["port"]) == code["port"]
    for name in ("webserver", "daemon"):
        assert list(options(SERVICES[name]["command"])["workspace"]) == ["workspace.yaml"]
    assert options(SERVICES["daemon"]["healthcheck"]["test"]) == {}
    assert all("healthcheck" in each for each in SERVICES.values())
    lake = destination(SERVICES["code"]["environment"]["RECRUIT_DATABASE"])
    assert isinstance(lake, Lake)
    assert lake.catalogue == f"dbname={SERVICES['postgres']['environment']['POSTGRES_DB']}"
    assert [f"lake:{Path(lake.data_path).parent}"] == SERVICES["code"]["volumes"]


def test_the_image_has_no_secret_and_another_user_than_root() -> None:
    sources = [source for each in copied().values() for source in each]
    assert all((ROOT / source).exists() for source in sources)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {each[1:] for each in ignored if each.startswith("!")} == set(sources)
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["recruit"]
    names = re.findall(r"^(\w+)=(.*)$", (DEPLOY / ".env.example").read_text(), re.MULTILINE)
    assert all(name.startswith(PREFIX) or name == "PGPASSWORD" for name, _ in names)
    assert not any(text for _, text in names)
    for each in SERVICES.values():
        for name, text in each["environment"].items():
            assert "PASSWORD" not in name or text == "${PGPASSWORD:?set it in .env}"


def test_the_instance_has_its_database_and_no_password() -> None:
    written: dict[str, Any] = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    assert "password" not in str(written).lower()
    url = written["storage"]["postgres"]["postgres_url"]
    created = (DEPLOY / "create-databases.sql").read_text()
    assert f"CREATE DATABASE {url.rpartition('/')[2]};" in created
    page = PAGES["docs/several-machines.md"]
    (shown,) = re.findall(r"```yaml dagster.yaml\n(.+?)```", page, re.DOTALL)
    assert yaml.safe_load(shown) == written


def test_the_commands_of_the_page_exist() -> None:
    table = PAGES["docs/several-machines.md"].partition("| process |")[2].partition("\n\n")[0]
    commands = re.findall(r"`(.+?)`", table)
    assert len(commands) == 3
    assert all(options(command) for command in commands)
