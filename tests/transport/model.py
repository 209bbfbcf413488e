"""What the transport's scripts must do, said in Python: lists, lanes, leases, delays.

The model follows the server from reply to reply. Which lane a claim serves is the server's choice; the model checks
that what was handed over was the head of its list, and that nothing is anywhere else than it should be.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field

from tests.contents import Contents
from worker.transport.calls import Claim
from worker.transport.keys import STEPS, Namespace, lane_of, wake

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

    def make_due_ready(self, queue: str, now: int) -> None:
        """What is due by `now` (ms): in the order of the due times, and by bytes where two are due at once."""
        delayed = self.delayed[queue]
        due = [each for each in delayed if each[0] <= now]
        if not due:
            return
        self.delayed[queue] = [each for each in delayed if each[0] > now]
        for _, target, envelope in sorted(due, key=lambda each: (each[0], f"{each[1]}\n".encode() + each[2])):
            self.ready[queue, target].append(envelope)

    def envelopes(self) -> list[bytes]:
        """All messages, wherever they are."""
        return [
            *(envelope for held in self.ready.values() for envelope in held),
            *(envelope for delayed in self.delayed.values() for _, _, envelope in delayed),
            *(envelope for held in self.leases.values() for envelope in held.values()),
        ]

    def check(self, contents: Contents) -> None:
        """The server holds what the model holds, no more and no less, and its parts fit together.

        Raises:
            AssertionError: it does not.
        """
        held = {self.namespace.lease(name): lease for name, lease in self.leases.items() if lease}
        assert contents.names(self.namespace.leases) == held.keys()
        consumers = {self.namespace.lease(name.decode()) for name in contents.zset(self.namespace.consumers)}
        assert held.keys() <= consumers, "a lease without a consumer"
        for key, lease in held.items():
            assert contents.hash(key) == {tag.encode(): envelope for tag, envelope in lease.items()}
        for consumer, tags in self.begun.items():
            assert contents.set(self.namespace.begun(consumer)) == {tag.encode() for tag in tags}
        for queue in self.queues:
            self._check_queue(queue, contents)

    def _check_queue(self, queue: str, contents: Contents) -> None:
        ready = {target: held for (name, target), held in self.ready.items() if name == queue and held}
        beginning = f"{queue}:lane:"
        lists = {key for key in contents.names(queue) if key.startswith(beginning)}
        lists |= {queue + step for step in STEPS.values() if contents.list(queue + step)}
        assert lists == {queue + target for target in ready}
        for target, held in ready.items():
            assert contents.list(queue + target)[::-1] == held, f"{queue}{target}"
        lanes = [name for name in map(lane_of, ready) if name is not None]
        named = [*contents.list(f"{queue}:lanes"), *contents.list(f"{queue}:new-lanes")]
        assert sorted(name.decode() for name in named) == sorted(lanes), "each lane that is not empty is named once"
        delayed = {f"{target}\n".encode() + envelope: due for due, target, envelope in self.delayed[queue]}
        assert contents.zset(f"{queue}:delayed").keys() == delayed.keys()
        bell = contents.list(wake(queue))
        assert len(bell) <= 1, "the doorbell has one token at most"
        assert bell or not ready, "something is ready, and nobody will wake for it"


def place(tag: str) -> tuple[str, str]:
    """Queue and target of a lease field."""
    _, _, length, key = tag.split("|", 3)
    return key[: int(length)], key[int(length) :]
