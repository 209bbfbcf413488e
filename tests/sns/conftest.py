"""What the tests of SNS share: the service on a real Redis, beside real queues and functions that only listen."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from redis import Redis
from redis.client import Pipeline

from config.settings import Settings
from producers.seams import Deliver, Request, Seams, TargetMissing
from producers.sns.api import Sns
from producers.sqs.api import Sqs
from tests.conftest import FakeClock
from worker.arn import Arn
from worker.keys import Keys

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:"
TOPIC = "arn:aws:sns:us-east-1:000000000000:"


def request_for(operation: str, headers: dict[str, str] | None = None) -> Request:
    """A request as the gateway hands it on."""
    return Request(
        request_id="c0ffee00-0000-4000-8000-000000000000",
        service="sns",
        operation=operation,
        base_url="http://127.0.0.1:4566",
        source_ip="127.0.0.1",
        access_key="AKIAEXAMPLE",
        headers=headers or {},
    )


@dataclass
class Neighbours:
    """The other services: queues as they are, and functions whose events lie in a list of Redis."""

    redis: Redis
    functions: set[str] = field(default_factory=set)
    queue_deliver: Deliver | None = None

    def deliver(
        self,
        pipe: Pipeline,
        target_arn: str,
        payload: bytes,
        *,
        source: str,
        trace_header: str | None = None,
        attributes: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Hand on by service, as the composition root does."""
        if Arn.parse(target_arn).service == "sqs":
            assert self.queue_deliver is not None
            self.queue_deliver(
                pipe, target_arn, payload, source=source, trace_header=trace_header, attributes=attributes
            )
        elif target_arn in self.functions:
            pipe.rpush(f"events of {target_arn}", orjson.dumps([source, trace_header, payload.decode()]))
        else:
            raise TargetMissing(target_arn)

    def events(self, arn: str) -> list[tuple[str, str | None, Any]]:
        """What a function got: source, trace header, event."""
        entries = [orjson.loads(entry) for entry in self.redis.lrange(f"events of {arn}", 0, -1)]
        return [(source, trace, orjson.loads(event)) for source, trace, event in entries]


class Caller:
    """Calls operations of SNS by AWS's names, with AWS's parameters, and looks into queues."""

    def __init__(self, seams: Seams, neighbours: Neighbours) -> None:
        self.seams = seams
        self.neighbours = neighbours
        self.sns = Sns(seams)
        self.sqs = Sqs(seams)
        self.loop = asyncio.new_event_loop()
        neighbours.queue_deliver = self.sqs.deliver

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*, headers: dict[str, str] | None = None, **parameters: Any) -> Any:
            return getattr(self.sns, name)(request_for(name, headers), **parameters)

        return call

    def topic(self, name: str = "t", **parameters: Any) -> str:
        """Make a topic and tell its ARN."""
        return str(self.create_topic(Name=name, **parameters)["TopicArn"])

    def function(self, name: str = "f") -> str:
        """Have a function that listens, and tell its ARN."""
        self.neighbours.functions.add(FUNCTION + name)
        return FUNCTION + name

    def queue(self, name: str = "q", **attributes: str) -> str:
        """Make a queue and tell its ARN."""
        self.sqs.create_queue(request_for("CreateQueue"), QueueName=name, Attributes=attributes)
        return QUEUE + name

    def subscribed(self, topic: str, endpoint: str, **attributes: str) -> str:
        """Subscribe an endpoint and tell the subscription's ARN."""
        answer = self.subscribe(
            TopicArn=topic, Protocol=Arn.parse(endpoint).service, Endpoint=endpoint, Attributes=attributes
        )
        return str(answer["SubscriptionArn"])

    def received(self, queue_arn: str) -> list[dict[str, Any]]:
        """The messages that are in a queue."""
        url = f"http://127.0.0.1:4566/000000000000/{Arn.parse(queue_arn).name}"
        answer = self.loop.run_until_complete(
            self.sqs.receive_message(
                request_for("ReceiveMessage"),
                QueueUrl=url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                AttributeNames=["All"],
            )
        )
        return list(answer.get("Messages", []))

    def bodies(self, queue_arn: str) -> list[Any]:
        """The bodies of the messages that are in a queue, as JSON."""
        return [orjson.loads(message["Body"]) for message in self.received(queue_arn)]

    def close(self) -> None:
        """Close the connections of the event loop."""
        self.loop.run_until_complete(self.sqs.aclose())
        self.loop.close()


@pytest.fixture
def caller(settings: Settings, redis: Redis, keys: Keys, clock: FakeClock) -> Iterator[Caller]:
    """Somebody who calls SNS."""
    neighbours = Neighbours(redis)
    caller = Caller(Seams(settings, redis, keys, clock, neighbours.deliver), neighbours)
    yield caller
    caller.close()
