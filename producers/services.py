"""The composition root: every service with its seams, and `deliver`, by which they meet without knowing each other."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.client import Pipeline

from config import redis as config_redis
from config.settings import Settings
from producers.cloudformation.api import CloudFormation
from producers.cloudwatch.api import CloudWatch
from producers.errors import ApiError
from producers.events.api import Events
from producers.lambda_.api import Lambda
from producers.lambda_.event import destination_event, record_key
from producers.logs.api import Logs
from producers.s3.api import S3
from producers.seams import Deliver, ReadObject, Request, Seams, SpooledBody, TargetMissing, no_objects
from producers.sns.api import Sns
from producers.sqs.api import Sqs
from worker.arn import Arn, MalformedArn
from worker.clock import Clock, SystemClock
from worker.identity import new_request_id
from worker.keys import Keys
from worker.queue import EventQueue

#: An upload that was not finished after this long never will be.
LEFT_BEHIND = timedelta(hours=1)


class Delivery:
    """Hands an event to whatever its ARN names, by the service that the ARN belongs to."""

    def __init__(self) -> None:
        self._by_service: dict[str, Deliver] = {}

    def connect(self, service: str, deliver: Deliver) -> None:
        """From now on `deliver` takes what goes to ARNs of `service`."""
        self._by_service[service] = deliver

    def __call__(
        self,
        pipe: Pipeline,
        target_arn: str,
        payload: bytes,
        *,
        source: str,
        trace_header: str | None = None,
        attributes: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Add to `pipe` what hands `payload` to the target; see `producers.seams.Deliver`."""
        try:
            service = Arn.parse(target_arn).service
        except MalformedArn:
            raise TargetMissing(target_arn) from None
        deliver = self._by_service.get(service)
        if deliver is None:
            raise TargetMissing(target_arn)
        deliver(pipe, target_arn, payload, source=source, trace_header=trace_header, attributes=attributes)


class Objects:
    """Reads objects for other services than S3, which is there only after them."""

    def __init__(self) -> None:
        self._read: ReadObject = no_objects

    def connect(self, read: ReadObject) -> None:
        """From now on `read` reads them."""
        self._read = read

    def __call__(self, bucket: str, key: str, version_id: str | None, most: int) -> bytes:
        """The bytes of an object; see `producers.seams.ReadObject`."""
        return self._read(bucket, key, version_id, most)


@dataclass(frozen=True, slots=True)
class Services:
    """All services, and what they were built from."""

    seams: Seams
    queue: EventQueue
    async_redis: "AsyncRedis"
    waiting_redis: "AsyncRedis"  # for commands that block
    s3: S3
    sqs: Sqs
    by_name: Mapping[str, object]  # botocore's name of the service -> the service

    def send(
        self, target_arn: str, payload: bytes, attributes: Mapping[str, Mapping[str, str]], trace_header: str | None
    ) -> None:
        """Send a record or a dead letter to what is outside our own SQS, as a consequence of what `trace_header` tells.

        Raises:
            TargetMissing: there is no such target, or it does not take this.
        """
        if Arn.parse(target_arn).service == "s3":
            self._put_into_bucket(Arn.parse(target_arn).resource, payload, trace_header)
            return
        if Arn.parse(target_arn).service == "events":
            payload = destination_event(payload, target_arn)
        with self.seams.redis.pipeline(transaction=True) as pipe:
            self.seams.deliver(
                pipe,
                target_arn,
                payload,
                source="lambda:destination",
                trace_header=trace_header,
                attributes=attributes,
            )
            pipe.execute()

    def _put_into_bucket(self, bucket: str, record: bytes, trace_header: str | None) -> None:
        """Put a record into a bucket, as if a client had, so that the bucket's own notifications follow."""
        folder = self.seams.settings.folder / "tmp"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        request_id = new_request_id()
        path = folder / f"record-{request_id}"
        path.write_bytes(record)
        body = SpooledBody(
            path,
            size=len(record),
            md5=hashlib.md5(record, usedforsecurity=False).hexdigest(),
            sha256=hashlib.sha256(record).hexdigest(),
        )
        request = Request(
            request_id,
            service="s3",
            operation="PutObject",
            base_url=self.seams.settings.gateway_url,
            source_ip="127.0.0.1",
            access_key="",
            headers={"x-amzn-trace-id": trace_header} if trace_header else {},
            body=body,
        )
        try:
            self.s3.put_object(
                request, Bucket=bucket, Key=record_key(record, request_id), ContentType="application/json"
            )
        except ApiError as refused:
            if refused.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            raise TargetMissing(f"arn:aws:s3:::{bucket}: {refused}") from None
        finally:
            path.unlink(missing_ok=True)

    def tidy(self) -> int:
        """Remove files that interrupted uploads left behind an hour ago or earlier; return how many."""
        removed = self.s3.sweep_orphans()
        oldest = self.seams.clock.now() - LEFT_BEHIND
        for path in (self.seams.settings.folder / "tmp").glob("*"):
            with suppress(FileNotFoundError):
                if datetime.fromtimestamp(path.stat().st_mtime, UTC) < oldest:
                    path.unlink()
                    removed += 1
        return removed

    async def aclose(self) -> None:
        """Close all connections."""
        await self.sqs.aclose()
        await self.waiting_redis.aclose()
        await self.async_redis.aclose()
        self.seams.redis.close()


def build(settings: Settings, *, clock: Clock | None = None, redis: Redis | None = None) -> Services:
    """Put the services together. Nothing is connected before the first call."""
    keys = Keys()
    redis = redis or config_redis.connect(settings)
    async_redis = config_redis.connect_async(settings)
    delivery, objects = Delivery(), Objects()
    seams = Seams(
        settings=settings,
        redis=redis,
        keys=keys,
        clock=clock or SystemClock(),
        deliver=delivery,
        read_object=objects,
    )
    waiting = config_redis.connect_async(settings, socket_timeout=None)
    countdown = settings.retry_countdowns[0]
    queue = EventQueue(redis, keys, countdown=countdown, async_redis=async_redis, waiting=waiting)
    lambda_, sqs, sns, s3, events = Lambda(seams, queue, async_redis), Sqs(seams), Sns(seams), S3(seams), Events(seams)
    objects.connect(s3.read_object)
    delivery.connect("lambda", lambda_.deliver)
    delivery.connect("sqs", sqs.deliver)
    delivery.connect("sns", sns.deliver)
    delivery.connect("events", events.deliver)
    by_name = {
        "lambda": lambda_,
        "sqs": sqs,
        "sns": sns,
        "s3": s3,
        "events": events,
        "logs": Logs(seams),
        "cloudformation": CloudFormation(seams),
        "cloudwatch": CloudWatch(seams),
    }
    return Services(seams, queue, async_redis, waiting, s3, sqs, by_name)
