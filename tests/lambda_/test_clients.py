"""Lambda and Logs as unmodified clients see them: boto3 and the AWS CLI, over the gateway's port."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError
from redis import Redis

from config.settings import Settings
from producers.seams import Seams
from tests.lambda_.served import Served, serving
from tests.lambda_.system import ARN, ROLE, package
from worker.invocation import FunctionError, Throttled
from worker.keys import Keys
from worker.reply import Reply


@pytest.fixture
def served(settings: Settings, seams: Seams) -> Iterator[Served]:
    """A gateway with two services."""
    with serving(settings, seams) as gateway:
        yield gateway


def create(client: Any, name: str = "f") -> dict[str, Any]:
    """Make a function."""
    made: dict[str, Any] = client.create_function(
        FunctionName=name, Runtime="python3.12", Role=ROLE, Handler="app.handler", Code={"ZipFile": package()}
    )
    return made


@pytest.mark.parity("control.waiters")
def test_boto3_waits_for_functions_and_invokes_them(served: Served) -> None:
    """Create, both kinds of waiters, Event, RequestResponse, DryRun, delete."""
    client = served.client("lambda")
    made = create(client)
    for waiter in ("function_exists", "function_active", "function_active_v2"):
        client.get_waiter(waiter).wait(FunctionName="f")
    client.update_function_configuration(FunctionName="f", Timeout=5)
    for waiter in ("function_updated", "function_updated_v2"):
        client.get_waiter(waiter).wait(FunctionName="f")

    event = client.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"sku": 7}')
    called = client.invoke(FunctionName=f"{ARN}:$LATEST", LogType="Tail")
    dry = client.invoke(FunctionName="f", InvocationType="DryRun")
    deleted = client.delete_function(FunctionName="f")

    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (event["StatusCode"], event["Payload"].read()) == (202, b"")
    assert {"ExecutedVersion", "LogResult", "FunctionError"}.isdisjoint(event)
    assert (
        called["StatusCode"], called["Payload"].read(), called["ExecutedVersion"], called["LogResult"],
    ) == (200, b'{"ok": 1}', "$LATEST", "RU5ECg==")  # fmt: skip
    assert (dry["StatusCode"], dry["Payload"].read()) == (204, b"")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    (stored,) = served.queue.enqueued
    assert (b'{"sku": 7}', event["ResponseMetadata"]["RequestId"]) == (stored.payload, stored.request_id)


def test_boto3_gets_awss_errors(served: Served) -> None:
    """Codes, statuses and the members that stand beside the message."""
    client = served.client("lambda")
    create(client)
    served.queue.reply = Reply(Throttled(1))

    def refused(call: Any, **parameters: Any) -> dict[str, Any]:
        with pytest.raises(ClientError) as error:
            call(**parameters)
        response: dict[str, Any] = error.value.response
        return response

    missing = refused(client.invoke, FunctionName="g", InvocationType="Event")
    garbage = refused(client.invoke, FunctionName="f", InvocationType="Event", Payload=b"garbage")
    large = refused(client.invoke, FunctionName="f", InvocationType="Event", Payload=b'"' + b"x" * 1_048_576 + b'"')
    throttled = refused(client.invoke, FunctionName="f")

    shown = [
        (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"].split("\n")[0])
        for error in (missing, garbage, large, throttled)
    ]
    assert [
        ("ResourceNotFoundException", 404, f"Function not found: {ARN[:-1]}g:$LATEST"),
        (
            "InvalidRequestContentException", 400,
            ("Could not parse request body into json: Could not parse payload into json: Expecting value: line 1 "
            "column 1 (char 0)"),
        ),
        (
            "RequestEntityTooLargeException", 413,
            "1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        ),
        ("TooManyRequestsException", 429, "Rate Exceeded."),
    ] == shown  # fmt: skip
    assert (throttled["Type"], throttled["Reason"]) == ("User", "ReservedFunctionConcurrentInvocationLimitExceeded")
    assert missing["Type"] == "User"


@pytest.mark.parity("event-invoke.number")
def test_boto3_sets_what_becomes_of_events(served: Served, redis: Redis, keys: Keys) -> None:
    """The config comes back with its moment; afterwards it is gone."""
    client = served.client("lambda")
    create(client)
    redis.hset(keys.queues, "q", "{}")
    queue = "arn:aws:sqs:us-east-1:000000000000:q"

    put = client.put_function_event_invoke_config(
        FunctionName="f", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": queue}}
    )
    got = client.get_function_event_invoke_config(FunctionName="f")
    client.delete_function_event_invoke_config(FunctionName="f")

    for answer in (put, got):
        del answer["ResponseMetadata"]
    assert put == got
    assert {"OnSuccess": {}, "OnFailure": {"Destination": queue}} == got["DestinationConfig"]
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function_event_invoke_config(FunctionName="f")


@pytest.mark.parity("invoke.cli.event")
def test_the_cli_makes_invokes_and_reads(served: Served, redis: Redis, keys: Keys, folder: Path) -> None:
    """create-function, invoke of both kinds, and filter-log-events in pages."""
    (folder / "f.zip").write_bytes(package())
    lines = [[1000 + number, f"line {number}"] for number in range(5)]
    redis.xadd(keys.log("f"), {"attempts": orjson.dumps([["s", "RID", lines]])})
    served.queue.reply = Reply(FunctionError(b'{"errorType":"E"}', "E", "m"))

    made = served.cli(
        "lambda", "create-function", "--function-name", "f", "--runtime", "python3.12", "--role", ROLE, "--handler",
        "app.handler", "--zip-file", f"fileb://{folder / 'f.zip'}",
    )  # fmt: skip
    event = served.cli(
        "lambda", "invoke", "--function-name", "f", "--invocation-type", "Event", "--payload", '{"a": 1}',
        str(folder / "out"),
    )  # fmt: skip
    called = served.cli("lambda", "invoke", "--function-name", "f", str(folder / "result"))
    log = served.cli("logs", "filter-log-events", "--log-group-name", "/aws/lambda/f", "--page-size", "2")

    assert json.loads(made)["State"] == "Active"
    assert (json.loads(event), (folder / "out").read_bytes()) == ({"StatusCode": 202}, b"")
    assert json.loads(called) == {"StatusCode": 200, "FunctionError": "Unhandled", "ExecutedVersion": "$LATEST"}
    assert (folder / "result").read_bytes() == b'{"errorType":"E"}'
    assert [f"line {number}" for number in range(5)] == [line["message"] for line in json.loads(log)["events"]]
    assert [stored.payload for stored in served.queue.enqueued] == [b'{"a": 1}']


def test_boto3_pages_through_functions_and_logs(served: Served, redis: Redis, keys: Keys) -> None:
    """The paginators end, with everything."""
    client, logs = served.client("lambda"), served.client("logs")
    for name in "abc":
        create(client, name)
    lines = [[number, str(number)] for number in range(5)]
    redis.xadd(keys.log("a"), {"attempts": orjson.dumps([["s", "RID", lines]])})

    functions = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    events = logs.get_paginator("filter_log_events").paginate(
        logGroupName="/aws/lambda/a", PaginationConfig={"PageSize": 2}
    )
    groups = logs.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 2})

    assert list("abc") == [function["FunctionName"] for page in functions for function in page["Functions"]]
    assert list("01234") == [event["message"] for page in events for event in page["events"]]
    assert [f"/aws/lambda/{name}" for name in "abc"] == [
        group["logGroupName"] for page in groups for group in page["logGroups"]
    ]


@pytest.mark.parity("control.in-passing")
def test_terraforms_calls_are_answered(served: Served) -> None:
    """What its AWS provider sends for a published function with a layer, an alias, a permission and a config."""
    client = served.client("lambda")
    layer = client.publish_layer_version(LayerName="l", Content={"ZipFile": package("x = 1\n")})
    client.get_layer_version(LayerName="l", VersionNumber=1)
    client.create_function(
        FunctionName="f", Runtime="python3.12", Role=ROLE, Handler="app.handler", Code={"ZipFile": package()},
        Description="", MemorySize=128, Timeout=3, PackageType="Zip", Publish=True, Architectures=["x86_64"],
        EphemeralStorage={"Size": 512}, Layers=[layer["LayerVersionArn"]], TracingConfig={"Mode": "PassThrough"},
        VpcConfig={"SubnetIds": [], "SecurityGroupIds": [], "Ipv6AllowedForDualStack": False}, Tags={"a": "b"},
        LoggingConfig={"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}, SnapStart={"ApplyOn": "None"},
    )  # fmt: skip
    client.get_waiter("function_active_v2").wait(FunctionName="f")
    signing = client.get_function_code_signing_config(FunctionName="f")
    client.update_function_configuration(FunctionName="f", Timeout=5, Layers=[], VpcConfig={}, KMSKeyArn="")
    client.get_waiter("function_updated_v2").wait(FunctionName="f")
    client.publish_version(FunctionName="f")
    client.get_waiter("published_version_active").wait(FunctionName="f", Qualifier="2")
    versions = list(client.get_paginator("list_versions_by_function").paginate(FunctionName="f"))[-1]["Versions"]
    client.create_alias(
        FunctionName="f", Name="live", FunctionVersion="2", Description="",
        RoutingConfig={"AdditionalVersionWeights": {"1": 0.25}},
    )  # fmt: skip
    client.add_permission(
        FunctionName="f", Qualifier="live", StatementId="s", Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
    )  # fmt: skip
    client.put_function_event_invoke_config(FunctionName=ARN, Qualifier="live", MaximumRetryAttempts=1)
    shown = client.get_function(FunctionName="f", Qualifier="live")
    client.remove_permission(FunctionName="f", Qualifier="live", StatementId="s")
    client.delete_function_event_invoke_config(FunctionName="f", Qualifier="live")
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.delete_function(FunctionName="f", Qualifier="1")
    client.delete_alias(FunctionName="f", Name="live")
    client.delete_function(FunctionName="f")
    client.delete_layer_version(LayerName="l", VersionNumber=1)

    assert signing["CodeSigningConfigArn"] == ""
    assert [(version["FunctionArn"], version["Timeout"]) for version in versions] == [
        (f"{ARN}:$LATEST", 5), (f"{ARN}:1", 3), (f"{ARN}:2", 5),
    ]  # fmt: skip
    assert (shown["Configuration"]["FunctionArn"], shown["Tags"]) == (f"{ARN}:live", {"a": "b"})
    assert client.list_layers()["Layers"] == []


@pytest.mark.parity(
    "limit.ephemeral-storage", "alias.name", "recursion-config.enum", "function-url.config", "alias.weights.refused",
)  # fmt: skip
def test_the_models_rules_hold_for_versions_and_aliases(served: Served) -> None:
    """Names, weights and storage out of the model's range are refused in AWS's words; so is what is not offered."""
    client = served.client("lambda")
    create(client)

    def refused(call: Any, **parameters: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as error:
            call(FunctionName="f", **parameters)
        return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]

    alias = {"FunctionVersion": "$LATEST", "Name": "a"}
    weights = {"RoutingConfig": {"AdditionalVersionWeights": {"1": 1.5}}}
    assert refused(client.create_alias, **(alias | {"Name": "123"}))[0] == "ValidationException"
    code, message = refused(client.create_alias, **(alias | weights))
    assert (code, "Map value must satisfy constraint: [Member must have value less than or equal to 1" in message) == (
        "ValidationException", True,
    )  # fmt: skip
    storage = refused(client.update_function_configuration, EphemeralStorage={"Size": 10_241})
    assert storage[0] == "ValidationException"
    recursion = refused(client.put_function_recursion_config, RecursiveLoop="Maybe")
    assert recursion == (
        "ValidationException",
        (
            "1 validation error detected: Value 'Maybe' at 'recursiveLoop' failed to satisfy constraint: Member must "
            "satisfy enum value set: [Terminate, Allow]"
        ),
    )
    url = refused(client.create_function_url_config, AuthType="NONE")
    assert url == ("NotImplemented", "thrice does not implement lambda:CreateFunctionUrlConfig. Nothing was changed.")
