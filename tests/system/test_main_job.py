"""The main job, by a stranger with boto3 and the AWS CLI: in it goes, three times it is tried, dead it is found."""

import base64
import json
import subprocess
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.system.running import BIN, ROLE, RunningSystem
from tests.waiting import wait_until
from worker.runtime.interpreter import own_runtime

ECHO = "def handler(event, context):\n    print('got', event)\n    return event\n"
FAILS = "def handler(event, context):\n    raise ValueError('no such sku')\n"


@pytest.mark.parity("async.life.at-once")
def test_accepted_event_is_run(up: RunningSystem):
    """202 with an empty body; the id is on the answer, in the log and in the record."""
    up.create_function("runs", ECHO)

    answer = up.client("lambda").invoke(FunctionName="runs", InvocationType="Event", Payload=b'{"n": 1}')

    request_id = answer["ResponseMetadata"]["RequestId"]
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    wait_until(lambda: up.get(f"/_thrice/events/{request_id}")[1].get("state") == "succeeded", "it succeeded")
    logs = up.client("logs").filter_log_events(logGroupName="/aws/lambda/runs")["events"]
    messages = [event["message"].strip() for event in logs]
    assert f"START RequestId: {request_id} Version: $LATEST" in messages
    assert "got {'n': 1}" in messages
    assert any(message.startswith(f"REPORT RequestId: {request_id}") for message in messages)


def test_event_that_keeps_failing_waits_a_minute(up: RunningSystem):
    """With the default schedule the second attempt is due 60 s after the first."""
    up.create_function("waits", FAILS)

    answer = up.client("lambda").invoke(FunctionName="waits", InvocationType="Event")

    path = f"/_thrice/events/{answer['ResponseMetadata']['RequestId']}"
    record = wait_until(lambda: (r := up.get(path)[1]).get("state") == "waiting" and r, "it waits")
    first = record["attempts"][0]
    assert first["error_message"] == "no such sku"
    assert 59 <= seconds(record["due_at"]) - seconds(first["started_at"]) <= 62


def seconds(moment: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(moment).timestamp()


@pytest.mark.parity("invoke.request-id.dead-letter")
def test_failing_event_is_found_in_the_dead_letter_queue(quick: RunningSystem):
    """Three attempts with the same request id; the dead letter is the event, with what happened as attributes."""
    url, arn = quick.create_queue("dlq")
    quick.create_function("fails", FAILS, DeadLetterConfig={"TargetArn": arn})
    answer = quick.client("lambda").invoke(FunctionName="fails", InvocationType="Event", Payload=b'{"sku": 7}')
    request_id = answer["ResponseMetadata"]["RequestId"]

    message = quick.receive(url)

    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    record = quick.get(f"/_thrice/events/{request_id}")[1]
    assert message["Body"] == '{"sku": 7}'
    assert attributes == {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": "no such sku"}
    assert [attempt["attempt"] for attempt in record["attempts"]] == [1, 2, 3]
    assert (record["state"], record["condition"]) == ("dead_lettered", "RetriesExhausted")


@pytest.mark.parity("dlq.sns")
def test_dead_letter_goes_to_a_topic_as_well(quick: RunningSystem):
    """A dead-letter topic hands the event on to its subscribers, with the same attributes."""
    url, queue_arn = quick.create_queue("dead-from-topic")
    sns = quick.client("sns")
    topic = sns.create_topic(Name="dead")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    quick.create_function("fails-to-topic", FAILS, DeadLetterConfig={"TargetArn": topic})
    quick.client("lambda").invoke(FunctionName="fails-to-topic", InvocationType="Event", Payload=b'{"sku": 8}')

    envelope = json.loads(quick.receive(url)["Body"])

    assert envelope["Message"] == '{"sku": 8}'
    assert envelope["MessageAttributes"]["ErrorMessage"] == {"Type": "String", "Value": "no such sku"}


@pytest.mark.parity("invoke.request-id.record", "destination.kinds")
@pytest.mark.parametrize("kind", ["sqs", "sns", "lambda", "events", "s3"])
def test_record_goes_to_every_kind_of_destination(quick: RunningSystem, kind: str):
    """OnFailure takes a queue, a topic, a function, an event bus and a bucket."""
    name = f"to-{kind}"
    quick.create_function(name, FAILS)
    url, queue_arn = quick.create_queue(f"records-{kind}")
    target = destination(quick, kind, queue_arn)
    quick.client("lambda").put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": target}}
    )

    answer = quick.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b'{"k": []}')

    record = found_record(quick, kind, url)
    context = record["requestContext"]
    assert (context["requestId"], context["condition"]) == (
        answer["ResponseMetadata"]["RequestId"],
        "RetriesExhausted",
    )
    assert record["requestPayload"] == {"k": []}


def destination(system: RunningSystem, kind: str, queue_arn: str) -> str:
    """The ARN of a destination that leads to the queue `queue_arn` in the end, or to a bucket."""
    match kind:
        case "sqs":
            return queue_arn
        case "sns":
            sns = system.client("sns")
            topic = sns.create_topic(Name="records")["TopicArn"]
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"})
            return topic
        case "lambda":
            queue = {"DestinationConfig": {"OnSuccess": {"Destination": queue_arn}}}
            system.create_function("takes-records", ECHO)
            system.client("lambda").put_function_event_invoke_config(FunctionName="takes-records", **queue)
            return "arn:aws:lambda:us-east-1:000000000000:function:takes-records"
        case "events":
            events = system.client("events")
            events.put_rule(Name="records", EventPattern=json.dumps({"source": ["lambda"]}))
            events.put_targets(Rule="records", Targets=[{"Id": "1", "Arn": queue_arn, "InputPath": "$.detail"}])
            return "arn:aws:events:us-east-1:000000000000:event-bus/default"
        case _:
            system.client("s3").create_bucket(Bucket="records")
            return "arn:aws:s3:::records"


def found_record(system: RunningSystem, kind: str, url: str) -> Any:
    """The record where the destination put it."""
    if kind == "s3":
        s3 = system.client("s3")
        listing = wait_until(lambda: s3.list_objects_v2(Bucket="records").get("Contents"), "the record is there")
        assert listing[0]["Key"].startswith("aws/lambda/async/to-s3/")
        return json.loads(s3.get_object(Bucket="records", Key=listing[0]["Key"])["Body"].read())
    body = json.loads(system.receive(url)["Body"])
    return body["responsePayload"] if kind == "lambda" else body


def test_synchronous_invocation(up: RunningSystem):
    """The handler's JSON comes back; an error comes back as Lambda tells it, with the log's tail."""
    up.create_function("sync-ok", ECHO)
    up.create_function("sync-bad", FAILS)
    client = up.client("lambda")

    good = client.invoke(FunctionName="sync-ok", Payload=b'{"a":[1,"\xc3\xa9"]}')
    bad = client.invoke(FunctionName="sync-bad", Payload=b"{}", LogType="Tail")

    assert (good["StatusCode"], good["ExecutedVersion"]) == (200, "$LATEST")
    assert json.loads(good["Payload"].read()) == {"a": [1, "é"]}
    error = json.loads(bad["Payload"].read())
    assert (bad["StatusCode"], bad["FunctionError"]) == (200, "Unhandled")
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no such sku")
    assert bad["LogResult"]


def test_synchronous_invocation_as_a_stream(up: RunningSystem):
    """The result and the error come as events; the log's tail has all 4 KB, although most of the log went ahead."""
    source = (
        "import time\n"
        "def handler(event, context):\n"
        "    for number in range(300): print(number, 'x' * 50)\n"
        "    time.sleep(1.5)\n"
        "    print('late')\n"
        "    if event: raise ValueError('no such sku')\n"
        "    return {'n': 1}\n"
    )
    up.create_function("streams", source, Timeout=20)
    client = up.client("lambda")

    def events(payload: bytes) -> list[dict[str, Any]]:
        answer = client.invoke_with_response_stream(FunctionName="streams", Payload=payload, LogType="Tail")
        assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
        return list(answer["EventStream"])

    chunk, complete = events(b"{}")
    (failed,) = events(b"[1]")

    assert json.loads(chunk["PayloadChunk"]["Payload"]) == {"n": 1}
    tail = base64.b64decode(complete["InvokeComplete"]["LogResult"])
    assert len(tail) == 4096
    assert b"299 xx" in tail
    assert b"\nlate\nEND RequestId: " in tail
    assert failed["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert json.loads(failed["InvokeComplete"]["ErrorDetails"])["errorMessage"] == "no such sku"


def test_handler_reaches_us_with_boto3(up: RunningSystem):
    """boto3 inside a handler needs no endpoint and no keys."""
    source = (
        "import boto3\n"
        "def handler(event, context):\n"
        "    boto3.client('s3').put_object(Bucket='from-handler', Key='k', Body=b'v')\n"
    )
    up.client("s3").create_bucket(Bucket="from-handler")
    up.create_function("uses-boto3", source, Timeout=15)

    answer = up.client("lambda").invoke(FunctionName="uses-boto3", Payload=b"{}")

    assert "FunctionError" not in answer, answer["Payload"].read()
    assert up.client("s3").get_object(Bucket="from-handler", Key="k")["Body"].read() == b"v"


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        ({"FunctionName": "nowhere"}, "ResourceNotFoundException", 404),
        ({"FunctionName": "refusals", "Payload": b"not json"}, "InvalidRequestContentException", 400),
        (
            {"FunctionName": "refusals", "Payload": b'"' + b"x" * 1_048_576 + b'"'},
            "RequestEntityTooLargeException",
            413,
        ),
    ],
)
def test_what_is_not_accepted(up: RunningSystem, arguments: dict[str, Any], code: str, status: int):
    """An unknown function, a payload that is no JSON, and one that is too large are refused before a 202."""
    lambda_ = up.client("lambda", retries={"total_max_attempts": 1})
    if code != "ResourceNotFoundException" and status == 400:
        up.create_function("refusals", ECHO)

    with pytest.raises(ClientError) as refusal:
        lambda_.invoke(InvocationType="Event", **arguments)

    error = refusal.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def test_wrong_signature_is_403(up: RunningSystem):
    """Unknown keys and wrong secrets are refused."""
    import boto3

    client = boto3.client(
        "lambda", endpoint_url=up.url, region_name="us-east-1", aws_access_key_id="AKIAX", aws_secret_access_key="x"
    )

    with pytest.raises(ClientError) as refusal:
        client.list_functions()

    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parity("client.cli")
def test_aws_cli_as_it_is(up: RunningSystem, tmp_path):
    """The AWS CLI creates and invokes a function with nothing but an endpoint and the credentials file."""
    env = {
        **up.variables,
        "AWS_SHARED_CREDENTIALS_FILE": str(up.folder / "data" / "credentials"),
        "AWS_ENDPOINT_URL": up.url,
    }

    def aws(*arguments: str) -> str:
        done = subprocess.run(
            [BIN / "aws", *arguments], env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    (tmp_path / "app.py").write_text(ECHO)
    subprocess.run(["python3", "-m", "zipfile", "-c", "f.zip", "app.py"], cwd=tmp_path, check=True)
    aws(
        "lambda", "create-function", "--function-name", "by-cli", "--runtime", own_runtime(), "--role", ROLE,
        "--handler", "app.handler", "--zip-file", "fileb://f.zip",
    )  # fmt: skip
    printed = aws(
        "lambda", "invoke", "--function-name", "by-cli", "--invocation-type", "Event", "--payload", '{"x":1}', "out"
    )

    assert json.loads(printed)["StatusCode"] == 202
    wait_until(lambda: up.ledger()["functions"].get("by-cli", {}).get("succeeded") == 1, "it ran")
