"""The event-invoke config: PUT replaces, POST merges, and destinations must be there."""

from typing import Any

import pytest
from redis import Redis

from tests.conftest import FakeClock
from tests.lambda_.system import ARN, System
from worker.clock import to_ms
from worker.function import EventInvokeConfig
from worker.keys import Keys
from worker.registry import FunctionRegistry

QUEUE, TOPIC = "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:sns:us-east-1:000000000000:t"
OTHER, BUCKET = "arn:aws:lambda:us-east-1:000000000000:function:g", "arn:aws:s3:::b"
BUS = "arn:aws:events:us-east-1:000000000000:event-bus/default"
USER = {"Type": "User"}

PUT, POST = "PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig"
GET, DELETE = "GetFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig"


@pytest.fixture
def world(system: System, redis: Redis, keys: Keys) -> System:
    """The functions f and g, a queue, a topic and a bucket."""
    system.create()
    system.create("g")
    for table, name in ((keys.queues, "q"), (keys.topics, "t"), (keys.buckets, "b")):
        redis.hset(table, name, "{}")
    return system


def unmoved(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without its moment."""
    return {name: value for name, value in answer.items() if name != "LastModified"}


def config(on_success: str | None = None, on_failure: str | None = None, **numbers: int) -> dict[str, Any]:
    """What AWS answers, without the moment."""
    sides = {"OnSuccess": on_success, "OnFailure": on_failure}
    return {
        "FunctionArn": f"{ARN}:$LATEST",
        "DestinationConfig": {side: {"Destination": arn} if arn else {} for side, arn in sides.items()},
    } | numbers


def destinations(on_success: str | None = None, on_failure: str | None = None) -> dict[str, Any]:
    """The member DestinationConfig."""
    sides = {"OnSuccess": on_success, "OnFailure": on_failure}
    return {side: {"Destination": arn} for side, arn in sides.items() if arn is not None}


@pytest.mark.parity("event-invoke.put-replaces", "event-invoke.absent")
def test_put_forgets_what_it_does_not_name(world: System) -> None:
    """Unset numbers are absent, both sides of the destinations always there."""
    first = world.call(PUT, FunctionName="f", MaximumRetryAttempts=0, DestinationConfig=destinations(on_success=QUEUE))
    second = world.call(PUT, FunctionName="f", MaximumEventAgeInSeconds=60)

    assert config(on_success=QUEUE, MaximumRetryAttempts=0) == unmoved(first)
    assert config(MaximumEventAgeInSeconds=60) == unmoved(second)
    assert second == world.call(GET, FunctionName="f", Qualifier="$LATEST")


@pytest.mark.parity("destination.removal", "event-invoke.post-merges")
def test_post_keeps_what_it_does_not_name(world: System) -> None:
    """Each number and each side of the destinations for itself; an empty destination removes its side."""
    world.call(PUT, FunctionName="f", MaximumRetryAttempts=1, DestinationConfig=destinations(on_success=TOPIC))

    merged = world.call(
        POST, FunctionName="f", MaximumEventAgeInSeconds=90, DestinationConfig=destinations(on_failure=BUCKET)
    )
    removed = world.call(POST, FunctionName="f", DestinationConfig=destinations(on_success=""))

    numbers = {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 90}
    assert config(TOPIC, BUCKET, **numbers) == unmoved(merged)
    assert config(None, BUCKET, **numbers) == unmoved(removed)


def test_the_workers_find_what_was_put(world: System, redis: Redis, keys: Keys, clock: FakeClock) -> None:
    """The stored function has the config, under the names that the workers use; its revision stays."""
    revision = world.call("GetFunctionConfiguration", FunctionName="f")["RevisionId"]

    answer = world.call(
        PUT, FunctionName="f", MaximumRetryAttempts=2, MaximumEventAgeInSeconds=21_600,
        DestinationConfig=destinations(BUS, OTHER),
    )  # fmt: skip

    stored = FunctionRegistry(redis, keys).get("f")
    assert stored is not None
    assert stored.event_invoke_config is not None
    assert revision == stored.revision_id
    assert to_ms(answer["LastModified"]) <= to_ms(clock.now())
    assert (
        EventInvokeConfig(
            maximum_retry_attempts=2,
            maximum_event_age=21_600,
            on_success=BUS,
            on_failure=OTHER,
            last_modified=stored.event_invoke_config.last_modified,
        )
        == stored.event_invoke_config
    )


@pytest.mark.parity("event-invoke.delete")
def test_delete_goes_back_to_none(world: System) -> None:
    """Afterwards there is none to get, list or delete."""
    world.call(PUT, FunctionName="f", MaximumRetryAttempts=1)
    listed = world.call("ListFunctionEventInvokeConfigs", FunctionName="f")

    world.call(DELETE, FunctionName="f")

    missing = f"The function {ARN}:$LATEST doesn't have an EventInvokeConfig"
    assert [config(MaximumRetryAttempts=1)] == list(map(unmoved, listed["FunctionEventInvokeConfigs"]))
    assert world.call("ListFunctionEventInvokeConfigs", FunctionName="f") == {"FunctionEventInvokeConfigs": []}
    assert ("ResourceNotFoundException", 404, missing, USER) == world.refusal(DELETE, FunctionName="f")


@pytest.mark.parity("event-invoke.unknown-function", "event-invoke.none")
@pytest.mark.parametrize(
    ("operation", "name", "parameters", "message"),
    [
        (PUT, "unknown", {"MaximumRetryAttempts": 1}, "The function doesn't exist."),
        (PUT, "f:live", {"MaximumRetryAttempts": 1}, "The function doesn't exist."),
        (POST, "unknown", {"MaximumRetryAttempts": 1}, "The function doesn't exist."),
        ("ListFunctionEventInvokeConfigs", "unknown", {}, "The function doesn't exist."),
        (POST, "f", {"MaximumRetryAttempts": 1}, f"The function {ARN}:$LATEST doesn't have an EventInvokeConfig"),
        (GET, "f", {}, f"The function {ARN}:$LATEST doesn't have an EventInvokeConfig"),
        (GET, "f:7", {}, f"The function {ARN}:7 doesn't have an EventInvokeConfig"),
        (GET, "u", {}, f"The function {ARN[:-1]}u:$LATEST doesn't have an EventInvokeConfig"),
        (DELETE, "u", {}, f"The function {ARN[:-1]}u:$LATEST doesn't have an EventInvokeConfig"),
    ],
)
def test_what_is_not_there_is_not_found(
    world: System, operation: str, name: str, parameters: dict[str, Any], message: str
) -> None:
    """Whether the function or its config is missing is told as AWS tells it."""
    refusal = world.refusal(operation, FunctionName=name, **parameters)

    assert ("ResourceNotFoundException", 404, message, USER) == refusal


def _unusable(on_success: str | None = None, on_failure: str | None = None) -> str:
    success = f"onSuccess=OnSuccess(destination={on_success})" if on_success else "onSuccess=null"
    failure = f"onFailure=OnFailure(destination={on_failure})" if on_failure else "onFailure=null"
    return f"The provided destination config DestinationConfig({success}, {failure}) is invalid."


ITSELF = "You can't specify the function as a destination for itself."
ROLE = "arn:aws:iam::000000000000:role/r"


@pytest.mark.parity(
    "destination.kinds",
    "destination.kafka",
    "event-invoke.itself",
    "event-invoke.missing-destination",
    "event-invoke.other-service",
)
@pytest.mark.parametrize(
    ("on_success", "on_failure", "message"),
    [
        (ARN, None, ITSELF),
        (None, f"{ARN}:$LATEST", ITSELF),
        (None, f"{OTHER}g", f"The destination ARN {OTHER}g is invalid."),
        (f"{OTHER}:live", None, f"The destination ARN {OTHER}:live is invalid."),
        (f"{QUEUE}x", None, f"The destination ARN {QUEUE}x is invalid."),
        (f"{QUEUE}.fifo", None, f"The destination ARN {QUEUE}.fifo is invalid."),
        (f"{TOPIC}x", None, f"The destination ARN {TOPIC}x is invalid."),
        (None, f"{BUCKET}x", f"The destination ARN {BUCKET}x is invalid."),
        (f"{BUS}x", None, f"The destination ARN {BUS}x is invalid."),
        (QUEUE.replace("east", "west"), None, f"The destination ARN {QUEUE.replace('east', 'west')} is invalid."),
        (ROLE, None, _unusable(ROLE)),
        (BUCKET, None, _unusable(BUCKET)),
        (QUEUE, ROLE, _unusable(QUEUE, ROLE)),
        (None, "kafka://topic", _unusable(None, "kafka://topic")),
    ],
)
@pytest.mark.parametrize("operation", [PUT, POST])
def test_a_destination_that_cannot_be_used_is_refused(
    world: System, operation: str, on_success: str | None, on_failure: str | None, message: str
) -> None:
    """Itself, what does not exist, and services that are no destination; nothing is changed."""
    before = world.call(PUT, FunctionName="f", MaximumRetryAttempts=1)

    refusal = world.refusal(operation, FunctionName="f", DestinationConfig=destinations(on_success, on_failure))

    assert ("InvalidParameterValueException", 400, message, USER) == refusal
    assert before == world.call(GET, FunctionName="f")


@pytest.mark.parity("event-invoke.nothing")
def test_a_put_of_nothing_is_refused(world: System) -> None:
    """AWS wants one setting at least."""
    message = "You must specify at least one of error handling or destination setting."
    assert ("InvalidParameterValueException", 400, message, USER) == world.refusal(PUT, FunctionName="f")
