"""Invoke as it goes over the wire: statuses, headers and bodies, byte for byte, whatever a client makes of them."""

import base64
import re
from collections.abc import Iterator
from urllib.parse import quote

import orjson
import pytest

from config import limits
from config import redis as config_redis
from config.settings import Settings
from producers.seams import Seams
from tests.lambda_.conftest import deliver_nowhere
from tests.lambda_.served import Served, serving
from tests.lambda_.system import ARN, ROLE, package
from worker.clock import SystemClock
from worker.invocation import FunctionError, Succeeded, Throttled
from worker.keys import Keys
from worker.reply import Reply

INVOKE = "/2015-03-31/functions/{}/invocations"
F = INVOKE.format("f")
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def gateway(redis_settings: Settings) -> Iterator[Served]:
    """A gateway that the tests share, with the function f."""
    redis = config_redis.connect(redis_settings)
    seams = Seams(redis_settings, redis, Keys("wire"), SystemClock(), deliver_nowhere)
    with serving(redis_settings, seams) as served:
        served.client("lambda").create_function(
            FunctionName="f", Runtime="python3.12", Role=ROLE, Handler="app.handler", Code={"ZipFile": package()}
        )
        yield served
    redis.close()


@pytest.fixture
def served(gateway: Served) -> Served:
    """The gateway, with a queue that has seen nothing."""
    gateway.queue.enqueued.clear()
    gateway.queue.called.clear()
    gateway.queue.reply = Reply(Succeeded(b'{"ok": 1}'), b"END\n")
    return gateway


@pytest.mark.parity(
    "invoke.event.empty-body", "invoke.event.no-version", "invoke.event.no-log", "invoke.request-id.header",
    "invoke.request-id.form",
)  # fmt: skip
def test_an_event_is_answered_with_a_status_and_an_id(served: Served) -> None:
    """202, no body, no version, no log although it was asked for; the id is the invocation's."""
    status, headers, body = served.send("POST", F, b"{}", X_Amz_Invocation_Type="Event", X_Amz_Log_Type="Tail")

    (stored,) = served.queue.enqueued
    assert (status, body) == (202, b"")
    assert not {"x-amz-executed-version", "x-amz-log-result", "x-amz-function-error"} & headers.keys()
    assert headers["x-amzn-requestid"] == stored.request_id
    assert re.fullmatch(UUID, stored.request_id)


@pytest.mark.parity(
    "invoke.sync.bytes", "invoke.sync.version", "invoke.sync.log-on-request", "invoke.sync.content-type"
)
def test_a_result_is_answered_as_it_is(served: Served) -> None:
    """200, the bytes, the version; the log's tail in base64 only where it was asked for."""
    status, plain, body = served.send("POST", F, b"[1]")
    _, with_log, _ = served.send("POST", F, b"[1]", X_Amz_Log_Type="Tail", X_Amz_Invocation_Type="RequestResponse")

    assert (status, body) == (200, b'{"ok": 1}')
    assert (plain["x-amz-executed-version"], plain["content-type"]) == ("$LATEST", "application/json")
    assert not {"x-amz-function-error", "x-amz-log-result"} & plain.keys()
    assert base64.b64decode(with_log["x-amz-log-result"]) == b"END\n"


@pytest.mark.parity("invoke.sync.function-error", "invoke.sync.unhandled")
def test_an_error_of_the_function_is_a_header(served: Served) -> None:
    """200, with the error object as the body."""
    served.queue.reply = Reply(FunctionError(b'{"errorType":"E"}', "E", "m"))

    status, headers, body = served.send("POST", F, b"{}")

    assert (status, headers["x-amz-function-error"], body) == (200, "Unhandled", b'{"errorType":"E"}')


@pytest.mark.parity("invoke.dry-run")
def test_a_dry_run_is_answered_with_nothing(served: Served) -> None:
    """204, neither body nor version."""
    status, headers, body = served.send("POST", F, b"{}", X_Amz_Invocation_Type="DryRun")

    assert (status, body) == (204, b"")
    assert "x-amz-executed-version" not in headers
    assert (served.queue.called, served.queue.enqueued) == ([], [])


@pytest.mark.parity("invoke.payload.empty")
def test_no_payload_is_an_empty_object(served: Served) -> None:
    """For both kinds of call."""
    served.send("POST", F, b"")
    served.send("POST", F, b"", X_Amz_Invocation_Type="Event")

    assert served.queue.called[0][0].payload == served.queue.enqueued[0].payload == b"{}"


@pytest.mark.parity("invoke.name.percent-encoded", "control.trailing-slash", "signature.double-encoding")
@pytest.mark.parametrize(
    "name", ["f%3A%24LATEST", quote(ARN, safe=""), quote(f"{ARN}:$LATEST", safe=""), "function%3Af"]
)
@pytest.mark.parametrize("end", ["", "/"])
def test_names_are_decoded_once(served: Served, name: str, end: str) -> None:
    """As boto3 writes them; a slash at the end changes nothing, and the signature is over the path as sent."""
    status, _, _ = served.send("POST", INVOKE.format(name) + end, b"{}", X_Amz_Invocation_Type="Event")

    assert status == 202
    assert served.queue.enqueued[0].function == "f"


@pytest.mark.parity("invoke.client-context.sync-only")
def test_a_client_context_is_for_who_waits(served: Served) -> None:
    """An event has none, whatever the caller sent."""
    context = base64.b64encode(b'{"custom":{}}').decode()
    served.send("POST", F, b"{}", X_Amz_Client_Context=context)
    served.send("POST", F, b"{}", X_Amz_Client_Context=context, X_Amz_Invocation_Type="Event")

    assert served.queue.called[0][0].client_context == context
    assert served.queue.enqueued[0].client_context is None


@pytest.mark.parity("invoke.no-deduplication")
def test_a_call_that_is_repeated_is_two_events(served: Served) -> None:
    """The id that SDKs give to a call and its repetitions is not looked at."""
    for _ in range(2):
        served.send("POST", F, b"{}", X_Amz_Invocation_Type="Event", amz_sdk_invocation_id="one")

    assert len({stored.request_id for stored in served.queue.enqueued}) == 2


def refusal(served: Served, path: str, body: bytes = b"{}", **headers: str) -> tuple[int, str, dict[str, object]]:
    """Status, error type and body of a refusal; nothing was accepted or run."""
    status, answered, text = served.send("POST", path, body, **headers)
    assert (served.queue.called, served.queue.enqueued) == ([], [])
    return status, answered["x-amzn-errortype"], orjson.loads(text)


@pytest.mark.parity("error.404.capital-message", "error.404.latest", "error.header")
def test_an_unknown_function(served: Served) -> None:
    """404 with `Message`, and the ARN has the qualifier that nobody wrote."""
    message = f"Function not found: {ARN[:-1]}nowhere:$LATEST"

    expected = (404, "ResourceNotFoundException", {"Type": "User", "Message": message})
    assert expected == refusal(served, INVOKE.format("nowhere"))
    assert expected == refusal(served, INVOKE.format("nowhere"), X_Amz_Invocation_Type="Event")


@pytest.mark.parity("error.404.qualifier")
def test_an_unknown_alias(served: Served) -> None:
    """404 with the ARN as it was asked for."""
    message = f"Function not found: {ARN}:missing-alias"

    assert refusal(served, f"{F}?Qualifier=missing-alias") == (
        404, "ResourceNotFoundException", {"Type": "User", "Message": message},
    )  # fmt: skip


@pytest.mark.parity("error.404.region")
def test_another_region(served: Served) -> None:
    """404, in the words for it."""
    name = quote(ARN.replace("us-east-1", "eu-west-1"), safe="")
    message = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"

    assert refusal(served, INVOKE.format(name)) == (
        404, "ResourceNotFoundException", {"Type": "User", "Message": message},
    )  # fmt: skip


@pytest.mark.parity("error.403.account")
def test_another_account(served: Served) -> None:
    """403."""
    name = quote(ARN.replace("000000000000", "123456789012"), safe="")

    status, code, body = refusal(served, INVOKE.format(name))

    assert (status, code) == (403, "AccessDeniedException")
    assert "not authorized to perform: lambda:InvokeFunction" in str(body)


@pytest.mark.parity("error.400.content", "invoke.event.checked")
@pytest.mark.parametrize("kind", ["Event", "RequestResponse", "DryRun"])
@pytest.mark.parametrize("body", [b"no", b"\xff\xfe", b"{", b"NaN"])
def test_a_payload_that_is_no_json(served: Served, kind: str, body: bytes) -> None:
    """400 with `message`, whatever the kind of the call."""
    status, code, text = refusal(served, F, body, X_Amz_Invocation_Type=kind)

    assert (status, code) == (400, "InvalidRequestContentException")
    assert text["Type"] == "User"
    assert str(text["message"]).startswith(
        "Could not parse request body into json: Could not parse payload into json: "
    )


@pytest.mark.parity("error.413.event", "error.413.sync", "limit.async-payload", "limit.sync-payload")
@pytest.mark.parametrize(
    ("kind", "limit"), [("Event", limits.MAX_ASYNC_PAYLOAD), ("RequestResponse", limits.MAX_SYNC_PAYLOAD)]
)
def test_a_payload_that_is_too_large(served: Served, kind: str, limit: int) -> None:
    """413 with AWS's sentence, and no Type; one byte less is taken."""
    largest = b'"' + b"x" * (limit - 2) + b'"'

    message = f"{limit + 1} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
    assert refusal(served, F, largest + b" ", X_Amz_Invocation_Type=kind) == (
        413, "RequestEntityTooLargeException", {"message": message},
    )  # fmt: skip
    assert served.send("POST", F, largest, X_Amz_Invocation_Type=kind)[0] in (200, 202)


@pytest.mark.parity("error.429")
def test_a_throttled_call(served: Served) -> None:
    """429 with a reason."""
    served.queue.reply = Reply(Throttled(0))

    status, headers, body = served.send("POST", F, b"{}")

    assert (status, headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert orjson.loads(body) == {"Reason": reason, "Type": "User", "message": "Rate Exceeded."}


@pytest.mark.parity("error.400.qualifiers")
def test_two_qualifiers(served: Served) -> None:
    """400, if they differ."""
    message = "The derived qualifier from the function name does not match the specified qualifier."

    assert refusal(served, INVOKE.format("f%3A1") + "?Qualifier=2") == (
        400, "InvalidParameterValueException", {"Type": "User", "message": message},
    )  # fmt: skip


@pytest.mark.parity("error.400.validation")
def test_a_kind_of_call_that_does_not_exist(served: Served) -> None:
    """400 without a Type, naming the value and where it stands."""
    status, code, body = refusal(served, F, X_Amz_Invocation_Type="Later")

    assert (status, code, list(body)) == (400, "ValidationException", ["message"])
    assert str(body["message"]).startswith(
        "1 validation error detected: Value 'Later' at 'invocationType' failed to satisfy constraint: "
    )


@pytest.mark.parity("invoke.client-context.limit")
def test_a_client_context_that_is_too_long(served: Served) -> None:
    """3,583 bytes of base64 at most."""
    text = base64.b64encode(b'{"custom":{"a":"' + b"x" * 2_700 + b'"}}').decode()

    assert len(text) > 3_583
    assert refusal(served, F, X_Amz_Client_Context=text)[:2] == (400, "InvalidRequestContentException")


@pytest.mark.parity("error.415")
def test_a_body_that_says_that_it_is_something_else(served: Served) -> None:
    """415, where its content type names another format."""
    status, code, body = refusal(served, F, Content_Type="application/xml")

    assert (status, code, body["Type"]) == (415, "UnsupportedMediaTypeException", "User")
    assert served.send("POST", F, b"{}", Content_Type="application/octet-stream")[0] == 200


@pytest.mark.parity("invoke.tenant", "invoke.durable")
@pytest.mark.parametrize("header", ["X_Amz_Tenant_Id", "X_Amz_Durable_Execution_Name"])
def test_what_is_not_offered_is_refused_by_its_name(served: Served, header: str) -> None:
    """501, which no SDK tries again."""
    status, code, body = refusal(served, F, **{header: "t"})

    assert (status, code) == (501, "NotImplemented")
    assert header.removeprefix("X_Amz_").replace("_", "") in str(body["message"])


@pytest.mark.parity("limit.event-age.range", "limit.retries.range")
@pytest.mark.parametrize(
    ("member", "allowed", "refused"),
    [
        ("MaximumEventAgeInSeconds", (60, 21_600), (59, 21_601)),
        ("MaximumRetryAttempts", (0, 2), (-1, 3)),
    ],
)
def test_numbers_of_asynchronous_events(
    served: Served, member: str, allowed: tuple[int, int], refused: tuple[int, int]
) -> None:
    """The ends of the range are taken, and what lies beyond is named with its limit."""
    path = "/2019-09-25/functions/f/event-invoke-config"
    for number in allowed:
        status, _, body = served.send("PUT", path, orjson.dumps({member: number}))
        assert (status, orjson.loads(body)[member]) == (200, number)

    for number, limit in zip(refused, allowed, strict=True):
        status, headers, body = served.send("PUT", path, orjson.dumps({member: number}))
        assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
        assert orjson.loads(body)["message"].endswith(
            f"value {'less' if number > limit else 'greater'} than or equal to {limit}"
        )


@pytest.mark.parity("control.create.status", "control.delete", "control.statuses")
def test_statuses_of_the_control_plane(served: Served) -> None:
    """201 for what is made, 204 without a body for what is taken away, 200 for the rest."""
    code = base64.b64encode(package()).decode()
    function = {
        "FunctionName": "g", "Runtime": "python3.12", "Role": ROLE, "Handler": "app.handler", "Code": {"ZipFile": code},
    }  # fmt: skip
    statement = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
    calls = [
        ("POST", "/2015-03-31/functions", function, 201),
        ("GET", "/2015-03-31/functions/g", None, 200),
        ("PUT", "/2015-03-31/functions/g/configuration", {"Timeout": 5}, 200),
        ("PUT", "/2019-09-25/functions/g/event-invoke-config", {"MaximumRetryAttempts": 1}, 200),
        ("POST", "/2019-09-25/functions/g/event-invoke-config", {"MaximumRetryAttempts": 0}, 200),
        ("DELETE", "/2019-09-25/functions/g/event-invoke-config", None, 204),
        ("PUT", "/2017-10-31/functions/g/concurrency", {"ReservedConcurrentExecutions": 1}, 200),
        ("GET", "/2019-09-30/functions/g/concurrency", None, 200),
        ("DELETE", "/2017-10-31/functions/g/concurrency", None, 204),
        ("POST", "/2015-03-31/functions/g/policy", statement, 201),
        ("DELETE", "/2015-03-31/functions/g/policy/s", None, 204),
        ("DELETE", "/2015-03-31/functions/g", None, 204),
    ]

    for method, path, fields, expected in calls:
        status, _, body = served.send(method, path, b"" if fields is None else orjson.dumps(fields))
        assert (method, path, status) == (method, path, expected)
        assert (body == b"") == (status == 204)
