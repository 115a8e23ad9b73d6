"""What happens in the company from one day to the next, for the demo.

Changes a world as users of the real API would; `invent` makes the company before that.
"""

from datetime import datetime
from random import Random

from recruit_assets.sandbox.times import wire
from recruit_assets.sandbox.world import World

SHARE = 100  # one record of this many changes
REMOVED = {"todos": 3, "referrals": 1}  # of types that every sync lists in full


def pass_day(world: World, number: int, moment: datetime) -> tuple[int, int]:
    """Change a hundredth of candidates, applications and notes, and remove a few records.

    Args:
        world: the company; the same one is changed in the same way.
        number: the number of the day, which chooses the records.
        moment: when they change.

    Returns:
        How many records were changed, and how many removed.
    """
    rng, now = Random(number), wire(moment)
    reason = rng.choice(list(world.table("reject-reasons")))
    candidates = _some(rng, world, "candidates", list(world.table("candidates")))
    for id_ in candidates:
        tags = world.table("candidates")[id_]["attributes"]["tags"]
        world.change("candidates", id_, {"tags": [*tags, f"day {number}"], "updated-at": now})
    rejected = _some(rng, world, "job-applications", _active(world))
    for id_ in rejected:
        at = {"rejected-at": now, "updated-at": now}
        world.change("job-applications", id_, at, {"reject-reason": reason})
    written = _some(rng, world, "notes", list(world.table("notes")))
    for id_ in written:
        world.change("notes", id_, {"note": f"Called on day {number}.", "updated-at": now})
    removed = 0
    for type_, count in REMOVED.items():
        for id_ in rng.sample(list(world.table(type_)), min(count, world.count(type_))):
            world.remove(type_, id_)
            removed += 1
    return len(candidates) + len(rejected) + len(written), removed


def _some(rng: Random, world: World, type_: str, ids: list[str]) -> list[str]:
    """Return a hundredth of the records of a type, from these."""
    return rng.sample(ids, min(len(ids), max(1, world.count(type_) // SHARE)))


def _active(world: World) -> list[str]:
    """Return the applications that are neither rejected nor hired."""
    stages = world.table("stages")
    return [
        id_
        for id_, record in world.table("job-applications").items()
        if record["attributes"]["rejected-at"] is None
        and stages[record["relationships"]["stage"]["id"]]["attributes"]["legacy-stage-type-name"]
        != "Hired"
    ]
