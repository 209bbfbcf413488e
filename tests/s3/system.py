"""S3 on a real Redis and real files, and a stand-in for everything that can receive its events."""

import base64
import hashlib
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis
from redis.client import Pipeline

from config.settings import Settings
from producers.errors import ApiError
from producers.s3.api import S3
from producers.seams import FileRange, Request, Response, Seams, SpooledBody, TargetMissing
from worker.clock import Clock
from worker.keys import Keys

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
TOPIC = "arn:aws:sns:us-east-1:000000000000:t"
BUS = "arn:aws:events:us-east-1:000000000000:event-bus/default"

_DELIVERIES = "deliveries"


class Targets:
    """Receives events by adding them to a list in the pipe's own transaction, as the services do."""

    def __init__(self, redis: Redis) -> None:
        self.existing = {FUNCTION, QUEUE, TOPIC, BUS}
        self.before: Callable[[Pipeline], None] = lambda _: None  # a test may do something in the midst of a change
        self._redis = redis

    def deliver(
        self, pipe: Pipeline, target_arn: str, payload: bytes, *, source: str, trace_header: str | None = None
    ) -> None:
        """Add the event to `pipe`."""
        if target_arn not in self.existing:
            raise TargetMissing(target_arn)
        self.before(pipe)
        delivery = {"target": target_arn, "payload": payload.decode(), "source": source, "trace": trace_header}
        pipe.rpush(_DELIVERIES, orjson.dumps(delivery))

    def received(self) -> list[tuple[str, Any]]:
        """Target and event of each delivery that happened, in order."""
        return [(each["target"], orjson.loads(each["payload"])) for each in self.deliveries()]

    def deliveries(self) -> list[dict[str, Any]]:
        """All that was said with each delivery."""
        return [orjson.loads(delivery) for delivery in self._redis.lrange(_DELIVERIES, 0, -1)]


class System:
    """The service, and what a test asks of it most."""

    def __init__(self, settings: Settings, redis: Redis, keys: Keys, clock: Clock) -> None:
        self.redis = redis
        self.keys = keys
        self.targets = Targets(redis)
        self.folder = settings.folder
        self.s3 = S3(Seams(settings, redis, keys, clock, self.targets.deliver))

    def request(self, body: bytes | None = None, **headers: str) -> Request:
        """A request as the gateway hands it over, its body in a file."""
        spooled = None if body is None else self.spool(body)
        return Request("R1", "s3", "Any", "http://127.0.0.1:4566", "127.0.0.1", "AKIDEXAMPLE", headers, spooled)

    def spool(self, body: bytes) -> SpooledBody:
        """A body in a file, with its checksums."""
        path = self.folder / "uploads" / uuid.uuid4().hex
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        checksums = {"CRC32": crc32(body)}
        return SpooledBody(path, len(body), md5(body), hashlib.sha256(body).hexdigest(), checksums)

    def put(self, bucket: str, key: str, body: bytes = b"x", **members: Any) -> dict[str, Any]:
        """PutObject."""
        return self.s3.put_object(self.request(body), bucket, key, **members)

    def get(self, bucket: str, key: str, **members: Any) -> bytes:
        """The bytes that GetObject answers."""
        return read(self.s3.get_object(self.request(), bucket, key, **members))

    def listed(self, bucket: str, **members: Any) -> list[str]:
        """The keys of one ListObjectsV2."""
        answer = self.s3.list_objects_v2(self.request(), bucket, **members)
        return [content["Key"] for content in answer.get("Contents", [])]

    def notify(self, bucket: str, configuration: dict[str, Any], **members: Any) -> None:
        """PutBucketNotificationConfiguration; the test events are forgotten."""
        self.s3.put_bucket_notification_configuration(self.request(), bucket, configuration, **members)
        self.redis.delete(_DELIVERIES)

    def files(self) -> list[Path]:
        """All files with bytes of objects, and bodies that were left in the spool."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


def read(answer: Response) -> bytes:
    """The bytes of an answer, as the gateway sends them."""
    body = answer.members["Body"]
    if isinstance(body, bytes):
        return body
    assert isinstance(body, FileRange)
    with body.path.open("rb") as file:
        file.seek(body.offset)
        return file.read(body.length)


def md5(body: bytes) -> str:
    """The MD5 in hex."""
    return hashlib.md5(body).hexdigest()


def crc32(body: bytes) -> str:
    """The CRC32 as S3 writes it."""
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def to(target: str, *events: str, name: str = "rule", prefix: str | None = None, suffix: str | None = None) -> dict:
    """A configuration with one rule."""
    kinds = {
        "lambda": ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
        "sqs": ("QueueConfigurations", "QueueArn"),
        "sns": ("TopicConfigurations", "TopicArn"),
    }
    configurations, arn = kinds[target.split(":")[2]]
    rule: dict[str, Any] = {"Id": name, arn: target, "Events": list(events)}
    filters = [{"Name": n, "Value": v} for n, v in (("prefix", prefix), ("suffix", suffix)) if v is not None]
    if filters:
        rule["Filter"] = {"Key": {"FilterRules": filters}}
    return {configurations: [rule]}


def refused(call: Callable[..., Any], *args: Any, **members: Any) -> tuple[str, int, dict[str, Any]]:
    """Call, and give code, status and members of the refusal."""
    with pytest.raises(ApiError) as caught:
        call(*args, **members)
    return caught.value.code, caught.value.status, caught.value.members
