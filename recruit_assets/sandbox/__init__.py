"""A stand-in of the recruitment API on loopback, with an invented company inside.

It follows what is known of the API (shapes, paging, filters, errors, versions, scopes, budget) and
imports nothing from the rest of the package, so it checks the rest independently.
`python -m recruit_assets.sandbox` serves it; tests hold a `Sandbox`. Reading path: `schema`,
`invent` -> `world` -> `query`, `selection`, `paging`, `render` -> `api` -> `server`.
"""

from recruit_assets.sandbox.api import Asked
from recruit_assets.sandbox.rules import Rules
from recruit_assets.sandbox.server import Sandbox
from recruit_assets.sandbox.world import World

__all__ = ["Asked", "Rules", "Sandbox", "World"]
