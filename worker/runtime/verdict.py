"""What an exchange with a handler's process amounts to: a pure translation of how it ended into what is said of it."""

from typing import NamedTuple

from config import limits
from worker.invocation import FunctionError, Succeeded
from worker.runtime import failures, wire
from worker.runtime.process import DeadlinePassed, Ending, Exited, OutOfMemory
from worker.runtime.wire import Frame


class Verdict(NamedTuple):
    """How one exchange with the process ended."""

    outcome: Succeeded | FunctionError | None  # None: the handler is imported
    blamed: str | None  # the error type, if the platform says that it failed and not the handler


def judge(ending: Ending, request_id: str, timeout: int) -> Verdict:
    """The verdict on an exchange of the invocation `request_id` with a function's process; `timeout` in seconds."""
    match ending:
        case Frame(kind=wire.RESULT):
            return Verdict(Succeeded(ending.payload), None)
        case Frame(kind=wire.READY):
            return Verdict(None, None)
        case Frame(kind=wire.TOO_LARGE):
            failure = failures.response_too_large(ending.header.get("largest", limits.MAX_SYNC_RESPONSE))
        case Frame():
            failure = FunctionError(ending.payload, ending.header["type"], ending.header["message"])
            return Verdict(failure, failure.error_type if ending.kind == wire.INIT_ERROR else None)
        case Exited():
            failure = failures.exited(request_id, ending.code)
        case DeadlinePassed():
            failure = failures.timed_out(request_id, timeout)
        case OutOfMemory():
            failure = failures.out_of_memory(request_id)
    return Verdict(failure, failure.error_type)
