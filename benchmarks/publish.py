"""How events get into thrice's queue: the one place that knows the publishing side of the event queue."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from redis import Redis

from config.settings import Settings
from worker.identity import new_request_id
from worker.invocation import Invocation
from worker.keys import Keys
from worker.queue import EventQueue


class EventPublisher:
    """Publishes from one thread."""

    def __init__(self, redis: Redis, settings: Settings, *, countdown: float = 0.0) -> None:
        """Publish to the server of `redis`; first attempts are due after `countdown` seconds."""
        self._redis = redis
        self._queue = EventQueue(redis, Keys(), countdown=countdown)
        self._arn = f"arn:aws:lambda:{settings.region}:{settings.account_id}:function:"

    def publish(self, function: str, payloads: Sequence[bytes]) -> None:
        """Put an event for each of `payloads` on the queue, as many in a round trip as the queue takes at once."""
        self.publish_mixed((function, payload) for payload in payloads)

    def publish_mixed(self, events: Iterable[tuple[str, bytes]], countdown: float = 0.0) -> None:
        """The same for pairs of a function and a payload, to run in `countdown` seconds."""
        queue = self._queue if countdown == 0 else EventQueue(self._redis, Keys(), countdown=countdown)
        now = datetime.now(UTC)
        queue.enqueue_all(
            Invocation(new_request_id(), function, self._arn + function, payload, now) for function, payload in events
        )
