"""One sync with dlt's REST API source, as its documentation builds it.

`python dlt_sync.py TASK`, with the Python of an environment that has dlt. The task is JSON: where
to read (`base_url`, `headers`, `page_size`, `streams` as paths with their parameters), how to go
from page to page (`walk`), and where and how to write (`database`, `write`).
"""

import json
import sys
from pathlib import Path
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source

PAGINATORS: dict[str, dict[str, Any]] = {
    "page_number": {
        "type": "page_number",
        "base_page": 1,
        "page_param": "page[number]",
        "total_path": 'meta."page-count"',
    },
    "json_link": {"type": "json_link", "next_url_path": "links.next"},
}


def disposition(write: str) -> str | dict[str, str]:
    """A write disposition by its name; all but these two are strategies of `merge`."""
    if write in ("append", "replace"):
        return write
    return {"disposition": "merge", "strategy": write}


def resource(path: str, params: dict[str, str], task: dict[str, Any]) -> dict[str, Any]:
    """A list as a resource of the source."""
    return {
        "name": path,
        "primary_key": "id",
        "write_disposition": disposition(task["write"]),
        "endpoint": {
            "path": path,
            "params": {"page[size]": task["page_size"], "sort": "id", **params},
            "data_selector": "data",
        },
    }


def sync(task: dict[str, Any]) -> None:
    """Walk the streams and write them to tables of the schema `peer`."""
    database = Path(task["database"])
    source = rest_api_source(
        {
            "client": {
                "base_url": task["base_url"],
                "headers": task["headers"],
                "paginator": PAGINATORS[task["walk"]],
            },
            "resources": [resource(path, params, task) for path, params in task["streams"].items()],
        }
    )
    pipeline = dlt.pipeline(
        "peer",
        pipelines_dir=str(database.parent / "pipelines"),
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="peer",
    )
    pipeline.run(source)


if __name__ == "__main__":
    sync(json.loads(sys.argv[1]))
