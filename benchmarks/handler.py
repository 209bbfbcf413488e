"""The handlers of both systems: thrice runs this file as a function's code, the peer's warm process imports it.

Only the standard library, and nothing of this package: the file is alone in the deployment package.
"""

import os
import struct
import time
from typing import Any

#: One execution: the number of the event, the process, and CLOCK_MONOTONIC in ns, which is one clock for all of them.
RECORD = struct.Struct("<iiq")

_pause = float(os.environ.get("BENCH_PAUSE", "0"))

_records = os.open(os.environ["BENCH_RECORDS"], os.O_APPEND | os.O_WRONLY)


def nothing(_event: Any, _context: Any) -> None:
    """Do nothing: all that is measured is the way to here and back."""


def stamp(event: Any, _context: Any) -> None:
    """Write down when this event's handler began. One write(2) in append mode: records never mix."""
    os.write(_records, RECORD.pack(int(event["number"]), os.getpid(), time.monotonic_ns()))


def pause(_event: Any, _context: Any) -> None:
    """Take as long as `BENCH_PAUSE` says, in seconds, and nearly no CPU."""
    time.sleep(_pause)


def slow(_event: Any, _context: Any) -> None:
    """Take 100 ms, and nearly no CPU."""
    time.sleep(0.1)
