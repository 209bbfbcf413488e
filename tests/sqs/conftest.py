"""What the tests of SQS share: the service on a real Redis, and a caller who talks to it as the gateway does."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from config.settings import Settings
from producers.seams import Request, Seams
from producers.sqs.api import Sqs
from tests.conftest import FakeClock
from worker.keys import Keys


def request_for(operation: str, headers: dict[str, str] | None = None) -> Request:
    """A request as the gateway hands it on."""
    return Request(
        request_id="c0ffee00-0000-4000-8000-000000000000",
        service="sqs",
        operation=operation,
        base_url="http://127.0.0.1:4566",
        source_ip="127.0.0.1",
        access_key="AKIAEXAMPLE",
        headers=headers or {},
    )


def nothing_is_delivered(*_: Any, **__: Any) -> None:
    """SQS causes no events."""
    raise AssertionError("SQS delivered something")


class Caller:
    """Calls operations by AWS's names, with AWS's parameters."""

    def __init__(self, seams: Seams) -> None:
        self._seams = seams
        self.sqs = Sqs(seams)
        self.loop = asyncio.new_event_loop()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*, headers: dict[str, str] | None = None, **parameters: Any) -> Any:
            answer = getattr(self.sqs, name)(request_for(name, headers), **parameters)
            return self.loop.run_until_complete(answer) if asyncio.iscoroutine(answer) else answer

        return call

    def queue(self, name: str = "q", **attributes: str) -> str:
        """Make a queue and tell its URL."""
        return str(self.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def send(self, url: str, body: str, **parameters: Any) -> str:
        """Send a message and tell its id."""
        return str(self.send_message(QueueUrl=url, MessageBody=body, **parameters)["MessageId"])

    def receive(self, url: str, **parameters: Any) -> list[dict[str, Any]]:
        """The messages that are there."""
        answer = self.receive_message(QueueUrl=url, **{"MaxNumberOfMessages": 10, **parameters})
        return list(answer.get("Messages", []))

    def bodies(self, url: str, **parameters: Any) -> list[str]:
        """The bodies of the messages that are there."""
        return [message["Body"] for message in self.receive(url, **parameters)]

    def counts(self, url: str) -> tuple[int, int, int]:
        """How many messages can be received, are in flight, are delayed."""
        shown = self.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        names = ("", "NotVisible", "Delayed")
        visible, in_flight, delayed = (int(shown[f"ApproximateNumberOfMessages{name}"]) for name in names)
        return visible, in_flight, delayed

    def close(self) -> None:
        """Close the connections of the event loop."""
        self.loop.run_until_complete(self.sqs.aclose())
        self.loop.close()


@pytest.fixture
def seams(settings: Settings, redis: Redis, keys: Keys, clock: FakeClock) -> Seams:
    """The world outside the service."""
    return Seams(settings, redis, keys, clock, nothing_is_delivered)


@pytest.fixture
def caller(seams: Seams) -> Iterator[Caller]:
    """Somebody who calls SQS."""
    caller = Caller(seams)
    yield caller
    caller.close()
