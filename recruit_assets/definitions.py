"""The definitions of this project as a code location of its own, with the accounts in `.env`.

To add it to a code location that exists, use `build_defs` or `RecruitComponent`. Here the process
is ours, so it is tuned for syncs.
"""

# ruff: noqa: E402 - the imports after the tuning take less time with it

import gc

import dagster as dg
import pyarrow as pa

# Arrow's default pool keeps freed memory; the C library's allocator returns it, which saves a tenth
# of a sync's memory. Records hold no cycles, and looking for them costs a tenth of its time.
pa.set_memory_pool(pa.system_memory_pool())
gc.set_threshold(20_000, 20, 20)

from recruit_assets.build import build_defs
from recruit_assets.environment import account_names
from recruit_assets.settings import Settings

defs = dg.Definitions.merge(
    *(build_defs(Settings.from_environment(each), key_prefix=each) for each in account_names()),
    # By default each step would get a process, which takes two seconds to start.
    dg.Definitions(executor=dg.in_process_executor),
)
