"""The recruitment data of a company, complete and true, in DuckDB, run by Dagster."""

import os

# Arrow's own pool keeps the memory that it once had; the C library's gives it back, which is a
# tenth of what a sync takes. Arrow looks here when it is imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
