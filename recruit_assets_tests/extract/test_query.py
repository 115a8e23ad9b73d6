"""What a walk asks with."""

from urllib.parse import parse_qsl

import pytest

from recruit_assets.catalogue import Endpoint
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.extract.query import Query


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
def test_every_process_asks_in_the_same_order(endpoint: Endpoint) -> None:
    asked = [name for name, _ in parse_qsl(Query.everything(endpoint).page(1))]
    stubs = [name for name in asked if name.startswith("fields[")]
    assert stubs == sorted(stubs)
