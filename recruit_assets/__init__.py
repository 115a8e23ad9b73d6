"""A company's recruitment data in DuckDB, synced by Dagster.

`build_defs` and `RecruitComponent` add an account to a code location. The names below are imported
when they are used, and importing this package changes nothing in the process.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recruit_assets.build import build_defs as build_defs
    from recruit_assets.catalogue import Endpoint as Endpoint
    from recruit_assets.component import RecruitComponent as RecruitComponent
    from recruit_assets.endpoints import ENDPOINTS as ENDPOINTS
    from recruit_assets.io_manager import DuckDBMergeIOManager as DuckDBMergeIOManager
    from recruit_assets.resources import RecruitApi as RecruitApi
    from recruit_assets.resources import RecruitDatabase as RecruitDatabase
    from recruit_assets.settings import Settings as Settings

_MODULES = {
    "build_defs": "build",
    "Endpoint": "catalogue",
    "RecruitComponent": "component",
    "ENDPOINTS": "endpoints",
    "DuckDBMergeIOManager": "io_manager",
    "RecruitApi": "resources",
    "RecruitDatabase": "resources",
    "Settings": "settings",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
