"""DuckDB's extensions for lakes, from the wheels of the extra `lake`, and its secret for S3."""

import os
from importlib.util import find_spec
from pathlib import Path

import duckdb

from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.sql import literal

SUPPORTED = "1.5.5"  # version of DuckDB for which the extensions exist as wheels


def extension(name: str) -> str:
    """Return the path of an extension of DuckDB in its wheel.

    Raises:
        DatabaseProblem: it is not installed, or is for another DuckDB.
    """
    found = find_spec(f"duckdb_extension_{name}")
    places = list(found.submodule_search_locations or ()) if found else []
    files = [
        file
        for place in places
        for file in Path(place).glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension")
    ]
    if not files:
        raise DatabaseProblem(
            f"A lake needs DuckDB {SUPPORTED} and its extensions, and this is DuckDB "
            f"{duckdb.__version__}: run pip install 'recruit-assets[lake]'."
        )
    return str(files[0])


def s3_secret() -> str:
    """Return the options of DuckDB's secret for S3, which finds keys as AWS's own tools do.

    Its extension does not know the variable for the address of another storage with this protocol.
    """
    options = ["TYPE s3", "PROVIDER credential_chain", "REFRESH auto"]
    if address := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        scheme, _, host = address.rstrip("/").rpartition("://")
        options += [f"ENDPOINT {literal(host)}", f"USE_SSL {scheme != 'http'}", "URL_STYLE 'path'"]
    return ", ".join(options)
