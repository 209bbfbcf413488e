"""A snapshot of the embedded server's data: taken while it runs, and put in place for a server that starts.

The server's own truth is its append-only file, which goes on changing. A snapshot (RDB) is one moment, and a server
writes it beside its work. Nobody starts from a snapshot that runs with an append-only file, so it is put in place as
the base of one.
"""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from redis import Redis
from redis.exceptions import ResponseError

from config.redis import ServerProgram

#: Since this version the append-only file is a folder of files with a manifest.
_MANIFEST_SINCE = (7, 0)

#: How often the server is asked whether it has written its snapshot, in seconds.
_ASK = 0.05


class SnapshotFailed(Exception):
    """Raised when the server could not write its snapshot. The text says why."""


def take(redis: Redis, folder: Path, pause: Callable[[float], object]) -> Callable[[], Path]:
    """Let the server that keeps its data in `folder` begin a snapshot; return what waits for it, and gives its path.

    What is there at the moment of the call is in it. `pause` waits for so many seconds.

    Raises:
        SnapshotFailed: it could not begin; or, when it is waited for, not write it.
    """
    path = folder / "dump.rdb"
    before = _identity(path)
    deadline = time.monotonic() + 600
    while True:
        try:
            redis.bgsave()
            break
        except ResponseError as error:  # another one is under way, or the append-only file is being rewritten
            if time.monotonic() > deadline or "progress" not in str(error):
                raise SnapshotFailed(f"The server did not begin a snapshot: {error}") from None
            pause(_ASK)

    def wait() -> Path:
        while (info := redis.info("persistence"))["rdb_bgsave_in_progress"]:
            pause(_ASK)
        if info["rdb_last_bgsave_status"] != "ok" or _identity(path) == before:
            raise SnapshotFailed("The server could not write its snapshot; its log in the data folder says why.")
        return path

    return wait


def place(snapshot: Path, folder: Path, program: ServerProgram) -> None:
    """Put a snapshot into the empty folder of a server, so that the server starts with it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _version(program) < _MANIFEST_SINCE:
        shutil.copyfile(snapshot, folder / "appendonly.aof")
        return
    parts = folder / "appendonlydir"
    parts.mkdir(mode=0o700)
    shutil.copyfile(snapshot, parts / "appendonly.aof.1.base.rdb")
    (parts / "appendonly.aof.manifest").write_text("file appendonly.aof.1.base.rdb seq 1 type b\n")


def _identity(path: Path) -> tuple[int, int] | None:
    """What changes with each snapshot: the server replaces the file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _version(program: ServerProgram) -> tuple[int, ...]:
    match = re.search(r"(\d+)\.(\d+)", program.name)
    return tuple(map(int, match.groups())) if match else ()
