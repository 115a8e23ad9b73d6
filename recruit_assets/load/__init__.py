"""Writing to DuckDB: rows in, a merged table out, knowing neither HTTP nor Dagster."""
