"""One attempt as a worker was given it: what the claim scripts answer, with types."""

from dataclasses import dataclass
from typing import Any

from worker.clock import from_ms
from worker.function import FunctionConfiguration
from worker.invocation import FunctionError, Invocation
from worker.retry import History


@dataclass(frozen=True, slots=True)
class Claimed:
    """One attempt, given to a worker until its lease ends."""

    invocation: Invocation
    function: FunctionConfiguration | None  # None: it was deleted while the event waited
    history: History
    last_error: FunctionError | None  # of the attempt before
    now_ms: float  # the scripts' time of the claim
    token: str  # proves the lease
    throttled_at: int | None  # the reserved concurrency, all of which is in use; None: there is a place
    attributes: bytes = b"{}"  # of a delivery: message attributes, JSON
    cause: str = ""  # of a delivery: the request id of the event that it tells of
    cause_function: str = ""  # of a delivery: the name of that event's function

    @classmethod
    def of(cls, request_id: str, token: str, answer: list[Any], *, is_synchronous: bool) -> "Claimed":
        """Take the answer of `claim.lua` or `claim_call.lua` apart."""
        now_ms, reserved, is_throttled, configuration, pairs = answer
        record = dict(zip(pairs[::2], pairs[1::2], strict=True))
        return cls(
            invocation=_invocation(request_id, record, float(now_ms), is_synchronous),
            function=FunctionConfiguration.model_validate_json(configuration) if configuration else None,
            history=History(_number(record, b"backoffs"), _number(record, b"workers_lost")),
            last_error=_last_error(record),
            now_ms=float(now_ms),
            token=token,
            throttled_at=int(reserved) if is_throttled else None,
            attributes=record.get(b"attributes", b"{}"),
            cause=_text(record, b"cause") or "",
            cause_function=_text(record, b"of") or "",
        )


def _invocation(request_id: str, record: dict[bytes, bytes], now_ms: float, is_synchronous: bool) -> Invocation:
    return Invocation(
        request_id=request_id,
        function=record[b"function"].decode(),
        invoked_arn=record[b"arn"].decode(),
        payload=record[b"payload"],
        accepted_at=from_ms(float(record.get(b"accepted_at", now_ms))),
        attempt=_number(record, b"attempts_made") + 1,
        source=record[b"source"].decode(),
        trace_header=_text(record, b"trace"),
        client_context=_text(record, b"client_context"),
        is_synchronous=is_synchronous,
    )


def _last_error(record: dict[bytes, bytes]) -> FunctionError | None:
    if b"last_response" not in record:
        return None
    return FunctionError(
        record[b"last_response"], record[b"last_error_type"].decode(), record[b"last_error_message"].decode()
    )


def _number(record: dict[bytes, bytes], name: bytes) -> int:
    return int(record.get(name, 0))


def _text(record: dict[bytes, bytes], name: bytes) -> str | None:
    value = record.get(name)
    return None if value is None else value.decode()
