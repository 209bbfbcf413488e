"""Event sources and services through the one port, by unmodified boto3: what only shows when all parts meet."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.system.running import RunningSystem
from tests.waiting import wait_until

PRINTS = "import json\ndef handler(event, context):\n    print(json.dumps(event))\n"


def received(system: RunningSystem, name: str) -> list[dict]:
    """The events that a function with the source PRINTS has printed so far."""
    logs = system.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    return [json.loads(event["message"]) for event in logs if event["message"].startswith("{")]


def arn(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"


@pytest.mark.parity("s3.runs-function")
def test_object_that_matches_runs_the_function(up: RunningSystem):
    """A file below the prefix with the suffix makes an event with its key form-encoded; another does not."""
    up.create_function("on-upload", PRINTS)
    s3 = up.client("s3")
    s3.create_bucket(Bucket="inbox")
    rules = [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".txt"}]
    target = {"LambdaFunctionArn": arn("on-upload"), "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="inbox",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{**target, "Filter": {"Key": {"FilterRules": rules}}}]
        },
    )

    s3.put_object(Bucket="inbox", Key="out/a.txt", Body=b"no")
    s3.put_object(Bucket="inbox", Key="in/red flower.txt", Body=b"yes")
    s3.delete_object(Bucket="inbox", Key="in/red flower.txt")

    events = wait_until(lambda: (e := received(up, "on-upload")) and len(e) == 2 and e, "both events came")
    records = {event["Records"][0]["eventName"]: event["Records"][0]["s3"]["object"] for event in events}
    assert {name: record["key"] for name, record in records.items()} == {
        "ObjectCreated:Put": "in/red+flower.txt",
        "ObjectRemoved:Delete": "in/red+flower.txt",
    }
    assert (records["ObjectCreated:Put"]["size"], "size" in records["ObjectRemoved:Delete"]) == (3, False)


@pytest.mark.parity("s3.element")
def test_notification_configuration_can_be_put_back_as_it_was_got(up: RunningSystem):
    """Get spells the rules `Prefix` and `Suffix`; Put takes them so."""
    up.create_function("put-back", PRINTS)
    s3 = up.client("s3")
    s3.create_bucket(Bucket="put-back")
    rule = {"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a/"}]}}}
    target = {"LambdaFunctionArn": arn("put-back"), "Events": ["s3:ObjectCreated:Put"], "Id": "one"}
    s3.put_bucket_notification_configuration(
        Bucket="put-back", NotificationConfiguration={"LambdaFunctionConfigurations": [{**target, **rule}]}
    )
    got = s3.get_bucket_notification_configuration(Bucket="put-back")
    got.pop("ResponseMetadata")

    s3.put_bucket_notification_configuration(Bucket="put-back", NotificationConfiguration=got)

    again = s3.get_bucket_notification_configuration(Bucket="put-back")
    assert again["LambdaFunctionConfigurations"] == got["LambdaFunctionConfigurations"]


def test_object_that_has_not_changed_is_304(up: RunningSystem):
    """A conditional read of an unchanged object has a status and no body, and the connection goes on working."""
    s3 = up.client("s3")
    s3.create_bucket(Bucket="conditional")
    etag = s3.put_object(Bucket="conditional", Key="k", Body=b"v")["ETag"]

    for _ in range(2):
        with pytest.raises(ClientError) as refusal:
            s3.get_object(Bucket="conditional", Key="k", IfNoneMatch=etag)

    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304
    assert s3.get_object(Bucket="conditional", Key="k")["Body"].read() == b"v"


def test_topic_hands_on_to_function_and_queue(up: RunningSystem):
    """One Publish reaches every subscriber; a filter policy keeps out what it does not match."""
    up.create_function("on-topic", PRINTS)
    url, queue_arn = up.create_queue("from-topic")
    sns = up.client("sns")
    topic = sns.create_topic(Name="orders")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn("on-topic"))
    policy = {"FilterPolicy": json.dumps({"kind": ["big"]})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes=policy)

    sns.publish(TopicArn=topic, Message="one")
    big = {"kind": {"DataType": "String", "StringValue": "big"}}
    sns.publish(TopicArn=topic, Message="two", MessageAttributes=big)

    events = wait_until(lambda: (e := received(up, "on-topic")) and len(e) == 2 and e, "both messages came")
    assert {event["Records"][0]["Sns"]["Message"] for event in events} == {"one", "two"}
    assert json.loads(up.receive(url)["Body"])["Message"] == "two"
    assert "Messages" not in up.client("sqs").receive_message(QueueUrl=url)


def test_message_attributes_by_their_old_name(up: RunningSystem):
    """ReceiveMessage(AttributeNames=["SentTimestamp"]) is how most existing code asks."""
    url, _ = up.create_queue("old-names")
    sqs = up.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="x")

    message = sqs.receive_message(QueueUrl=url, AttributeNames=["SentTimestamp", "ApproximateReceiveCount"])

    assert sorted(message["Messages"][0]["Attributes"]) == ["ApproximateReceiveCount", "SentTimestamp"]


def test_event_that_matches_a_rule_runs_its_target(up: RunningSystem):
    """PutEvents goes by the pattern."""
    up.create_function("on-event", PRINTS)
    events = up.client("events")
    events.put_rule(Name="big-orders", EventPattern=json.dumps({"detail": {"total": [{"numeric": [">", 100]}]}}))
    events.put_targets(Rule="big-orders", Targets=[{"Id": "1", "Arn": arn("on-event")}])

    entry = {"Source": "shop", "DetailType": "order"}
    answer = events.put_events(
        Entries=[{**entry, "Detail": '{"total": 12}'}, {**entry, "Detail": '{"total": 120}'}, {"Source": "shop"}]
    )

    assert answer["FailedEntryCount"] == 1
    came = wait_until(lambda: received(up, "on-event"), "the event came")
    assert [event["detail"] for event in came] == [{"total": 120}]


def test_schedule_fires(quick: RunningSystem):
    """A rule for every minute fires; its clock is put forward so that nobody waits."""
    from config import redis as config_redis
    from config.settings import load
    from worker import virtual_clock
    from worker.keys import Keys

    quick.create_function("on-schedule", PRINTS)
    events = quick.client("events")
    events.put_rule(Name="minutely", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="minutely", Targets=[{"Id": "1", "Arn": arn("on-schedule"), "Input": '{"from": "rule"}'}])
    redis = config_redis.connect(load(data_dir=quick.folder / "data"))

    virtual_clock.advance(redis, Keys(), 61)
    redis.close()

    came = wait_until(lambda: received(quick, "on-schedule"), "the schedule fired")
    events.remove_targets(Rule="minutely", Ids=["1"])
    events.delete_rule(Name="minutely")
    assert came == [{"from": "rule"}]


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "words"),
    [
        ("lambda", "create_function_url_config", {"FunctionName": "f", "AuthType": "NONE"}, "CreateFunctionUrlConfig"),
        (
            "sqs",
            "add_permission",
            {"QueueUrl": "q", "Label": "l", "AWSAccountIds": ["1"], "Actions": ["*"]},
            "AddPermission",
        ),
        ("sns", "list_platform_applications", {}, "ListPlatformApplications"),
        ("s3", "get_bucket_acl", {"Bucket": "b"}, "GetBucketAcl"),
        ("events", "list_archives", {}, "ListArchives"),
        ("logs", "describe_queries", {}, "DescribeQueries"),
    ],
)
def test_what_is_not_implemented_is_named(up: RunningSystem, service: str, operation: str, arguments: dict, words: str):
    """An AWS-shaped error that names the operation, at once and not retried."""
    with pytest.raises(ClientError) as refusal:
        getattr(up.client(service), operation)(**arguments)

    response = refusal.value.response
    assert words in response["Error"]["Message"]
    assert response["ResponseMetadata"]["RetryAttempts"] == 0


def test_field_that_is_not_obeyed_is_refused_by_name(up: RunningSystem):
    """No field is accepted and ignored."""
    with pytest.raises(ClientError) as refusal:
        up.create_function("tenanted", PRINTS, TenancyConfig={"TenantIsolationMode": "PER_TENANT"})

    assert "TenancyConfig" in refusal.value.response["Error"]["Message"]
