"""Invoke, up to the queue and back."""

import asyncio
import base64

import orjson
import pytest
from redis import Redis

from config import redis as config_redis
from config.settings import Settings
from producers.lambda_.api import Lambda
from producers.seams import Response, Seams, TargetMissing
from tests.lambda_.system import ARN, REQUEST_ID, TRACE, RecordingQueue, System
from worker.errors import StoreUnavailable
from worker.function import INTERNAL_PREFIX
from worker.identity import new_request_id
from worker.invocation import FunctionError, Invocation, Lost, Succeeded, Throttled, TimedOut
from worker.keys import Keys
from worker.lineage import with_root
from worker.queue import EventQueue
from worker.registry import FunctionRegistry
from worker.reply import Reply

CONTEXT = base64.b64encode(b'{"custom": {"a": "b"}}').decode()
HEADERS = {"x-amzn-trace-id": TRACE}


@pytest.fixture
def world(system: System) -> System:
    """The function f."""
    system.create()
    return system


def invocation(stored: Invocation, **changes: object) -> Invocation:
    """The invocation that a plain call makes, at the moment of `stored`."""
    fields: dict[str, object] = {
        "request_id": REQUEST_ID,
        "function": "f",
        "invoked_arn": ARN,
        "payload": b"{}",
        "accepted_at": stored.accepted_at,
        "trace_header": TRACE,
    }
    return Invocation(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parity("invoke.payload.bytes")
def test_an_event_is_stored_and_answered_with_202(world: System) -> None:
    """The answer is empty; the payload is stored byte for byte, under the id of the request."""
    payload = b'{"sku":  7, "n": 12345678901234567890123}'

    answer = world.call(
        "Invoke", headers=HEADERS, FunctionName="f", InvocationType="Event", Payload=payload, ClientContext=CONTEXT,
        LogType="Tail",
    )  # fmt: skip

    assert Response({"StatusCode": 202}, status=202) == answer
    (stored,) = world.queue.enqueued
    assert invocation(stored, payload=payload) == stored
    assert world.queue.called == []


@pytest.mark.parity("invoke.event.stored-first")
def test_an_event_is_in_the_real_queue_when_202_is_answered(
    settings: Settings, seams: Seams, redis: Redis, keys: Keys
) -> None:
    """With the queue of the workers instead of one that records: the message is ready, with the payload as its body."""
    with asyncio.Runner() as runner:
        async_redis = config_redis.connect_async(settings)
        queue = EventQueue(redis, keys, async_redis=async_redis)
        world = System(Lambda(seams, queue, async_redis), RecordingQueue(seams), runner)
        world.create()
        world.call("Invoke", headers=HEADERS, FunctionName="f", InvocationType="Event", Payload=b'{"sku": 7}')
        with redis.pipeline(transaction=True) as pipe:
            world.service.deliver(pipe, ARN, b"[1]", source="aws:s3")
            pipe.execute()
        runner.run(async_redis.aclose())

    ready = [orjson.loads(message) for message in redis.lrange(keys.lane(keys.invocations, "f"), 0, -1)]
    bodies = {message["headers"]["id"]: message["body"] for message in ready}
    (delivered,) = bodies.keys() - {REQUEST_ID}
    assert bodies == {REQUEST_ID: '{"sku": 7}', delivered: "[1]"}
    assert all(redis.hget(keys.event(request_id), "state") == b"ready" for request_id in bodies)


def test_a_call_without_payload_hands_over_an_empty_object(world: System) -> None:
    """AWS's function gets `{}`."""
    world.call("Invoke", headers=HEADERS, FunctionName="f", InvocationType="Event")

    (stored,) = world.queue.enqueued
    assert invocation(stored) == stored


@pytest.mark.parity("invoke.event.concurrency-unchecked")
def test_concurrency_is_not_looked_at(world: System) -> None:
    """A function with reserved concurrency 0 still takes events."""
    world.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)

    assert world.call("Invoke", FunctionName="f", InvocationType="Event").status == 202
    assert len(world.queue.enqueued) == 1


@pytest.mark.parity("context.arn")
def test_the_arn_is_qualified_if_the_callers_was(world: System) -> None:
    """What a handler sees as invoked_function_arn is what the caller wrote, made whole."""
    for name, qualifier in (("f", None), ("f:$LATEST", None), ("f", "$LATEST"), (ARN, None), ("function:f", None)):
        world.call("Invoke", FunctionName=name, Qualifier=qualifier, InvocationType="Event")

    arns = [stored.invoked_arn for stored in world.queue.enqueued]
    assert [ARN, f"{ARN}:$LATEST", f"{ARN}:$LATEST", ARN, ARN] == arns


def test_the_root_is_that_of_the_callers_trace(world: System) -> None:
    """A call of a handler belongs to what the handler runs for; one of anybody else to nothing but itself."""
    root = new_request_id()
    for headers in (HEADERS, {}, {"x-amzn-trace-id": f"{TRACE};Lineage={root}"}):
        world.call("Invoke", headers=headers, FunctionName="f", InvocationType="Event")
        world.call("Invoke", headers=headers, FunctionName="f")

    events, calls = world.queue.enqueued, [invocation for invocation, _ in world.queue.called]
    assert [event.root for event in events] == [call.root for call in calls] == ["", "", root]
    assert [event.trace_header for event in events] == [TRACE, None, f"{TRACE};Lineage={root}"]


@pytest.mark.parity("invoke.type.default")
def test_the_result_comes_back_as_the_handler_wrote_it(world: System) -> None:
    """200, the bytes, the version; the log only when it is asked for."""
    world.queue.reply = Reply(Succeeded(b'{"n":  1.10}'), b"END RequestId: x\n")

    plain = world.call("Invoke", headers=HEADERS, FunctionName="f", Payload=b"[1]", ClientContext=CONTEXT)
    tail = world.call("Invoke", FunctionName="f", LogType="Tail")

    members = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": b'{"n":  1.10}'}
    assert Response(members) == plain
    assert Response(members | {"LogResult": base64.b64encode(b"END RequestId: x\n").decode()}) == tail
    stored, function = world.queue.called[0]
    assert invocation(stored, payload=b"[1]", client_context=CONTEXT, is_synchronous=True) == stored
    assert (function.name, function.timeout) == ("f", 3)
    assert world.queue.enqueued == []


@pytest.mark.parametrize("kind", [FunctionError, TimedOut])
def test_an_error_of_the_function_is_a_200(world: System, kind: type[FunctionError]) -> None:
    """With the error object and X-Amz-Function-Error."""
    world.queue.reply = Reply(kind(b'{"errorType":"E"}', "E", "m"))

    answer = world.call("Invoke", FunctionName="f")

    assert (
        Response(
            {
                "StatusCode": 200,
                "ExecutedVersion": "$LATEST",
                "Payload": b'{"errorType":"E"}',
                "FunctionError": "Unhandled",
            }
        )
        == answer
    )


@pytest.mark.parity("error.429.account")
@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        (0, "ReservedFunctionConcurrentInvocationLimitExceeded"),
        (None, "ConcurrentInvocationLimitExceeded"),
    ],
)
def test_a_throttled_call_is_a_429(world: System, limit: int | None, reason: str) -> None:
    """With AWS's reason: the function's own limit, or the account's. The caller is told when to come again."""
    world.queue.reply = Reply(Throttled(limit))

    members = {"Type": "User", "Reason": reason, "retryAfterSeconds": "1"}
    expected = ("TooManyRequestsException", 429, "Rate Exceeded.", members)
    assert expected == world.refusal("Invoke", FunctionName="f")


@pytest.mark.parity("error.400.recursion")
def test_a_synchronous_call_in_a_loop_is_refused(world: System, redis: Redis, keys: Keys) -> None:
    """After sixteen runs of the function in the chain that led to it; an event is taken, and stopped when it is due."""
    header = TRACE
    for _ in range(16):
        header = with_root(header, REQUEST_ID, REQUEST_ID, "f")
    headers = {"x-amzn-trace-id": header}

    refused = world.refusal("Invoke", headers=headers, FunctionName="f")
    world.call("Invoke", headers=headers, FunctionName="f", InvocationType="Event")
    FunctionRegistry(redis, keys).update("f", lambda old: old.model_copy(update={"recursive_loop": "Allow"}))
    world.call("Invoke", headers=headers, FunctionName="f")

    assert refused[:2] == ("RecursiveInvocationException", 400)
    assert refused[3] == {"Type": "User"}
    assert (len(world.queue.enqueued), len(world.queue.called)) == (1, 1)


@pytest.mark.parity("error.500")
def test_a_lost_call_is_a_500(world: System) -> None:
    """It says what is known."""
    world.queue.reply = Reply(Lost("no worker answered within 73 s"))

    message = "The function was not run to its end: no worker answered within 73 s."
    expected = ("ServiceException", 500, message, {"Type": "Service"})
    assert expected == world.refusal("Invoke", FunctionName="f")


def test_a_dry_run_runs_nothing(world: System) -> None:
    """204 after all checks."""
    answer = world.call("Invoke", FunctionName="f", InvocationType="DryRun")

    assert Response({"StatusCode": 204}, status=204) == answer
    assert (world.queue.enqueued, world.queue.called) == ([], [])


def test_what_redis_did_not_take_was_not_accepted(world: System) -> None:
    """The failure goes through to the gateway, which answers 503."""
    world.queue.failure = StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        world.call("Invoke", FunctionName="f", InvocationType="Event")


@pytest.mark.parametrize("payload", [b"not json", b'"' + b"x" * 1_048_576 + b'"'])
def test_a_bad_payload_is_refused_before_it_is_stored(world: System, payload: bytes) -> None:
    """Also for an Event."""
    world.refusal("Invoke", FunctionName="f", InvocationType="Event", Payload=payload)

    assert world.queue.enqueued == []


def test_an_internal_function_cannot_be_reached(world: System, redis: Redis, keys: Keys) -> None:
    """Its name is read as a function and a qualifier, and that is not found."""
    function = FunctionRegistry(redis, keys).get("f")
    assert function is not None
    name = f"{INTERNAL_PREFIX}canary"
    redis.hset(keys.functions, name, function.model_copy(update={"name": name}).model_dump_json())

    statuses = {
        operation: world.refusal(operation, FunctionName=name)[1]
        for operation in ("Invoke", "GetFunction", "DeleteFunction", "GetFunctionEventInvokeConfig")
    }

    assert {404} == set(statuses.values())
    assert [shown["FunctionName"] for shown in world.call("ListFunctions")["Functions"]] == ["f"]
    with pytest.raises(TargetMissing), redis.pipeline() as pipe:
        world.service.deliver(pipe, f"{ARN[:-1]}{name}", b"{}", source="aws:s3")


def test_a_delivery_is_part_of_the_senders_transaction(world: System, redis: Redis) -> None:
    """Nothing is stored before the pipe is executed; the event has an id of its own and its sender's trace."""
    with redis.pipeline(transaction=True) as pipe:
        world.service.deliver(pipe, f"{ARN}:$LATEST", b'{"Records": []}', source="aws:s3", trace_header=TRACE)
        before = redis.exists("test:added")
        pipe.execute()

    (stored,) = world.queue.enqueued
    assert before == 0
    assert [stored.request_id.encode()] == redis.lrange("test:added", 0, -1)
    assert (
        invocation(
            stored,
            request_id=stored.request_id,
            invoked_arn=f"{ARN}:$LATEST",
            payload=b'{"Records": []}',
            source="aws:s3",
        )
        == stored
    )
    assert len(stored.request_id) == len(new_request_id())


@pytest.mark.parametrize(
    "arn",
    [f"{ARN}x", f"{ARN}:live", ARN.replace("us-east-1", "eu-west-1"), "arn:aws:lambda:us-east-1:000000000000:layer:f"],
)
def test_what_is_not_there_gets_no_delivery(world: System, redis: Redis, arn: str) -> None:
    """The sender is told."""
    with pytest.raises(TargetMissing), redis.pipeline() as pipe:
        world.service.deliver(pipe, arn, b"{}", source="aws:s3")

    assert world.queue.enqueued == []
