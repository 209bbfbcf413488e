"""The composition root: every service with its seams, and `deliver`, by which they meet without knowing each other."""

from collections.abc import Mapping
from dataclasses import dataclass

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.client import Pipeline

from config import redis as config_redis
from config.settings import Settings
from producers.events.api import Events
from producers.lambda_.api import Lambda
from producers.lambda_.event import destination_event
from producers.logs.api import Logs
from producers.s3.api import S3
from producers.seams import Deliver, Seams, TargetMissing
from producers.sns.api import Sns
from producers.sqs.api import Sqs
from worker.arn import Arn, MalformedArn
from worker.clock import Clock, SystemClock
from worker.keys import Keys
from worker.queue import EventQueue


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


@dataclass(frozen=True, slots=True)
class Services:
    """All services, and what they were built from."""

    seams: Seams
    queue: EventQueue
    async_redis: "AsyncRedis"
    s3: S3
    by_name: Mapping[str, object]  # botocore's name of the service -> the service

    def send(self, target_arn: str, payload: bytes, attributes: Mapping[str, Mapping[str, str]]) -> None:
        """Send a record or a dead letter to what is outside our own SQS.

        Raises:
            TargetMissing: there is no such target, or it does not take this.
        """
        if Arn.parse(target_arn).service == "s3":
            self.s3.put_record(target_arn, payload)
            return
        if Arn.parse(target_arn).service == "events":
            payload = destination_event(payload, target_arn)
        with self.seams.redis.pipeline(transaction=True) as pipe:
            self.seams.deliver(pipe, target_arn, payload, source="lambda:destination", attributes=attributes)
            pipe.execute()

    def close(self) -> None:
        """Close the connections of the threads; those of the event loop end with it."""
        self.seams.redis.close()


def build(settings: Settings, *, clock: Clock | None = None, redis: Redis | None = None) -> Services:
    """Put the services together. Nothing is connected before the first call."""
    keys = Keys()
    redis = redis or config_redis.connect(settings)
    async_redis = config_redis.connect_async(settings)
    delivery = Delivery()
    seams = Seams(settings=settings, redis=redis, keys=keys, clock=clock or SystemClock(), deliver=delivery)
    queue = EventQueue(redis, keys, countdown=settings.retry_countdowns[0], async_redis=async_redis)
    lambda_, sqs, sns, s3, events = Lambda(seams, queue, async_redis), Sqs(seams), Sns(seams), S3(seams), Events(seams)
    delivery.connect("lambda", lambda_.deliver)
    delivery.connect("sqs", sqs.deliver)
    delivery.connect("sns", sns.deliver)
    delivery.connect("events", events.deliver)
    by_name = {"lambda": lambda_, "sqs": sqs, "sns": sns, "s3": s3, "events": events, "logs": Logs(seams)}
    return Services(seams, queue, async_redis, s3, by_name)
