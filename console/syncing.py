"""Has what the embedded server writes reach the disk once a second, so that a loss of power takes one second at most.

The server could do that itself (`appendfsync everysec`), but then it holds back what it writes for as long as the disk
is busy with the second before, up to two seconds, and answers all the same: whoever killed it in that moment took
events along that had been accepted. So it writes before it answers (`appendfsync no`), and the disk is waited for here.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

#: How often, in seconds.
EVERY = 1.0


class Syncing:
    """Brings one server's append-only files to the disk. A server that is away is no trouble: its files stay."""

    def __init__(self, folder: Path, say: Callable[[str], None], sync: Callable[[int], None] = os.fsync) -> None:
        """`folder` is the server's; `say` is called with a line for a person when the disk begins to fail."""
        self._folder = folder
        self._say = say
        self._sync = sync
        self._synced: dict[Path, tuple[int, int] | None] = {}  # file -> its size and time of change when it was synced
        self._has_failed = False

    async def keep_on(self) -> None:
        """Do it until cancelled. A disk that is slow is waited for in a thread."""
        while True:
            await asyncio.to_thread(self.round)
            await asyncio.sleep(EVERY)

    def round(self) -> None:
        """Bring to the disk what was written since the last round."""
        try:
            # Since version 7 the file is a folder of files; before, it is one.
            paths = [*self._folder.glob("*.aof"), *self._folder.glob("*/*.aof")]
            self._synced = {path: self._sync_file(path) for path in paths}
        except OSError as error:
            if not self._has_failed:
                self._say(f"what Redis writes cannot be brought to the disk ({error}); a loss of power would take it.")
            self._has_failed = True
        else:
            self._has_failed = False

    def _sync_file(self, path: Path) -> tuple[int, int] | None:
        """Bring one file to the disk, if it has changed; return its size and time of change. None: it is gone."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None  # the server has written its file anew, and removed the old one
        try:
            found = os.fstat(descriptor)
            state = found.st_size, found.st_mtime_ns
            if self._synced.get(path) != state:
                self._sync(descriptor)
            return state
        finally:
            os.close(descriptor)
