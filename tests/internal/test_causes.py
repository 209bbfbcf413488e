"""Whatever a handler causes through boto3 belongs to its event: by each way that there is."""

from threading import Thread
from typing import Any

import orjson
import pytest

from tests.internal.conftest import Running
from tests.waiting import wait_until
from tests.worker.conftest import System, failure, function
from worker.claim import Claimed
from worker.function import EventInvokeConfig
from worker.lineage import root_of, runs_of

BUS = "arn:aws:events:us-east-1:000000000000:event-bus/default"


@pytest.fixture
def cause(system: System, gateway: Running, monkeypatch: pytest.MonkeyPatch) -> Claimed:
    """An event whose handler runs, and this process as that handler, as far as botocore can tell."""
    gateway.create_function("target")
    system.enqueue()
    (claimed,) = system.worker.claim()
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", claimed.invocation.trace_header or "")
    return claimed


def target_of(gateway: Running) -> str:
    """The ARN of the function that is to be caused to run."""
    return str(gateway.client("lambda").get_function(FunctionName="target")["Configuration"]["FunctionArn"])


def caused(system: System, queue: str = "") -> Any:
    """What is ready now, one invocation."""
    (claimed,) = system.worker.claim(*filter(None, [queue]))
    return claimed


def check(system: System, cause: Claimed, effect: Claimed) -> None:
    """The effect knows its root, its handler will hand it on, and the root counts it."""
    root = cause.invocation.request_id
    assert effect.invocation.root == root
    assert root_of(effect.invocation.trace_header) == root
    assert runs_of(effect.invocation.trace_header, "f").times == 1
    assert system.record(root)["open"] == "2"
    assert system.record(root)["caused"] == "1"
    assert system.redis.smembers(system.keys.event_open(root)) == {effect.invocation.request_id.encode()}


@pytest.mark.parity("recursion.detected")
def test_invoke(system: System, gateway: Running, cause: Claimed):
    """InvocationType=Event."""
    gateway.client("lambda").invoke(FunctionName="target", InvocationType="Event", Payload=b"{}")

    check(system, cause, caused(system))


def test_synchronous_invoke_hands_it_on(system: System, gateway: Running, cause: Claimed):
    """It is no event and is not counted, but what its handler causes will be."""
    answers = []
    call = Thread(target=lambda: answers.append(gateway.client("lambda").invoke(FunctionName="target", Payload=b"{}")))
    call.start()
    lane = system.keys.lane(system.keys.calls, "target")
    wait_until(lambda: system.redis.llen(lane), "the call is on its queue")
    claimed = caused(system, system.keys.calls)
    system.worker.call(claimed)
    call.join(30)

    assert answers[0]["StatusCode"] == 200
    assert claimed.invocation.root == cause.invocation.request_id
    assert root_of(claimed.invocation.trace_header) == cause.invocation.request_id
    assert system.record(cause.invocation.request_id)["open"] == "1"


@pytest.mark.parity("recursion.detected")
def test_bucket_notification(system: System, gateway: Running, cause: Claimed):
    """PutObject."""
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="bucket")
    notification = {"LambdaFunctionArn": target_of(gateway), "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="bucket", NotificationConfiguration={"LambdaFunctionConfigurations": [notification]},
        SkipDestinationValidation=True,
    )  # fmt: skip

    s3.put_object(Bucket="bucket", Key="k", Body=b"x")

    check(system, cause, caused(system))


def test_bucket_notification_by_event_bridge(system: System, gateway: Running, cause: Claimed):
    """PutObject, to a rule."""
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_bucket_notification_configuration(
        Bucket="bucket", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    put_rule(gateway, {"source": ["aws.s3"]})

    s3.put_object(Bucket="bucket", Key="k", Body=b"x")

    check(system, cause, caused(system))


@pytest.mark.parity("recursion.detected")
def test_topic(system: System, gateway: Running, cause: Claimed):
    """Publish."""
    sns = gateway.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=target_of(gateway))

    sns.publish(TopicArn=topic, Message="m")

    check(system, cause, caused(system))


@pytest.mark.parity("recursion.events")
@pytest.mark.parametrize("own", [{}, {"TraceHeader": "Root=1-67891233-abcdef012345678912345678;Sampled=0"}])
def test_event_bus(system: System, gateway: Running, cause: Claimed, own: dict[str, str]):
    """PutEvents; also with a trace of the entry's own."""
    put_rule(gateway, {"source": ["mine"]})

    gateway.client("events").put_events(Entries=[{"Source": "mine", "DetailType": "d", "Detail": "{}", **own}])

    check(system, cause, caused(system))


def put_rule(gateway: Running, pattern: dict[str, Any]) -> None:
    """A rule whose target is the function."""
    events = gateway.client("events")
    events.put_rule(Name="r", EventPattern=orjson.dumps(pattern).decode())
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": target_of(gateway)}])


@pytest.mark.parity("recursion.detected")
@pytest.mark.parametrize("own", [None, "Root=1-67891233-abcdef012345678912345678;Sampled=0"])
def test_queue(gateway: Running, cause: Claimed, own: str | None):
    """SendMessage: whoever receives the message is told, also if the message brings a trace of its own."""
    sqs = gateway.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    attributes = {"AWSTraceHeader": {"DataType": "String", "StringValue": own}} if own else {}

    sqs.send_message(QueueUrl=url, MessageBody="m", MessageSystemAttributes=attributes)

    received = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["AWSTraceHeader"])["Messages"][0]
    header = received["Attributes"]["AWSTraceHeader"]
    assert root_of(header) == cause.invocation.request_id
    assert runs_of(header, "f").times == 1
    assert header.startswith(own or "Root=1-")


@pytest.mark.parity("trace.sqs")
def test_dead_letter_in_a_queue(system: System, gateway: Running):
    """It says which event it belongs to, as far as its trace goes."""
    sqs = gateway.client("sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:dead"
    once = EventInvokeConfig(maximum_retry_attempts=0)
    system.define(function(dead_letter_arn=arn, event_invoke_config=once))
    system.environments.outcomes = [failure()]
    root = "6a7e8feb-b491-4cf7-a9f1-bf3703467718"
    system.enqueue(root=root)

    system.work()

    received = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["AWSTraceHeader"])["Messages"][0]
    assert root_of(received["Attributes"]["AWSTraceHeader"]) == root


@pytest.mark.parametrize("kind", ["lambda", "sns", "events", "s3"])
def test_destination(system: System, gateway: Running, kind: str):
    """A record goes on its way as part of the lineage, and so does what it causes where it arrives."""
    gateway.create_function("target")
    destination = destination_of(gateway, kind)
    system.define(function(event_invoke_config=EventInvokeConfig(on_success=destination)))
    root = system.enqueue()
    system.work()
    delivery = caused(system)

    gateway.services.send(
        delivery.invocation.invoked_arn,
        delivery.invocation.payload,
        delivery.details["attributes"],
        delivery.invocation.trace_header,
    )

    effect = caused(system)
    assert (effect.invocation.function, effect.invocation.root) == ("target", root)
    assert runs_of(effect.invocation.trace_header, "f").times == 1
    assert (system.record(root)["open"], system.record(root)["caused"]) == ("2", "2")


def destination_of(gateway: Running, kind: str) -> str:
    """A destination by which the function is run at last."""
    if kind == "lambda":
        return target_of(gateway)
    if kind == "sns":
        topic = str(gateway.client("sns").create_topic(Name="t")["TopicArn"])
        gateway.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=target_of(gateway))
        return topic
    if kind == "events":
        put_rule(gateway, {"source": ["lambda"]})
        return BUS
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="bucket")
    notification = {"LambdaFunctionArn": target_of(gateway), "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="bucket", NotificationConfiguration={"LambdaFunctionConfigurations": [notification]},
        SkipDestinationValidation=True,
    )  # fmt: skip
    return "arn:aws:s3:::bucket"
