"""The work that every system is given: sleep if told to, then write down that it was done. Only the standard library.

A record has 16 bytes: the number of the event, the process that stands for the worker, and CLOCK_MONOTONIC in ns, which
is one clock for all processes. One write(2) in append mode, so records never mix and survive whatever becomes of the
process. thrice runs this very file as a function's code; the other peers' tasks call it.

- `PEER_RECORDS`: the file
- `PEER_SLEEP`: seconds to sleep first; 0 if absent
- `PEER_WORKER`: `parent` where each job has a process of its own and its parent is the worker
"""

import asyncio
import os
import struct
import time
from functools import cache
from typing import Any

_RECORD = struct.Struct("<iiq")
_SLEEP = float(os.environ.get("PEER_SLEEP", "0"))
_WORKER = os.getppid if os.environ.get("PEER_WORKER") == "parent" else os.getpid


def run(event: dict[str, Any], _context: Any = None) -> None:
    """Do the work."""
    if _SLEEP:
        time.sleep(_SLEEP)
    _write(event)


async def run_async(event: dict[str, Any]) -> None:
    """The same where a task is a coroutine."""
    if _SLEEP:
        await asyncio.sleep(_SLEEP)
    _write(event)


def _write(event: dict[str, Any]) -> None:
    os.write(_records(), _RECORD.pack(int(event["number"]), _WORKER(), time.monotonic_ns()))


@cache
def _records() -> int:
    return os.open(os.environ["PEER_RECORDS"], os.O_APPEND | os.O_WRONLY)
