import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from recruit_assets.catalogue import Kind
from recruit_assets.errors import DatabaseProblem
from recruit_assets.load.scratch import FOLDER, LOCK, clear_leftovers
from recruit_assets.load.stage import Stage

LEAVE = """
import os
from recruit_assets.load.stage import Stage
stage = Stage()
print(stage._folder.path, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where temporary files go."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_rows_are_gone_when_they_are_no_longer_needed(temporary: Path) -> None:
    with Stage() as stage:
        stage.add(pa.table({"id": ["1"]}), {"id": Kind.KEY}, [0])
        stage.flush()
        assert list(temporary.glob("*/*.parquet"))
    assert not list(temporary.iterdir())


def test_what_a_killed_run_left_is_removed_by_the_next(temporary: Path) -> None:
    env = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run(
        [sys.executable, "-c", LEAVE], env=env, stdout=subprocess.PIPE, check=False
    )
    left = Path(done.stdout.decode().strip())
    assert left.is_dir()
    with Stage() as stage:  # sweeps, as does the next
        assert not left.exists()
        clear_leftovers()
        stage.add(pa.table({"id": ["1"]}), {"id": Kind.KEY}, [0])
        stage.flush()
    assert not list(temporary.iterdir())


def test_a_lock_that_leads_elsewhere_spoils_nothing(temporary: Path) -> None:
    precious = temporary / "precious"
    precious.write_text("hours of work")
    planted = temporary / f"{FOLDER}planted"
    planted.mkdir()
    (planted / LOCK).symlink_to(precious)
    clear_leftovers()
    assert precious.read_text() == "hours of work"


def test_a_folder_that_is_missing_is_a_sentence(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary / "missing"))
    with pytest.raises(DatabaseProblem, match="set TMPDIR to a folder with room"):
        Stage()


def test_a_folder_is_left_to_its_run_while_it_is_made(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, swept = fcntl.flock, list[int]()

    def swept_just_before(file: int, operation: int) -> None:
        if not swept:
            swept.append(file)
            clear_leftovers()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", swept_just_before)
    with Stage() as stage:
        assert swept
        stage.add(pa.table({"id": ["1"]}), {"id": Kind.KEY}, [0])
        stage.flush()
