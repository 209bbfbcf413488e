"""What event buses and buckets are sent about events that have ended."""

import orjson
import pytest

from producers.lambda_.event import destination_event, record_key
from tests.lambda_.system import ARN

BUS = "arn:aws:events:us-east-1:000000000000:event-bus/default"


def record(condition: str) -> bytes:
    """What both look at of a record, and a number that no machine word holds."""
    return (
        b'{"timestamp":"2025-11-25T22:18:25.123Z","requestContext":{"functionArn":"%b:$LATEST","condition":"%b"},'
        b'"responsePayload":12345678901234567890123}' % (ARN.encode(), condition.encode())
    )


@pytest.mark.parity("destination.event-bus", "destination.event-bus.type", "destination.event-bus.resources")
@pytest.mark.parametrize(
    ("condition", "outcome"),
    [("Success", "Success"), ("RetriesExhausted", "Failure"), ("EventAgeExceeded", "Failure")],
)
def test_event_of_a_bus(condition: str, outcome: str) -> None:
    """The source is `lambda`, the bus stands before the function, and the record is the detail as it is."""
    event = destination_event(record(condition), BUS)

    assert event.endswith(b'"detail":' + record(condition) + b"}")
    seen = orjson.loads(event[: event.index(b',"detail":{')] + b"}")
    assert seen == {
        "detail-type": f"Lambda Function Invocation Result - {outcome}",
        "source": "lambda",
        "resources": [BUS, f"{ARN}:$LATEST"],
    }


@pytest.mark.parity("destination.bucket-key")
def test_key_of_a_record() -> None:
    """Function, day and moment, with dots where a clock has colons, and something unique."""
    assert record_key(record("Success"), "id") == "aws/lambda/async/f/2025/11/25/2025-11-25T22.18.25-id"
