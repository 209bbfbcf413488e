"""The Celery message of an event: the event itself, as it lies in the queue. Pure.

The form is Celery's protocol 2 in a kombu envelope, as any Celery program reads it. The body is the payload, byte for
byte; the headers hold everything else that an attempt needs, so that a claim needs no second look-up. An envelope is
written up to the time of acceptance, which only the script that takes the event in knows; `TAIL` follows it there.

Written by hand it costs a hundredth of `apply_async`, and goes into the same script as the event's record.
"""

from functools import lru_cache
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
    if invocation.trace_header:
        more["trace"] = invocation.trace_header
    if invocation.client_context:
        more["client_context"] = invocation.client_context
    if invocation.attempt > 1:
        more["attempt"] = invocation.attempt
    request_id = invocation.request_id
    ids = f'"id":"{request_id}","root_id":"{invocation.root or request_id}"'
    body = orjson.dumps(invocation.payload.decode())
    same = _same_headers(task, invocation.function, invocation.invoked_arn, invocation.source)
    extra = b"," + orjson.dumps(more)[1:-1] if more else b""
    return b'{"body":' + body + same + ids.encode() + extra + b',"accepted_at":'


@lru_cache(maxsize=4096)
def _same_headers(task: str, function: str, arn: str, source: str) -> bytes:
    """What lies between body and ids, which is the same for many events."""
    headers = {"lang": "py", "task": task, "function": function, "arn": arn, "source": source}
    return (
        b',"content-encoding":"utf-8","content-type":"application/json","headers":' + orjson.dumps(headers)[:-1] + b","
    )


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
