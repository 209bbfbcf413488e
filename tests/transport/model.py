"""What the transport's scripts must do, said in Python: lists, lanes, leases, delays.

The model follows the server from reply to reply. Which lane a claim serves is the server's choice; the model checks
that what was handed over was the head of its list, and that nothing is anywhere else than it should be.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field

from redis import Redis

from worker.transport.calls import Claim
from worker.transport.keys import STEPS, Namespace, lane_of

_COUNT = re.compile(rb'^{"x-dc":(\d+),')


def redelivered(envelope: bytes) -> bytes:
    """The envelope with one redelivery more."""
    count = _COUNT.match(envelope)
    if count:
        return b'{"x-dc":%d,' % (int(count[1]) + 1) + envelope[count.end() :]
    return b'{"x-dc":1,' + envelope[1:]


@dataclass
class Model:
    """The state of a namespace with some queues."""

    namespace: Namespace
    queues: list[str]
    #: (queue, target) -> envelopes, the next one first.
    ready: dict[tuple[str, str], list[bytes]] = field(default_factory=lambda: defaultdict(list))
    #: queue -> (due, target, envelope).
    delayed: dict[str, list[tuple[int, str, bytes]]] = field(default_factory=lambda: defaultdict(list))
    #: consumer -> lease field -> envelope.
    leases: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    #: consumer -> lease fields of messages that were lost before and have begun again.
    begun: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def give_back(self, consumer: str, tags: list[str], *, is_lost: bool = False) -> None:
        """Back to the head of their lists, the oldest at the very head. A loss counts against what had begun."""
        for tag in sorted(tags, key=lambda each: -int(each.split("|")[0])):
            envelope = self.leases[consumer].pop(tag, None)
            if envelope is not None:
                counts = is_lost and (not _COUNT.match(envelope) or tag in self.begun[consumer])
                self.ready[place(tag)].insert(0, redelivered(envelope) if counts else envelope)

    def take(self, consumer: str, claim: Claim) -> None:
        """What a claim handed over was the head of its list, and lies under the lease now.

        Raises:
            AssertionError: it was not.
        """
        for delivery in claim.deliveries:
            head = self.ready[delivery.queue, delivery.target].pop(0)
            assert head == delivery.envelope, f"{delivery.envelope!r} was handed over, next was {head!r}"
            if delivery.tag:
                assert place(delivery.tag) == (delivery.queue, delivery.target)
                assert delivery.tag not in self.leases[consumer]
                self.leases[consumer][delivery.tag] = head

    def check(self, redis: Redis) -> None:
        """The server holds what the model holds, no more and no less, and its parts fit together.

        Raises:
            AssertionError: it does not.
        """
        with redis.pipeline(transaction=False) as pipe:
            pipe.zrange(self.namespace.consumers, 0, -1)
            pipe.keys(f"{self.namespace.leases}*")
            for consumer in self.leases:
                pipe.hgetall(self.namespace.lease(consumer))
            for queue, target in self._lists():
                pipe.lrange(queue + target, 0, -1)
            for queue in self.queues:
                pipe.lrange(f"{queue}:lanes", 0, -1)
                pipe.zrange(f"{queue}:delayed", 0, -1)
                pipe.llen(f"{queue}:wake")
            replies = iter(pipe.execute())
        consumers, leases = next(replies), {key.decode() for key in next(replies)}
        assert leases == {self.namespace.lease(name) for name, held in self.leases.items() if held}
        assert leases <= {self.namespace.lease(name.decode()) for name in consumers}, "a lease without a consumer"
        for held in self.leases.values():
            assert next(replies) == {tag.encode(): envelope for tag, envelope in held.items()}
        for place_of_list in self._lists():
            assert next(replies)[::-1] == self.ready[place_of_list], place_of_list
        for queue in self.queues:
            names = {lane_of(target) for (name, target), held in self.ready.items() if name == queue and held}
            lanes = [name for name in names if name is not None]
            ring = [name.decode() for name in next(replies)]
            assert sorted(ring) == sorted(lanes), "the ring names each lane that is not empty, once"
            delayed = {f"{target}\n".encode() + envelope for _, target, envelope in self.delayed[queue]}
            assert set(next(replies)) == delayed
            assert next(replies) <= 1, "the doorbell has one token at most"

    def _lists(self) -> list[tuple[str, str]]:
        steps = {(queue, target) for queue in self.queues for target in STEPS.values()}
        return sorted({*steps, *self.ready})


def place(tag: str) -> tuple[str, str]:
    """Queue and target of a lease field."""
    _, _, length, key = tag.split("|", 3)
    return key[: int(length)], key[int(length) :]
