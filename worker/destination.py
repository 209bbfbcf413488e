"""What is told to others when an event has ended: the record of a destination, and the dead letter. Pure.

The record is a JSON document of AWS's form 1.0; it goes to OnSuccess or OnFailure. A dead letter is the *event itself*,
as it came in, with three message attributes that say what became of it. A function may have both, and both are sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from config import limits
from worker.clock import iso_ms
from worker.function import FunctionConfiguration
from worker.invocation import FunctionError, Invocation, Outcome, Succeeded
from worker.retry import Condition

#: What SQS lets through in a message attribute: tab, line feed, carriage return, and everything from the space on.
_NOT_ALLOWED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something to be sent when an event has ended."""

    target_arn: str
    body: bytes
    attributes: Mapping[str, Mapping[str, str]]  # SQS and SNS message attributes: {"RequestID": {"DataType": …}}
    is_dead_letter: bool


def deliveries(
    invocation: Invocation,
    function: FunctionConfiguration | None,
    outcome: Outcome | None,
    condition: Condition | None,
    attempts: int,
    now: datetime,
) -> list[Delivery]:
    """What is to be sent for an event that ended: with success where `condition` is None, else given up for it.

    `outcome` is the last attempt's, None where none was ever made; `attempts` is the number of real attempts.
    """
    if function is None or (condition is Condition.RECURSIVE_LOOP and invocation.was_stopped):
        return []  # the loop goes on through what is told of its end: once is enough
    config = function.event_invoke_config
    target = (config.on_success if condition is None else config.on_failure) if config else None
    found = []
    if target:
        body = record(invocation, function, outcome, condition, attempts, now)
        found.append(Delivery(target, body, {}, is_dead_letter=False))
    if condition is not None and function.dead_letter_arn:
        found.append(
            Delivery(
                function.dead_letter_arn,
                invocation.payload,
                _attributes(invocation, outcome, condition),
                is_dead_letter=True,
            )
        )
    return found


def record(
    invocation: Invocation,
    function: FunctionConfiguration,
    outcome: Outcome | None,
    condition: Condition | None,
    attempts: int,
    now: datetime,
) -> bytes:
    """The record of a destination, as JSON. Source: AWS Lambda Developer Guide, "Asynchronous invocation records"."""
    document: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso_ms(now),
        "requestContext": {
            "requestId": invocation.request_id,
            "functionArn": function.qualified_arn,
            "condition": "Success" if condition is None else condition.value,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": _embedded(invocation.payload),
    }
    if isinstance(outcome, Succeeded | FunctionError):
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": function.version}
        if isinstance(outcome, FunctionError):
            context["functionError"] = "Unhandled"
        document["responseContext"] = context
        document["responsePayload"] = _embedded(outcome.response)
    return orjson.dumps(document)


def _embedded(json_bytes: bytes) -> Any:
    """A JSON value inside the document, byte for byte: large integers and the order of keys stay as they were.

    What is no JSON, which only a custom runtime can answer, becomes a string.
    """
    if not json_bytes:
        return {}
    try:
        orjson.loads(json_bytes)
    except orjson.JSONDecodeError:
        return json_bytes.decode("utf-8", "replace")
    return orjson.Fragment(json_bytes)


def _attributes(invocation: Invocation, outcome: Outcome | None, condition: Condition) -> dict[str, dict[str, str]]:
    if isinstance(outcome, FunctionError):
        code, message = "200", outcome.error_message  # the *invocation* succeeded: so says AWS
    elif condition is Condition.RECURSIVE_LOOP:
        code, message = "400", "The function was invoked in a recursive loop, which was stopped."
    else:
        code, message = "429", "Rate Exceeded."
    return {
        "RequestID": {"DataType": "String", "StringValue": invocation.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": code},
        "ErrorMessage": {"DataType": "String", "StringValue": _attribute_text(message)},
    }


def _attribute_text(message: str) -> str:
    """`message` as SQS takes it: no control characters, at most 1 KB cut between characters, never empty."""
    allowed = _NOT_ALLOWED.sub("\ufffd", message)
    cut = allowed.encode("utf-8", "replace")[: limits.MAX_DEAD_LETTER_ERROR].decode("utf-8", "ignore")
    return cut or "(no error message)"
