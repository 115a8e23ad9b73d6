"""The API of a company with few candidates."""

from collections.abc import Iterator

import pytest

from recruit_assets.sandbox import Rules, Sandbox
from recruit_assets_tests.conftest import KEY, served


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The API of a company with few candidates."""
    with served(Sandbox(candidates=3, rules=Rules(key=KEY))) as sandbox:
        yield sandbox
