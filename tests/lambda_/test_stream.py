"""InvokeWithResponseStream and InvokeAsync as boto3 sees them: event streams, and the call of before."""

import base64
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError
from redis import Redis

from config import limits
from config.settings import Settings
from producers.seams import Seams
from tests.lambda_.served import Served, serving
from tests.lambda_.system import ROLE, TRACE, package
from worker.errors import StoreUnavailable
from worker.identity import new_request_id
from worker.invocation import FunctionError, Lost, Succeeded, Throttled
from worker.reply import Reply

#: A payload as long as InvokeAsync takes it.
LARGEST = b'"' + b"x" * (limits.MAX_INVOKE_ASYNC - 2) + b'"'


@pytest.fixture
def served(settings: Settings, seams: Seams, redis: Redis) -> Iterator[Served]:
    """A gateway with the function f."""
    with serving(settings, seams) as gateway:
        gateway.client("lambda").create_function(
            FunctionName="f", Runtime="python3.12", Role=ROLE, Handler="app.handler", Code={"ZipFile": package()}
        )
        yield gateway


def streamed(served: Served, **fields: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The head of the answer and its events."""
    answer = served.client("lambda").invoke_with_response_stream(FunctionName="f", **fields)
    with closing(answer.pop("EventStream")) as stream:
        return answer, list(stream)


@pytest.mark.parity("stream.buffered", "stream.complete")
def test_a_result_that_was_not_made_in_parts_is_one_chunk(served: Served) -> None:
    """Then comes InvokeComplete, with the tail of the log if it was asked for."""
    served.queue.reply = Reply(Succeeded(b'{"n":  1.10}'), b"END RequestId: x\n")

    plain, events = streamed(served, Payload=b"[1]")
    _, with_log = streamed(served, LogType="Tail")

    assert (plain["StatusCode"], plain["ExecutedVersion"]) == (200, "$LATEST")
    assert plain["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    assert events == [{"PayloadChunk": {"Payload": b'{"n":  1.10}'}}, {"InvokeComplete": {}}]
    tail = base64.b64encode(b"END RequestId: x\n").decode()
    assert with_log[-1] == {"InvokeComplete": {"LogResult": tail}}
    invocation, _ = served.queue.called[0]
    assert (invocation.payload, invocation.is_synchronous) == (b"[1]", True)


@pytest.mark.parity("stream.chunks")
def test_parts_come_as_they_are_made(served: Served) -> None:
    """Each is an event of its own, whatever its bytes and its length are."""
    parts = [b"a", b"\x00\xff\n", b"x" * 1_048_576]
    served.queue.parts = parts
    served.queue.reply = Reply(Succeeded(b""))

    _, events = streamed(served)

    assert events == [*({"PayloadChunk": {"Payload": part}} for part in parts), {"InvokeComplete": {}}]


@pytest.mark.parity("stream.error")
@pytest.mark.parametrize("parts", [[], [b"a"]])
def test_an_error_of_the_function_ends_the_stream(served: Served, parts: list[bytes]) -> None:
    """The status is 200 all the same; InvokeComplete has the error object."""
    served.queue.parts = parts
    served.queue.reply = Reply(FunctionError(b'{"errorType":"E"}', "E", "m"))

    answer, events = streamed(served)

    assert answer["StatusCode"] == 200
    assert events == [
        *({"PayloadChunk": {"Payload": part}} for part in parts),
        {"InvokeComplete": {"ErrorCode": "Unhandled", "ErrorDetails": '{"errorType":"E"}'}},
    ]


@pytest.mark.parity("stream.throttled")
def test_what_is_known_before_the_first_part_is_a_refusal(served: Served) -> None:
    """429 and 500, as for Invoke; after it, the loss is told where the stream ends."""
    client = served.client("lambda")
    served.queue.reply = Reply(Throttled(0))
    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.invoke_with_response_stream(FunctionName="f")
    served.queue.reply = Reply(Lost("no worker"))
    with pytest.raises(client.exceptions.ServiceException):
        client.invoke_with_response_stream(FunctionName="f")
    served.queue.parts = [b"a"]

    _, events = streamed(served)

    assert events[-1]["InvokeComplete"]["ErrorCode"] == "ServiceException"


def test_a_store_that_fails_in_the_middle_ends_the_stream_with_an_error(served: Served) -> None:
    """The client raises it, after the parts that came before."""
    served.queue.parts = [b"a"]
    served.queue.failure = StoreUnavailable("away")
    answer = served.client("lambda").invoke_with_response_stream(FunctionName="f")
    with closing(answer["EventStream"]) as events:
        stream = iter(events)

        assert next(stream) == {"PayloadChunk": {"Payload": b"a"}}
        with pytest.raises(EventStreamError, match="away"):
            next(stream)


@pytest.mark.parity("stream.types")
def test_a_streamed_call_is_checked_as_any_other(served: Served) -> None:
    """A dry run runs nothing; an Event, a payload that is no JSON, an unknown function are refused."""
    client = served.client("lambda")

    dry_run = client.invoke_with_response_stream(FunctionName="f", InvocationType="DryRun")
    dry_run["EventStream"].close()

    assert dry_run["StatusCode"] == 204
    for fields, code in (
        ({"InvocationType": "Event"}, "ValidationException"),
        ({"Payload": b"no"}, "InvalidRequestContentException"),
        ({"FunctionName": "g"}, "ResourceNotFoundException"),
    ):
        with pytest.raises(ClientError) as refused:
            client.invoke_with_response_stream(**({"FunctionName": "f"} | fields))
        assert refused.value.response["Error"]["Code"] == code
    assert served.queue.called == []


# --- InvokeAsync ------------------------------------------------------------------------------------------------------


@pytest.mark.parity("invoke-async.answer", "invoke-async.slash")
def test_invoke_async_queues_an_event(served: Served) -> None:
    """202 and nothing else, with and without a slash at the end; an empty body is an empty object."""
    answer = served.client("lambda").invoke_async(FunctionName="f", InvokeArgs=b'{"sku": 7}')
    for path in ("/2014-11-13/functions/f/invoke-async/", "/2014-11-13/functions/f/invoke-async"):
        status, headers, body = served.send("POST", path)
        assert (status, body) == (202, b"")
        assert "x-amz-executed-version" not in headers

    assert answer["Status"] == 202
    assert [stored.payload for stored in served.queue.enqueued] == [b'{"sku": 7}', b"{}", b"{}"]
    assert not any(stored.is_synchronous for stored in served.queue.enqueued)


@pytest.mark.parity("invoke-async.trace")
def test_invoke_async_hands_on_no_trace_but_the_lineage(served: Served) -> None:
    """The function begins a trace of its own, and still belongs to what caused it."""
    root = new_request_id()
    trace = f"{TRACE};Lineage={root}"
    status, _, _ = served.send("POST", "/2014-11-13/functions/f/invoke-async/", b"{}", X_Amzn_Trace_Id=trace)

    (stored,) = served.queue.enqueued
    assert (status, stored.trace_header, stored.root) == (202, None, root)


@pytest.mark.parity("limit.invoke-async")
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"no", 400, "InvalidRequestContentException"),
        (LARGEST + b" ", 413, "RequestEntityTooLargeException"),
    ],
    ids=["no JSON", "too large"],
)
def test_invoke_async_takes_json_of_256_kb(served: Served, body: bytes, status: int, code: str) -> None:
    """Nothing else; one byte more is refused."""
    with pytest.raises(ClientError) as refused:
        served.client("lambda").invoke_async(FunctionName="f", InvokeArgs=body)
    served.client("lambda").invoke_async(FunctionName="f", InvokeArgs=LARGEST)

    response = refused.value.response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (status, code)
    assert len(served.queue.enqueued) == 1
