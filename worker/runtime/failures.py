"""What the caller gets to see when not the handler but the platform ends an attempt. AWS's words, in AWS's order."""

import signal

import orjson

from config import limits
from worker.invocation import Crashed, FunctionError, TimedOut
from worker.runtime.wire import Frame

OUT_OF_MEMORY = "Runtime.OutOfMemory"


def timed_out(request_id: str, timeout: int) -> TimedOut:
    """The function's timeout, in seconds, has passed."""
    message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
    return TimedOut(_error("Sandbox.Timedout", message), "Sandbox.Timedout", message)


def exited(request_id: str, code: int) -> Crashed:
    """The process ended with an exit code, or by a signal, whose negative number `code` is then."""
    return _crashed(request_id, "Runtime.ExitError", _ending(code))


def out_of_memory(request_id: str) -> Crashed:
    """The process held more memory than its function may, and was killed."""
    return _crashed(request_id, OUT_OF_MEMORY, _ending(-signal.SIGKILL))


def response_too_large(largest: int = limits.MAX_SYNC_RESPONSE) -> FunctionError:
    """The handler returned more than the `largest` number of bytes."""
    kind = "Function.ResponseSizeTooLarge"
    message = f"Response payload size exceeded maximum allowed payload size ({largest} bytes)."
    return FunctionError(orjson.dumps({"errorMessage": message, "errorType": kind}), kind, message)


def as_frame(kind: bytes, error_type: str, message: str) -> Frame:
    """What goes wrong around a process, said as if the process had said it."""
    return Frame(kind, {"type": error_type, "message": message}, _error(error_type, message))


def _crashed(request_id: str, kind: str, ending: str) -> Crashed:
    message = f"RequestId: {request_id} Error: Runtime exited {ending}"
    return Crashed(_error(kind, message), kind, message)


def _error(kind: str, message: str) -> bytes:
    return orjson.dumps({"errorType": kind, "errorMessage": message})


def _ending(code: int) -> str:
    if code == 0:
        return "without providing a reason"
    if code > 0:
        return f"with error: exit status {code}"
    return f"with error: signal: {(signal.strsignal(-code) or str(-code)).lower()}"
