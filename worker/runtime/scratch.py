"""The folder in which a worker's environments have their temporary files.

It goes when the worker ends in order. A worker that was killed cannot remove anything, so each start looks for folders
left behind: the owner of a folder holds a lock in it, which the kernel lets go when the owner dies, in whatever way.
"""

import fcntl
import os
import secrets
import shutil
from pathlib import Path


class Scratch:
    """A new folder below `parent`, which belongs to this process until `close`."""

    def __init__(self, parent: Path) -> None:
        """Make it, and remove what dead workers left.

        Raises:
            OSError: the folder cannot be written.
        """
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_abandoned(parent)
        name = secrets.token_hex(4)
        # Locked before it gets its name, so that nobody finds it unlocked.
        unnamed = parent / f".{name}"
        unnamed.mkdir(mode=0o700)
        self._lock = os.open(unnamed / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = parent / name
        unnamed.rename(self.path)

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)  # the next worker removes what cannot be removed now
        os.close(self._lock)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob("[!.]*"):
        try:
            lock = os.open(folder / "lock", os.O_RDWR)
        except FileNotFoundError:
            shutil.rmtree(folder, ignore_errors=True)  # somebody was stopped in the middle of removing it
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue  # its owner lives
        finally:
            os.close(lock)
