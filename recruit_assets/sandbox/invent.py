"""Invents the whole company: `company` and then `people` write into one draft.

From a size and a seed to finished tables, which `world` takes over.
"""

from random import Random

from recruit_assets.sandbox.company import build_company
from recruit_assets.sandbox.draft import Draft, Tables
from recruit_assets.sandbox.people import build_people


def build(candidates: int, seed: int) -> Tables:
    """The company with that many candidates: the same for the same seed, in any process."""
    draft = Draft(Random(seed))
    build_company(draft, candidates)
    build_people(draft, candidates)
    return draft.tables
