"""One sync with PyAirbyte and a declarative source, as the docs build one.

`python airbyte_sync.py TASK`, with the Python of an environment that has PyAirbyte; the task is the
same as in `dlt_sync`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import airbyte as ab

OBJECT = {"type": "object"}
SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "attributes": OBJECT, "relationships": OBJECT},
}


def pagination(walk: str, page_size: int) -> dict[str, Any]:
    """How the source goes from page to page."""
    if walk == "PageIncrement":
        token = {
            "type": "RequestOption",
            "inject_into": "request_parameter",
            "field_name": "page[number]",
        }
        strategy: dict[str, Any] = {"start_from_page": 1, "inject_on_first_request": True}
    else:
        token = {"type": "RequestPath"}
        strategy = {
            "cursor_value": "{{ response.links.next }}",
            "stop_condition": "{{ 'next' not in response.links }}",
        }
    return {
        "page_token_option": token,
        "pagination_strategy": {"type": walk, "page_size": page_size, **strategy},
    }


def stream(path: str, params: dict[str, str], task: dict[str, Any]) -> dict[str, Any]:
    """A list as a stream of the source."""
    retriever = {
        "type": "SimpleRetriever",
        "requester": {
            "type": "HttpRequester",
            "url_base": task["base_url"],
            "path": path,
            "request_headers": task["headers"],
            "request_parameters": {"sort": "id", **params},
        },
        "paginator": {
            "type": "DefaultPaginator",
            "page_size_option": {
                "type": "RequestOption",
                "inject_into": "request_parameter",
                "field_name": "page[size]",
            },
            **pagination(task["walk"], task["page_size"]),
        },
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
        },
    }
    return {
        "type": "DeclarativeStream",
        "name": path,
        "primary_key": "id",
        "schema_loader": {"type": "InlineSchemaLoader", "schema": SCHEMA},
        "retriever": retriever,
    }


def manifest(task: dict[str, Any]) -> dict[str, Any]:
    """The source."""
    streams = task["streams"]
    return {
        "type": "DeclarativeSource",
        "version": "6.0.0",
        "check": {"type": "CheckStream", "stream_names": list(streams)[:1]},
        "streams": [stream(path, params, task) for path, params in streams.items()],
        "spec": {"type": "Spec", "connection_specification": {"type": "object"}},
    }


def sync(task: dict[str, Any]) -> None:
    """Read the streams into tables of the schema `main`."""
    source = ab.get_source(
        "source-declarative-manifest",
        config={},
        source_manifest=manifest(task),
        streams=list(task["streams"]),
    )
    # PyAirbyte asks for a full refresh where it is to replace.
    source.read(
        ab.DuckDBCache(db_path=Path(task["database"])),
        write_strategy=task["write"],
        force_full_refresh=task["write"] == "replace",
    )


if __name__ == "__main__":
    sync(json.loads(sys.argv[1]))
