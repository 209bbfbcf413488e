"""The JSON of the three forms. Pure."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote_plus

import orjson
import pytest
from aws_lambda_powertools.utilities.parser.models import S3EventNotificationEventBridgeModel, S3Model
from hypothesis import given
from hypothesis import strategies as st

from producers.s3 import event

CAUSE = event.Cause("us-east-1", "000000000000", "R1", "127.0.0.1", "AKIDEXAMPLE")
TIME = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
CREATED = event.Change("ObjectCreated:Put", "b", "in/red flower.jpg", 9, "437b930d", 0x55AED6DCD90281E5, TIME)
REMOVED = event.Change("ObjectRemoved:Delete", "b", "in/red flower.jpg", None, None, 16, TIME)


@pytest.mark.parity("s3.record.created")
def test_record_of_a_created_object():
    """Every field that AWS sends, and none besides."""
    assert orjson.loads(event.notification(CREATED, CAUSE, "id")) == {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2026-01-02T03:04:05.678Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": event.principal_id("AKIDEXAMPLE")},
                "requestParameters": {"sourceIPAddress": "127.0.0.1"},
                "responseElements": {"x-amz-request-id": "R1", "x-amz-id-2": "R1"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "id",
                    "bucket": {
                        "name": "b",
                        "ownerIdentity": {"principalId": event.owner_principal_id("000000000000")},
                        "arn": "arn:aws:s3:::b",
                    },
                    "object": {
                        "key": "in/red+flower.jpg",
                        "size": 9,
                        "eTag": "437b930d",
                        "sequencer": "0055AED6DCD90281E5",
                    },
                },
            }
        ]
    }


@pytest.mark.parity("s3.record.removed")
def test_record_of_a_removed_object_has_neither_size_nor_tag():
    """What is gone has only a key and a place in the order."""
    record = orjson.loads(event.notification(REMOVED, CAUSE, "id"))["Records"][0]

    assert record["eventName"] == "ObjectRemoved:Delete"
    assert record["s3"]["object"] == {"key": "in/red+flower.jpg", "sequencer": "000000000000000010"}


@pytest.mark.parity("s3.record.key")
@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        ("red flower.jpg", "red+flower.jpg"),
        ("a@b", "a%40b"),
        ("a/b//c", "a/b//c"),
        ("/a", "/a"),
        ("a+b", "a%2Bb"),
        ("a%2Fb", "a%252Fb"),
        ("ü", "%C3%BC"),
        ("日本 🎉", "%E6%97%A5%E6%9C%AC+%F0%9F%8E%89"),
    ],
)
def test_key_in_a_record_is_form_encoded(key: str, encoded: str):
    """`unquote_plus`, which every handler calls, gives the key back."""
    change = event.Change("ObjectCreated:Put", "b", key, 1, "e", 1, TIME)

    record = orjson.loads(event.notification(change, CAUSE, "id"))["Records"][0]

    assert record["s3"]["object"]["key"] == encoded
    assert unquote_plus(encoded) == key


@given(st.text(min_size=1))
def test_each_key_comes_back(key: str):
    """Whatever a key is, `unquote_plus` gives it back."""
    change = event.Change("ObjectCreated:Put", "b", key, 1, "e", 1, TIME)

    record = orjson.loads(event.notification(change, CAUSE, "id"))["Records"][0]

    assert unquote_plus(record["s3"]["object"]["key"]) == key


@pytest.mark.parity("s3.event-bridge")
def test_event_for_event_bridge():
    """The key is not encoded here, the tag is `etag`, and times have whole seconds."""
    assert orjson.loads(event.event_bridge(CREATED, CAUSE, "E1")) == {
        "version": "0",
        "id": "E1",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "000000000000",
        "time": "2026-01-02T03:04:05Z",
        "region": "us-east-1",
        "resources": ["arn:aws:s3:::b"],
        "detail": {
            "version": "0",
            "bucket": {"name": "b"},
            "object": {"key": "in/red flower.jpg", "size": 9, "etag": "437b930d", "sequencer": "0055AED6DCD90281E5"},
            "request-id": "R1",
            "requester": "000000000000",
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        },
    }


def test_event_of_a_removed_object_for_event_bridge():
    """It says how it was removed."""
    body = orjson.loads(event.event_bridge(REMOVED, CAUSE, "E1"))

    assert body["detail-type"] == "Object Deleted"
    assert body["detail"] == {
        "version": "0",
        "bucket": {"name": "b"},
        "object": {"key": "in/red flower.jpg", "sequencer": "000000000000000010"},
        "request-id": "R1",
        "requester": "000000000000",
        "source-ip-address": "127.0.0.1",
        "reason": "DeleteObject",
        "deletion-type": "Permanently Deleted",
    }


def test_moments_are_written_in_utc():
    """Wherever the clock stands."""
    change = event.Change(
        "ObjectRemoved:Delete", "b", "k", None, None, 1, TIME.astimezone(timezone(timedelta(hours=9)))
    )

    assert orjson.loads(event.event_bridge(change, CAUSE, "E1"))["time"] == "2026-01-02T03:04:05Z"
    assert (
        orjson.loads(event.notification(change, CAUSE, "id"))["Records"][0]["eventTime"] == "2026-01-02T03:04:05.678Z"
    )


def test_test_event_has_no_records():
    """A handler behind a queue must tell it from an event."""
    assert orjson.loads(event.test_event("b", TIME, "R1")) == {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2026-01-02T03:04:05.678Z",
        "Bucket": "b",
        "RequestId": "R1",
        "HostId": "R1",
    }


@pytest.mark.parametrize("name", [name for name in event.REASONS if name.startswith("ObjectCreated")])
def test_created_objects_pass_the_models_of_powertools(name: str):
    """The parsers that handlers use take them."""
    change = event.Change(name, "b", "a b", 9, "437b930d", 1, TIME)

    record = S3Model.model_validate_json(event.notification(change, CAUSE, "id")).Records[0]
    body = S3EventNotificationEventBridgeModel.model_validate_json(event.event_bridge(change, CAUSE, "E1"))

    assert (record.eventName, record.s3.object.key, record.s3.object.size) == (name, "a+b", 9)
    assert (body.detail_type, body.detail.object.key, body.detail.reason) == (
        "Object Created",
        "a b",
        event.REASONS[name],
    )


def test_removed_objects_pass_the_models_of_powertools():
    """The parsers that handlers use take them."""
    record = S3Model.model_validate_json(event.notification(REMOVED, CAUSE, "id")).Records[0]
    body = S3EventNotificationEventBridgeModel.model_validate_json(event.event_bridge(REMOVED, CAUSE, "E1"))

    assert (record.s3.object.size, record.s3.object.eTag) == (None, None)
    assert (body.detail_type, body.detail.deletion_type) == ("Object Deleted", "Permanently Deleted")


@pytest.mark.parity("s3.record.sequencer")
@given(st.integers(0, 2**53), st.integers(0, 2**53))
def test_sequencers_compare_as_texts(one: int, other: int):
    """What a handler keeps and compares is text."""
    assert (event.sequencer(one) < event.sequencer(other)) == (one < other)
