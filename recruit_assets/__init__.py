"""A company's recruitment data in DuckDB, synced by Dagster."""

import os

# Arrow's default pool keeps freed memory; the C library's allocator returns it, which saves a
# tenth of a sync's memory. Arrow reads this variable at import.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
