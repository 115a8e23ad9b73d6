"""The folder in which the processes of a user on this machine coordinate."""

import os
from pathlib import Path
from tempfile import gettempdir

from recruit_assets.errors import BadSetting


def private_folder() -> Path:
    """Return a folder that only this user can use, and all processes of the user can find.

    Raises:
        BadSetting: it cannot be created, or belongs to another user.
    """
    folder = Path(gettempdir()) / f"recruit-assets-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise BadSetting(
            f"There is no folder in which processes can coordinate ({error}): set TMPDIR."
        ) from error
    if folder.is_symlink() or status.st_uid != os.getuid():
        raise BadSetting(
            f"{folder} belongs to another user: remove it, or set TMPDIR to another folder."
        )
    return folder
