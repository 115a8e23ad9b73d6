"""Writing to DuckDB: merging rows into tables, without any knowledge of HTTP or Dagster."""
