"""A full disk says where to make room and what is committed, and the next sync is right.

The disk is a real one of a few MB, mounted in a namespace that only one process sees.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recruit_assets.extract.rate_limit_file import UNSENT
from recruit_assets.load.disk import KEPT, UNDONE
from recruit_assets.sandbox import Sandbox
from recruit_assets_tests.conftest import settings_for
from recruit_assets_tests.load import full_disk
from recruit_assets_tests.load.full_disk import Found

MOUNT = 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"'
AS_BEFORE = "Nothing was changed."
STATES = (UNDONE, KEPT, UNSENT, AS_BEFORE)


@pytest.mark.ring(2)
@pytest.mark.parametrize(
    ("phase", "full", "states"),
    [
        ("at_first", "database", {UNDONE}),
        ("in_every_size", "database", {UNDONE, KEPT}),
        ("large_write", "database", {UNDONE}),
        ("copy", "database", {AS_BEFORE, UNDONE}),
        ("read_copy", "database", {KEPT}),
        ("report", "database", {KEPT}),
        ("counting", "temporary", {UNSENT}),
        ("staging", "temporary", {UNDONE}),
        ("spill", "temporary", {UNDONE}),
    ],
)
def test_a_full_disk_says_where_to_make_room_and_what_is_committed(
    sandbox: Sandbox, tmp_path: Path, phase: str, full: str, states: set[str]
) -> None:
    folders = {name: tmp_path / name for name in ("database", "temporary")}
    for folder in folders.values():
        folder.mkdir()
    found = list(_happened(sandbox, phase, folders[full], folders))
    count = sandbox.world.count("candidates")
    refused = [each for each in found if each.said]
    told = {state for state in STATES for each in refused if state in each.said}
    assert told == states
    for each in refused:
        assert f"no space left: make room (at {folders[full]}" in each.said
        if phase in ("at_first", "in_every_size", "staging", "counting"):
            assert each.rows == (count if KEPT in each.said else -1)
        else:
            assert each.rows == count
    assert {each.later for each in found} == {count}


def _happened(
    sandbox: Sandbox, phase: str, disk: Path, folders: dict[str, Path]
) -> Iterator[Found]:
    """What a phase finds on a small disk."""
    small = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, str(disk)]
    try:
        subprocess.run([*small, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this system lets nobody mount a small disk: {error}")
    api = json.dumps(settings_for(sandbox))
    arguments = [phase, str(disk), str(folders["database"] / "x.duckdb"), api]
    command = [*small, sys.executable, "-m", full_disk.__name__, *arguments]
    environment = os.environ | {"TMPDIR": str(folders["temporary"])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        yield Found(**json.loads(line))
