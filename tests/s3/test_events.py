"""What happens to an object, and who hears of it."""

from typing import Any

import pytest

from tests.s3.system import BUS, FUNCTION, QUEUE, TOPIC, System, md5, refused, to


def told(system: System) -> list[tuple[str, str, dict[str, Any]]]:
    """Target, name and object of each event, without the sequencer."""
    events = []
    for target, payload in system.targets.received():
        record = payload["Records"][0]
        entity = {name: value for name, value in record["s3"]["object"].items() if name != "sequencer"}
        events.append((target, record["eventName"], entity))
    return events


def test_every_change_is_told(system: System):
    """Put, copy, upload in parts and removal, each with its name; a removal of nothing is none."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*", "s3:ObjectRemoved:*"))
    upload = system.s3.create_multipart_upload(system.request(), "bucket", "parts")["UploadId"]
    part = system.s3.upload_part(system.request(b"part"), "bucket", "parts", 1, upload)

    system.put("bucket", "a b", b"hello")
    system.s3.copy_object(system.request(), "bucket", "copy", "bucket/a%20b")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    completed = system.s3.complete_multipart_upload(system.request(), "bucket", "parts", upload, parts)
    system.s3.delete_object(system.request(), "bucket", "a b")
    system.s3.delete_object(system.request(), "bucket", "a b")
    system.s3.delete_objects(system.request(), "bucket", {"Objects": [{"Key": "copy"}, {"Key": "missing"}]})

    hello = md5(b"hello")
    assert told(system) == [
        (FUNCTION, "ObjectCreated:Put", {"key": "a+b", "size": 5, "eTag": hello}),
        (FUNCTION, "ObjectCreated:Copy", {"key": "copy", "size": 5, "eTag": hello}),
        (
            FUNCTION,
            "ObjectCreated:CompleteMultipartUpload",
            {"key": "parts", "size": 4, "eTag": completed["ETag"].strip('"')},
        ),
        (FUNCTION, "ObjectRemoved:Delete", {"key": "a+b"}),
        (FUNCTION, "ObjectRemoved:Delete", {"key": "copy"}),
    ]


@pytest.mark.parity("s3.record.request-id")
def test_event_says_where_it_comes_from(system: System):
    """Source and trace of the call go along; the record has request, caller and rule."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*", name="my rule"))

    request = system.request(b"x", **{"x-amzn-trace-id": "Root=1-a-b"})
    system.s3.put_object(request, "bucket", "k")

    delivery, (_, payload) = system.targets.deliveries()[0], system.targets.received()[0]
    record = payload["Records"][0]
    assert (delivery["source"], delivery["trace"]) == ("aws:s3", "Root=1-a-b")
    assert record["responseElements"] == {"x-amz-request-id": "R1", "x-amz-id-2": "R1"}
    assert record["s3"]["configurationId"] == "my rule"
    assert record["s3"]["bucket"]["name"] == "bucket"


def test_only_matching_events_are_told(system: System):
    """Each rule to its own target."""
    rules = to(FUNCTION, "s3:ObjectCreated:*", name="1", prefix="in/", suffix=".jpg")
    rules |= to(QUEUE, "s3:ObjectRemoved:*", name="2")
    rules |= to(TOPIC, "s3:ObjectCreated:Put", name="3", prefix="other/")
    system.notify("bucket", rules)

    for key in ("in/a.jpg", "in/a.png", "other/a.jpg", "a.jpg"):
        system.put("bucket", key)
    system.s3.delete_object(system.request(), "bucket", "a.jpg")

    assert [(target, entity["key"]) for target, _, entity in told(system)] == [
        (FUNCTION, "in/a.jpg"),
        (TOPIC, "other/a.jpg"),
        (QUEUE, "a.jpg"),
    ]


@pytest.mark.parity("s3.event-bridge")
def test_event_bridge_hears_everything(system: System):
    """Once it is on, besides the rules; keys are not encoded there."""
    system.notify("bucket", {"EventBridgeConfiguration": {}})

    system.put("bucket", "a b")
    system.s3.delete_object(system.request(), "bucket", "a b")

    heard = [
        (target, event["detail-type"], event["detail"]["object"]["key"], event["detail"]["reason"])
        for target, event in system.targets.received()
    ]
    assert heard == [(BUS, "Object Created", "a b", "PutObject"), (BUS, "Object Deleted", "a b", "DeleteObject")]


def test_missing_target_keeps_no_object_back(system: System):
    """As on AWS: the object is stored, and the others are told."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*") | {"EventBridgeConfiguration": {}})
    system.targets.existing.remove(FUNCTION)

    system.put("bucket", "k", b"hello")

    assert system.get("bucket", "k") == b"hello"
    assert [target for target, _ in system.targets.received()] == [BUS]


@pytest.mark.parity("s3.record.sequencer")
def test_sequencers_grow(system: System):
    """From change to change of one key, removals included."""
    system.notify("bucket", to(FUNCTION, "s3:ObjectCreated:*", "s3:ObjectRemoved:*"))

    for _ in range(5):
        system.put("bucket", "k")
        system.s3.delete_object(system.request(), "bucket", "k")

    sequencers = [event["Records"][0]["s3"]["object"]["sequencer"] for _, event in system.targets.received()]
    assert sequencers == sorted(set(sequencers))
    assert len(sequencers) == 10


@pytest.mark.parity("s3.configuration.replaces")
def test_configuration_comes_back_and_is_replaced(system: System):
    """A second one replaces the first altogether, and an empty one ends all."""
    get, request = system.s3.get_bucket_notification_configuration, system.request()
    first = to(FUNCTION, "s3:ObjectCreated:*", prefix="in/") | to(QUEUE, "s3:ObjectRemoved:*", name="2")
    answers = [get(request, "bucket")]

    for configuration in (first, {"EventBridgeConfiguration": {}}, {}):
        system.notify("bucket", configuration)
        answers.append(get(request, "bucket"))
    system.put("bucket", "in/a")

    first["LambdaFunctionConfigurations"][0]["Filter"]["Key"]["FilterRules"][0]["Name"] = "Prefix"
    assert answers == [{}, first, {"EventBridgeConfiguration": {}}, {}]
    assert system.targets.received() == []


@pytest.mark.parity("s3.configuration.id")
def test_rule_without_id_gets_one(system: System):
    """A new one, which events carry."""
    configuration = to(FUNCTION, "s3:ObjectCreated:*")
    del configuration["LambdaFunctionConfigurations"][0]["Id"]

    system.notify("bucket", configuration)
    system.put("bucket", "k")

    stored = system.s3.get_bucket_notification_configuration(system.request(), "bucket")
    record = system.targets.received()[0][1]["Records"][0]
    assert len(stored["LambdaFunctionConfigurations"][0]["Id"]) > 20
    assert record["s3"]["configurationId"] == stored["LambdaFunctionConfigurations"][0]["Id"]


@pytest.mark.parity("s3.test-event")
def test_queues_and_topics_get_a_test_event(system: System):
    """One each, when the configuration is saved; a function is only looked for."""
    rules = to(FUNCTION, "s3:ObjectCreated:*", name="1") | to(TOPIC, "s3:ObjectRemoved:Delete", name="3")
    rules |= to(QUEUE, "s3:ObjectRemoved:*", name="2", prefix="a")
    rules["QueueConfigurations"] += to(QUEUE, "s3:ObjectRemoved:*", name="4", prefix="b")["QueueConfigurations"]
    rules["TopicConfigurations"][0] |= to(TOPIC, "s3:ObjectRemoved:*", name="3", prefix="c")["TopicConfigurations"][0]

    system.s3.put_bucket_notification_configuration(system.request(), "bucket", rules)

    received = system.targets.received()
    assert [target for target, _ in received] == [QUEUE, TOPIC]
    assert {(event["Event"], event["Bucket"], "Records" in event) for _, event in received} == {
        ("s3:TestEvent", "bucket", False)
    }


@pytest.mark.parity("s3.configuration.missing")
def test_configuration_with_missing_targets_is_refused(system: System):
    """All of them are named, nothing is stored, and nobody gets a test event."""
    rules = to(FUNCTION, "s3:ObjectCreated:*", name="1") | to(QUEUE, "s3:ObjectRemoved:*", name="2", prefix="a")
    rules |= to(TOPIC, "s3:ObjectRemoved:*", name="3", prefix="b")
    system.targets.existing -= {FUNCTION, QUEUE}

    answer = refused(system.s3.put_bucket_notification_configuration, system.request(), "bucket", rules)

    assert answer == (
        "InvalidArgument",
        400,
        {
            "ArgumentName1": f"{FUNCTION}, null",
            "ArgumentValue1": f"Not authorized to invoke function [{FUNCTION}]",
            "ArgumentName2": QUEUE,
            "ArgumentValue2": "The destination queue does not exist",
        },
    )
    assert system.targets.received() == []
    assert system.s3.get_bucket_notification_configuration(system.request(), "bucket") == {}


@pytest.mark.parity("s3.configuration.order")
def test_what_cannot_be_parsed_is_refused_before_what_is_missing(system: System):
    """Even if the missing one comes first."""
    system.targets.existing.clear()
    rules = to(FUNCTION, "s3:ObjectCreated:*", name="1") | to(TOPIC, "s3:ObjectRemoved:*", name="2")
    rules["TopicConfigurations"][0]["TopicArn"] = "t"

    answer = refused(system.s3.put_bucket_notification_configuration, system.request(), "bucket", rules)

    assert answer == ("InvalidArgument", 400, {"ArgumentName": "Topic", "ArgumentValue": "t"})


@pytest.mark.parity("s3.configuration.skip")
@pytest.mark.parametrize("target", [FUNCTION, QUEUE, TOPIC])
def test_targets_need_not_exist_if_they_are_not_to_be_looked_for(system: System, target: str):
    """SkipDestinationValidation; then there is no test event either."""
    system.targets.existing.clear()

    system.notify("bucket", to(target, "s3:ObjectCreated:*"), SkipDestinationValidation=True)
    system.targets.existing.add(target)
    system.put("bucket", "k")

    assert [where for where, _ in system.targets.received()] == [target]
