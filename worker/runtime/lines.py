"""The lines that the platform itself writes into a function's log, as AWS words them.

A failed run is reported both in the older style, by a line of its own, and in the newer one, at the end of REPORT:
people search for either.
"""

import hashlib
import math
from datetime import datetime

from worker.clock import iso_ms
from worker.log_entry import report_head


def init_start(version: str, region: str) -> str:
    """The first line of a new process. `version` is as `Interpreter.describe` says it."""
    identity = hashlib.sha256(version.encode()).hexdigest()
    return f"INIT_START Runtime Version: {version}\tRuntime Version ARN: arn:aws:lambda:{region}::runtime:{identity}"


def init_report(duration_ms: float, *, phase: str, error_type: str) -> str:
    """How a failed init went. `phase` is "init", or "invoke" when it was repeated there."""
    return f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: {phase}\t{status(error_type)}"


def report(
    request_id: str,
    *,
    duration_ms: float,
    memory_size: int,
    max_memory_mb: int,
    init_duration_ms: float | None,
    error_type: str | None,
) -> str:
    """What an invocation took. `error_type` is given when the platform, not the handler, says that it failed."""
    line = (
        f"{report_head(request_id)}"
        f"Duration: {duration_ms:.2f} ms\tBilled Duration: {math.ceil(duration_ms)} ms\t"
        f"Memory Size: {memory_size} MB\tMax Memory Used: {max_memory_mb} MB\t"
    )
    if init_duration_ms is not None:
        line += f"Init Duration: {init_duration_ms:.2f} ms\t"
    return line if error_type is None else line + status(error_type)


def status(error_type: str) -> str:
    """The newer style's suffix."""
    return "Status: timeout" if error_type == "Sandbox.Timedout" else f"Status: error\tError Type: {error_type}"


def timed_out(now: datetime, request_id: str, timeout: int) -> str:
    """The older style's line for a timeout, in seconds."""
    return f"{iso_ms(now)} {request_id} Task timed out after {timeout:.2f} seconds"


def exited(error_message: str, error_type: str) -> str:
    """The older style's lines, one event, for a process that ended."""
    return f"{error_message}\n{error_type}"
