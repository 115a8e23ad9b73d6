"""Reading the API: HTTP and JSON:API, knowing neither Dagster nor DuckDB."""
