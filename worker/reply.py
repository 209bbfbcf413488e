"""The answer of a synchronous invocation, on its way from the worker to the caller who waits for it.

It is one `Reply`; before that of a streamed answer come parts of the result, each with its number.
"""

from dataclasses import dataclass

import orjson

from worker.function import LATEST
from worker.invocation import Attempt, Crashed, FunctionError, Lost, Outcome, Succeeded, Throttled, TimedOut

_ERRORS = {kind.__name__: kind for kind in (FunctionError, TimedOut, Crashed)}


@dataclass(frozen=True, slots=True)
class Reply:
    """How the invocation ended, and the last 4 KB of what it logged."""

    outcome: Outcome
    log_tail: bytes = b""
    version: str = LATEST  # that ran

    @classmethod
    def of(cls, attempt: Attempt, version: str) -> "Reply":
        """The reply for a finished attempt at that version."""
        return cls(attempt.outcome, attempt.log_tail, version)

    def encode(self) -> bytes:
        """A line of JSON that says what the outcome is, the response's bytes as they are, and the log's tail."""
        header: dict[str, object] = {"kind": type(self.outcome).__name__, "version": self.version}
        response = b""
        match self.outcome:
            case FunctionError(response, error_type, error_message):
                header |= {"error_type": error_type, "error_message": error_message}
            case Succeeded(response):
                pass
            case Throttled(reserved_concurrency):
                header["reserved_concurrency"] = reserved_concurrency
            case Lost(reason):
                header["reason"] = reason
        header["response"] = len(response)
        return orjson.dumps(header) + b"\n" + response + self.log_tail

    @classmethod
    def decode(cls, data: bytes) -> "Reply":
        """What `encode` made."""
        line, _, rest = data.partition(b"\n")
        header = orjson.loads(line)
        response, log_tail = rest[: header["response"]], rest[header["response"] :]
        outcome: Outcome
        match header["kind"]:
            case "Succeeded":
                outcome = Succeeded(response)
            case "Throttled":
                outcome = Throttled(header["reserved_concurrency"])
            case "Lost":
                outcome = Lost(header["reason"])
            case kind:
                outcome = _ERRORS[kind](response, header["error_type"], header["error_message"])
        return cls(outcome, log_tail, header["version"])


#: What a part begins with; a reply begins with a brace.
_PART = b"+"


def encode_part(number: int, data: bytes) -> bytes:
    """A part of a streamed result; `number` is 1 for the first."""
    return b"%b%d\n%b" % (_PART, number, data)


def decode_part(encoded: bytes) -> tuple[int, bytes] | Reply:
    """A part with its number, or the reply that ends the answer."""
    if not encoded.startswith(_PART):
        return Reply.decode(encoded)
    number, _, data = encoded[len(_PART) :].partition(b"\n")
    return int(number), data
