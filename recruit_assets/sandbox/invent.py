"""Generation of the whole company: `company`, `people`, `around` and `activities` fill one draft.

Turns a size and a seed into finished tables, which `world` takes over.
"""

from datetime import datetime
from random import Random

from recruit_assets.sandbox.activities import build_activities
from recruit_assets.sandbox.around import build_around
from recruit_assets.sandbox.company import build_company
from recruit_assets.sandbox.draft import Draft, Tables
from recruit_assets.sandbox.people import build_people
from recruit_assets.sandbox.times import NOW, in_ms


def build(candidates: int, seed: int, now: datetime = NOW) -> Tables:
    """Build the company with that many candidates: the same for the same seed and present."""
    draft = Draft(Random(seed), in_ms(now))
    build_company(draft, candidates)
    build_people(draft, candidates)
    build_around(draft, Random(f"{seed} around"))
    build_activities(draft, Random(f"{seed} activities"))
    return draft.tables
