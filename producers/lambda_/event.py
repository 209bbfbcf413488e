"""What a destination of another service is sent about an event that has ended. Pure.

A function, a queue and a topic get the record as it is; an event bus gets an event around it; a bucket gets it as an
object with a name of its own.
"""

from datetime import UTC, datetime

import orjson

_OUTCOMES = {True: "Success", False: "Failure"}


def destination_event(record: bytes, bus_arn: str) -> bytes:
    """The event that a bus gets: `detail` is the record. The source is `lambda`, as recorded, not `aws.lambda`."""
    context = orjson.loads(record)["requestContext"]
    outcome = _OUTCOMES[context["condition"] == "Success"]
    return orjson.dumps(
        {
            "detail-type": f"Lambda Function Invocation Result - {outcome}",
            "source": "lambda",
            "resources": [bus_arn, context["functionArn"]],
            "detail": orjson.Fragment(record),
        }
    )


def record_key(record: bytes, unique: str) -> str:
    """The key of a record in a bucket: aws/lambda/async/<function>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<unique>."""
    document = orjson.loads(record)
    function = document["requestContext"]["functionArn"].split(":")[6]
    moment = datetime.fromisoformat(document["timestamp"]).astimezone(UTC)
    return f"aws/lambda/async/{function}/{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{unique}"
