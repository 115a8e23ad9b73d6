"""A sandbox to read from, shared; a sandbox of one's own, to change; and a client for either."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests.conftest import served

HEADERS = {"api": "sandbox-key", "X-Api-Version": "20240904"}


class Client:
    """Asks a sandbox as a user of the API would."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()

    def get(
        self, path: str, headers: dict[str, str] | None = None, /, **parameters: Any
    ) -> requests.Response:
        """GET a path, or a whole link; parameters replace `__` by brackets, `_` by hyphens."""
        url = path if path.startswith("http") else self.sandbox.base_url + path
        query = {_spelled(name): value for name, value in parameters.items()}
        sent = HEADERS if headers is None else headers
        return self.session.get(url, params=query, headers=sent, timeout=60)

    def data(self, path: str, **parameters: Any) -> Any:
        """The data of a good answer."""
        response = self.get(path, **parameters)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def ids(self, path: str, **parameters: Any) -> list[str]:
        """The ids of one page of a list, 30 at the most."""
        return [each["id"] for each in self.data(path, **{"page__size": 30} | parameters)]

    def error(self, path: str, **parameters: Any) -> dict[str, Any]:
        """The only error of a bad answer."""
        [error] = self.get(path, **parameters).json()["errors"]
        return dict(error)


def _spelled(name: str) -> str:
    """`filter__created_at__from` as `filter[created-at][from]`."""
    first, *rest = name.split("__")
    return first + "".join(f"[{part.replace('_', '-')}]" for part in rest)


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    """A sandbox that no test changes."""
    with Sandbox(candidates=70).serve() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def api(shared: Sandbox) -> Iterator[Client]:
    """A client of the sandbox that no test changes."""
    client = Client(shared)
    with client.session:
        yield client


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of the test's own."""
    with served(Sandbox(candidates=40, rules=Rules(control=True))) as sandbox:
        yield sandbox


@pytest.fixture
def own(sandbox: Sandbox) -> Iterator[Client]:
    """A client of the test's own sandbox."""
    client = Client(sandbox)
    with client.session:
        yield client
