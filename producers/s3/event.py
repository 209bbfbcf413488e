"""The JSON that a function receives when an object is created or removed. Pure.

There are three forms: the notification record, sent to what a bucket's configuration names; the event for
EventBridge; and the test event that a queue or topic gets when the configuration is saved. They differ in small
things that handlers rely on: in the record the key is form-encoded and the tag is `eTag`, for EventBridge the key is
as it is and the tag is `etag`.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import orjson

from worker.clock import iso_ms

#: Why an object was created or removed, as EventBridge's `reason` says it, by the record's eventName.
REASONS = {
    "ObjectCreated:Put": "PutObject",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "ObjectRemoved:Delete": "DeleteObject",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """The call that changed an object."""

    region: str
    account: str
    request_id: str  # also the host id: the gateway answers with both headers, x-amz-id-2 included, saying this
    source_ip: str
    access_key: str


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object. `size` and `etag` (without quotes) are None when it was removed."""

    name: str  # of REASONS
    bucket: str
    key: str
    size: int | None
    etag: str | None
    sequencer: int  # grows from change to change of one key
    time: datetime


def notification(change: Change, cause: Cause, configuration_id: str) -> bytes:
    """The record that goes to a function, queue or topic for one rule of the configuration."""
    entity: dict[str, Any] = {"key": quote_plus(change.key, safe="/")}
    if change.size is not None:
        entity |= {"size": change.size, "eTag": change.etag}
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": cause.region,
        "eventTime": iso_ms(change.time),
        "eventName": change.name,
        "userIdentity": {"principalId": principal_id(cause.access_key)},
        "requestParameters": {"sourceIPAddress": cause.source_ip},
        "responseElements": {"x-amz-request-id": cause.request_id, "x-amz-id-2": cause.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": change.bucket,
                "ownerIdentity": {"principalId": owner_principal_id(cause.account)},
                "arn": bucket_arn(change.bucket),
            },
            "object": entity | {"sequencer": sequencer(change.sequencer)},
        },
    }
    return orjson.dumps({"Records": [record]})


def event_bridge(change: Change, cause: Cause, event_id: str) -> bytes:
    """The event for the default event bus."""
    entity: dict[str, Any] = {"key": change.key}
    if change.size is not None:
        entity |= {"size": change.size, "etag": change.etag}
    detail = {
        "version": "0",
        "bucket": {"name": change.bucket},
        "object": entity | {"sequencer": sequencer(change.sequencer)},
        "request-id": cause.request_id,
        "requester": cause.account,
        "source-ip-address": cause.source_ip,
        "reason": REASONS[change.name],
    }
    is_removed = change.size is None
    if is_removed:
        detail["deletion-type"] = "Permanently Deleted"
    event = {
        "version": "0",
        "id": event_id,
        "detail-type": "Object Deleted" if is_removed else "Object Created",
        "source": "aws.s3",
        "account": cause.account,
        "time": change.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": cause.region,
        "resources": [bucket_arn(change.bucket)],
        "detail": detail,
    }
    return orjson.dumps(event)


def test_event(bucket: str, time: datetime, request_id: str) -> bytes:
    """What a queue or topic gets when a configuration that names it is saved."""
    event = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso_ms(time),
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": request_id,
    }
    return orjson.dumps(event)


def sequencer(number: int) -> str:
    """How a record writes it: 18 hexadecimal digits, so that texts compare as the numbers do."""
    return f"{number:018X}"


def bucket_arn(bucket: str) -> str:
    """A bucket's ARN, which has neither region nor account."""
    return f"arn:aws:s3:::{bucket}"


def owner_id(account: str) -> str:
    """The canonical user id of an account: 64 hexadecimal digits."""
    return hashlib.sha256(account.encode()).hexdigest()


def owner_principal_id(account: str) -> str:
    """Who owns a bucket, as records write it: `A` and 13 letters or digits."""
    return "A" + _letters(account, 13)


def principal_id(access_key: str) -> str:
    """Who called, as records write it: `AWS:AIDA` and 17 letters or digits."""
    return "AWS:AIDA" + _letters(access_key, 17)


def _letters(text: str, count: int) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:count]
