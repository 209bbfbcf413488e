"""The server programs that this machine has: the bundled one, and all that lie on the PATH."""

import os
from pathlib import Path

from config.redis import OLDEST_SERVER, ServerProgram, find_server, version_of


def programs() -> list[ServerProgram]:
    """One of each version, the bundled one first."""
    found = {find_server().name: find_server()}
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    for path in (folder / name for folder in folders for name in ("valkey-server", "redis-server")):
        name, version = version_of(path) if os.access(path, os.X_OK) else ("", ())
        if version >= OLDEST_SERVER:
            found.setdefault(name, ServerProgram(path, name, "PATH"))
    return list(found.values())
