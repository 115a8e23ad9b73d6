"""One sync of the regions with PyAirbyte and a declarative source, as the docs build one.

`python airbyte_sync.py BASE_URL HEADERS DATABASE WALK WRITE`; headers in JSON. `peers` runs it,
with the Python of an environment that has PyAirbyte.
"""

import json
import sys
from pathlib import Path
from typing import Any

import airbyte as ab

PAGE_SIZE = 20
PAGINATION: dict[str, dict[str, Any]] = {
    "PageIncrement": {
        "page_token_option": {
            "type": "RequestOption",
            "inject_into": "request_parameter",
            "field_name": "page[number]",
        },
        "pagination_strategy": {
            "type": "PageIncrement",
            "start_from_page": 1,
            "page_size": PAGE_SIZE,
            "inject_on_first_request": True,
        },
    },
    "CursorPagination": {
        "page_token_option": {"type": "RequestPath"},
        "pagination_strategy": {
            "type": "CursorPagination",
            "cursor_value": "{{ response.links.next }}",
            "stop_condition": "{{ 'next' not in response.links }}",
            "page_size": PAGE_SIZE,
        },
    },
}


def manifest(base_url: str, headers: dict[str, str], walk: str) -> dict[str, Any]:
    """A source with one stream, the regions in pages of 20."""
    schema = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "attributes": {"type": "object"}},
    }
    retriever = {
        "type": "SimpleRetriever",
        "requester": {
            "type": "HttpRequester",
            "url_base": base_url,
            "path": "regions",
            "request_headers": headers,
            "request_parameters": {"sort": "id"},
        },
        "paginator": {
            "type": "DefaultPaginator",
            "page_size_option": {
                "type": "RequestOption",
                "inject_into": "request_parameter",
                "field_name": "page[size]",
            },
            **PAGINATION[walk],
        },
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
        },
    }
    stream = {
        "type": "DeclarativeStream",
        "name": "regions",
        "primary_key": "id",
        "schema_loader": {"type": "InlineSchemaLoader", "schema": schema},
        "retriever": retriever,
    }
    return {
        "type": "DeclarativeSource",
        "version": "6.0.0",
        "check": {"type": "CheckStream", "stream_names": ["regions"]},
        "streams": [stream],
        "spec": {"type": "Spec", "connection_specification": {"type": "object"}},
    }


def sync(base_url: str, headers: dict[str, str], database: Path, walk: str, write: str) -> None:
    """Read the regions into the table `main.regions`."""
    source = ab.get_source(
        "source-declarative-manifest",
        config={},
        source_manifest=manifest(base_url, headers, walk),
        streams=["regions"],
    )
    # PyAirbyte asks for a full refresh where it is to replace.
    source.read(
        ab.DuckDBCache(db_path=database),
        write_strategy=write,
        force_full_refresh=write == "replace",
    )


if __name__ == "__main__":
    sync(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
