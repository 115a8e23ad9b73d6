"""Reading the API over HTTP and JSON:API, without any knowledge of Dagster or DuckDB."""
