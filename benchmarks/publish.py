"""How events get into thrice's queue: the one place that knows the publishing side of the event queue."""

from collections.abc import Sequence
from datetime import UTC, datetime

from redis import Redis

from config.settings import Settings
from worker.identity import new_request_id
from worker.invocation import Invocation
from worker.keys import Keys
from worker.queue import EventQueue

#: Events of one round trip.
BATCH = 500


class EventPublisher:
    """Publishes from one thread."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        """Publish to the server of `redis`."""
        self._redis = redis
        self._queue = EventQueue(redis, Keys())
        self._arn = f"arn:aws:lambda:{settings.region}:{settings.account_id}:function:"

    def publish(self, function: str, payloads: Sequence[bytes]) -> None:
        """Put an event for each of `payloads` on the queue, BATCH of them in a round trip."""
        arn = self._arn + function
        for begin in range(0, len(payloads), BATCH):
            with self._redis.pipeline(transaction=False) as pipe:
                for payload in payloads[begin : begin + BATCH]:
                    self._queue.add(pipe, Invocation(new_request_id(), function, arn, payload, datetime.now(UTC)))
                pipe.execute()
