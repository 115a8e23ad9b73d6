"""The recruitment data of a company, complete and true, in DuckDB, run by Dagster."""
