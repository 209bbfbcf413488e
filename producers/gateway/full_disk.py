"""Whether what Redis has answered is in its file, where the disk may be full.

Redis answers the commands of the moment in which its disk becomes full although it could not write them down, and
refuses all that follow until it could. If it were killed in between they would be gone, and so would be what we had
answered 202. So while there is little room, Redis is asked once more before a caller is told that something was done:
if it refuses that, the caller is told that this was not accepted for certain.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

#: With so much room, in bytes, the disk cannot have been full a moment ago.
ROOM = 64 << 20


class FullDisk:
    """Looks after the disk of the embedded server."""

    def __init__(self, folder: Path, write: Callable[[], Awaitable[object]]) -> None:
        """`folder` is the data folder; `write` is a command that Redis would refuse, and that changes nothing."""
        self._folder = folder
        self._write = write

    async def check(self) -> None:
        """Return if what Redis has answered until now is kept.

        Raises:
            RedisError: it could not be written down; or Redis is away.
        """
        found = os.statvfs(self._folder)
        if found.f_bavail * found.f_frsize < ROOM:
            await self._write()
