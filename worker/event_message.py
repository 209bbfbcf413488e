"""The Celery message of an event: the event itself, as it lies in the queue. Pure.

The form is Celery's protocol 2 in a kombu envelope, as any Celery program reads it. The body is the payload, byte for
byte; the headers hold everything else that an attempt needs, so that a claim needs no second look-up. An envelope is
written up to the time of acceptance, which only the script that takes the event in knows; `TAIL` follows it there.

Written by hand it costs a hundredth of `apply_async`, and goes into the same script as the event's record.
"""

from typing import Any

import orjson

from worker.invocation import FunctionError, Invocation

#: Celery task names.
ATTEMPT = "worker.tasks.attempt"
CALL = "worker.tasks.call"
DELIVER = "producers.tasks.deliver"

#: The function name under which records and dead letters on their way are kept; no user's function can be called so.
DELIVERY_FUNCTION = "thrice:delivery"

#: The function of the round trip that proves the system alive.
CANARY_FUNCTION = "thrice:canary"

#: What follows the time of acceptance.
TAIL = '},"properties":{"delivery_mode":2,"delivery_info":{"exchange":"","routing_key":""}}}'


def head(invocation: Invocation, task: str = ATTEMPT, **more: Any) -> bytes:
    """The envelope of `invocation` up to the time of acceptance. `more` are further headers."""
    headers: dict[str, Any] = {
        "lang": "py",
        "task": task,
        "id": invocation.request_id,
        "root_id": invocation.root or invocation.request_id,
        "function": invocation.function,
        "arn": invocation.invoked_arn,
        "source": invocation.source,
    }
    if invocation.trace_header:
        headers["trace"] = invocation.trace_header
    if invocation.client_context:
        headers["client_context"] = invocation.client_context
    if invocation.attempt > 1:
        headers["attempt"] = invocation.attempt
    headers |= more
    body = orjson.dumps(invocation.payload.decode())
    return (
        b'{"body":' + body + b',"content-encoding":"utf-8","content-type":"application/json","headers":'
        + orjson.dumps(headers)[:-1] + b',"accepted_at":'
    )  # fmt: skip


def envelope(head: bytes, accepted_at_ms: float) -> bytes:
    """A whole envelope, of an event that was accepted before."""
    return head + b"%.0f" % accepted_at_ms + TAIL.encode()


def error_header(error: FunctionError) -> dict[str, str]:
    """The error of the latest attempt, as the next attempt's message carries it."""
    return {
        "response": error.response.decode("utf-8", "replace"),
        "type": error.error_type,
        "message": error.error_message,
    }


def error_of(header: dict[str, str] | None) -> FunctionError | None:
    """What `error_header` wrote."""
    return FunctionError(header["response"].encode(), header["type"], header["message"]) if header else None
