"""One sync of the regions with dlt's REST API source, as its documentation builds it.

`python dlt_sync.py BASE_URL HEADERS DATABASE WALK WRITE`; headers in JSON. `peers` runs it, with
the Python of an environment that has dlt.
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


def sync(base_url: str, headers: dict[str, str], database: Path, walk: str, write: str) -> None:
    """Walk the regions in pages of 20 and write them to the table `peer.regions`."""
    source = rest_api_source(
        {
            "client": {"base_url": base_url, "headers": headers, "paginator": PAGINATORS[walk]},
            "resources": [
                {
                    "name": "regions",
                    "primary_key": "id",
                    "write_disposition": disposition(write),
                    "endpoint": {
                        "path": "regions",
                        "params": {"page[size]": 20, "sort": "id"},
                        "data_selector": "data",
                    },
                }
            ],
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
    sync(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
