"""`thrice restart`: have the running system replace its processes one after the other, and wait until it has."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from config.settings import Settings
from console.supervisor import PARTS

#: How often it is looked whether another process has been replaced, in seconds.
_LOOK = 0.1


def restart(settings: Settings) -> int:
    """Renew gateway, workers and scheduler; return the exit status: 1 if there is nothing to restart, or it ended."""
    console = Console(highlight=False, soft_wrap=True)
    parts = settings.folder / "logs" / PARTS
    supervisor = _supervisor(settings.folder / "lock")
    before = _read(parts)
    if supervisor is None or before is None:
        console.print(
            f"thrice: no `thrice up` runs with the data folder {settings.folder}. Start one, or set THRICE_DATA_DIR.",
            markup=False,
        )
        return 1
    os.kill(supervisor, signal.SIGHUP)
    told = dict(before["processes"])
    pause = threading.Event()
    while (now := _read(parts)) is None or now["renewals"] == before["renewals"]:
        for name, pid in (now or before)["processes"].items():
            if told.get(name) != pid:
                console.print(f"{name}: process {pid} in place of {told.get(name)}", markup=False)
                told[name] = pid
        if _supervisor(settings.folder / "lock") != supervisor:
            console.print("thrice: the system was stopped meanwhile.", markup=False)
            return 1
        pause.wait(_LOOK)
    kept = [name for name, pid in before["processes"].items() if now["processes"].get(name) == pid and name != "redis"]
    if kept:
        console.print(f"thrice: not replaced: {', '.join(kept)}. What `thrice up` prints says why.", markup=False)
        return 1
    console.print("all parts but Redis are renewed; nothing accepted was lost by that, and nobody was refused")
    return 0


def _supervisor(lock: Path) -> int | None:
    """The process that holds the data folder, if it lives."""
    try:
        pid = int(lock.read_text())
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    return pid


def _read(parts: Path) -> dict[str, Any] | None:
    try:
        return dict(orjson.loads(parts.read_bytes()))
    except FileNotFoundError:
        return None
