"""A full disk says where to make room and what is committed, and the next sync is right.

The disk is a real one of a few MB, mounted in a namespace that only one program sees.
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from recruit_assets.extract.rate_limit_file import UNSENT
from recruit_assets.load.disk import KEPT, UNDONE
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import settings_for
from recruit_assets_tests.load import full_disk
from recruit_assets_tests.load.full_disk import MOUNT, PHASES, Found
from recruit_assets_tests.rings import FULL

APART = ("unshare", "--map-root-user", "--mount")
AS_BEFORE = "Nothing was changed."
STATES = (UNDONE, KEPT, UNSENT, AS_BEFORE)
TOLD = {
    "at_first": ("database", {UNDONE}),
    "in_every_size": ("database", {UNDONE, KEPT}),
    "large_write": ("database", {UNDONE}),
    "copy": ("database", {AS_BEFORE, UNDONE}),
    "read_copy": ("database", {KEPT}),
    "report": ("database", {KEPT}),
    "parquet": ("database", {KEPT}),
    "counting": ("temporary", {UNSENT}),
    "staging": ("temporary", {UNDONE}),
    "spill": ("temporary", {UNDONE}),
}


@pytest.mark.ring(2)
@FULL
def test_a_full_disk_says_where_to_make_room_and_what_is_committed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    happened = _happened(sandbox, tmp_path)
    count = sandbox.world.count("candidates")
    assert happened.keys() == TOLD.keys() == PHASES.keys()
    for phase, (full, states) in TOLD.items():
        found = happened[phase]
        refused = [each for each in found if each.said]
        assert {state for state in STATES for each in refused if state in each.said} == states
        for each in refused:
            assert f"no space left: make room (at {tmp_path / phase / full}" in each.said
            if phase in ("at_first", "in_every_size", "staging", "counting"):
                assert each.rows == (count if KEPT in each.said else -1), phase
            else:
                assert each.rows == count, phase
        assert {each.later for each in found} == {count}, phase


def _happened(sandbox: Sandbox, folder: Path) -> dict[str, list[Found]]:
    """What each phase finds on a small disk."""
    try:
        subprocess.run([*APART, *MOUNT, folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this system lets nobody mount a small disk: {error}")
    disks = json.dumps({phase: full for phase, (full, _) in TOLD.items()})
    arguments = [str(folder), json.dumps(settings_for(sandbox)), disks]
    command = [*APART, sys.executable, "-m", full_disk.__name__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    happened = defaultdict[str, list[Found]](list)
    for line in done.stdout.splitlines():
        phase, found = json.loads(line)
        happened[phase].append(Found(**found))
    return happened
