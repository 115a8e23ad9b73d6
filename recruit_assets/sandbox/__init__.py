"""A fake of the recruitment API on loopback, with the data of an invented company.

It implements the known behaviour of the API (shapes, paging, filters, errors, versions, scopes,
rate limit) and imports nothing from the rest of the package, so it checks the rest independently.
`python -m recruit_assets.sandbox` serves it; tests use a `Sandbox`. Reading path: `schema`,
`invent` -> `world` -> `query`, `selection`, `paging`, `render` -> `api` -> `server`.
"""

from recruit_assets.sandbox.api import Asked
from recruit_assets.sandbox.rules import Rules
from recruit_assets.sandbox.server import Sandbox
from recruit_assets.sandbox.world import World

__all__ = ["Asked", "Rules", "Sandbox", "World"]
