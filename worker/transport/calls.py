"""The calls of the transport's scripts: which keys and arguments each one takes, and what its reply means.

Nothing here talks to a server. A `Call` is handed to `CommandConnection.call` or to `Call.run`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from worker.transport.keys import Namespace
from worker.transport.lua import TRANSPORT, Library
from worker.transport.script import Argument, Script

#: Messages that one script call moves at most, so that it never holds the server up for long.
MOST = 1000


@dataclass(frozen=True, slots=True)
class Call:
    """A script with what it is called with."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Argument]

    def run(self, client: Redis) -> Any:
        """Run the script and wait for its reply.

        Raises:
            RedisError: the server refused, or the connection broke and the outcome is unknown.
        """
        return self.script.run(client, self.keys, self.arguments)


@dataclass(slots=True)
class Delivery:
    """A message as a claim hands it over."""

    queue: str
    target: str
    #: The lease field: what an ack names. Empty where none is expected.
    tag: str
    envelope: bytes
    #: Whether it was handed over although its lane may not run more now.
    is_refused: bool
    #: What the journal says about its lane.
    context: bytes | None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim found."""

    #: Until the next message is due, None if none is delayed.
    next_due_ms: int | None
    #: Whether the consumer was registered: if not, what it held before was given to others.
    is_known: bool
    #: Whether more is ready than the claim could take.
    has_more: bool
    #: Whether something is left in lanes that have given what they may.
    has_held_back: bool
    deliveries: list[Delivery] = field(repr=False)


class Calls:
    """The calls of one namespace."""

    def __init__(self, namespace: Namespace, library: Library | None = None) -> None:
        """Call the scripts of `library`, by default the transport's own."""
        library = library or Library(TRANSPORT)
        self.namespace = namespace
        self._scripts = {
            name: Script.of(library, name)
            for name in (
                *("bury", "claim", "clear", "defer", "delay", "heartbeat"),
                *("promote", "publish", "reap", "release", "ring", "size"),
            )
        }

    def claim(
        self,
        consumer: str,
        queues: Sequence[tuple[str, bool]],
        *,
        lease_ms: int,
        most: int,
        most_bytes: int,
        seq: int,
        acks: Sequence[str] = (),
        allowance: int = MOST,
        allowances: Mapping[str, int] | None = None,
    ) -> Call:
        """Take up to `most` messages of (name, whether without ack) `queues`.

        Their lease fields get the sequence numbers from `seq` on, which must never have been used by this consumer.
        What passes `most_bytes` is the last one taken. Of each lane no more than `allowance` are taken, or than it has
        in `allowances`.
        """
        own = [part for each in (allowances or {}).items() for part in each]
        names = [part for name, no_ack in queues for part in (name, int(no_ack))]
        keys = [self.namespace.lease(consumer), self.namespace.consumers, self.namespace.clock]
        numbers = [lease_ms, min(most, MOST), most_bytes, seq, MOST]
        arguments = [consumer, *numbers, len(acks), *acks, allowance, len(own), *own, *names]
        return Call(self._scripts["claim"], keys, arguments)

    def publish(self, queue: str, target: str, envelopes: Sequence[Argument], lifetime_ms: int = 0) -> Call:
        """Put messages at the end of a list; the queue's lists end `lifetime_ms` later, 0 for never."""
        return Call(self._scripts["publish"], [queue], [target, lifetime_ms, *envelopes])

    def delay(self, queue: str, target: str, delayed: Iterable[tuple[int, Argument]]) -> Call:
        """Keep (delay in ms, envelope) messages until later."""
        return Call(
            self._scripts["delay"],
            [queue, self.namespace.clock],
            [target, *(part for each in delayed for part in each)],
        )

    def promote(self, queues: Sequence[str]) -> Call:
        """Make ready what is due. The reply: ms to the next due message, -1 for none."""
        return Call(self._scripts["promote"], [self.namespace.clock], [MOST, *queues])

    def heartbeat(self, consumer: str, lease_ms: int) -> Call:
        """Renew a lease. The reply: 1, or 0 if it was lost."""
        return Call(self._scripts["heartbeat"], [self.namespace.consumers], [consumer, lease_ms])

    def release(self, consumer: str, tags: Sequence[str]) -> Call:
        """Give back some messages, or all and the lease if no `tags` are named. The reply: how many are left."""
        return Call(
            self._scripts["release"],
            [self.namespace.lease(consumer), self.namespace.consumers, self.namespace.begun(consumer)],
            [consumer, MOST, *tags],
        )

    def reap(self) -> Call:
        """Put back what lies under leases that have ended. The reply: how many messages went back."""
        namespace = self.namespace
        return Call(self._scripts["reap"], [namespace.consumers], [namespace.leases, MOST, namespace.all_begun])

    def defer(self, consumer: str, tag: str, delay_ms: int, envelope: Argument) -> Call:
        """Keep a held message until later. The reply: 0 if it was held no longer."""
        keys = [self.namespace.lease(consumer), self.namespace.clock]
        return Call(self._scripts["defer"], keys, [consumer, tag, delay_ms, envelope])

    def bury(self, consumer: str, tag: str, queue: str) -> Call:
        """Lay a held message among the dead. The reply: 0 if it was held no longer."""
        return Call(self._scripts["bury"], [self.namespace.lease(consumer), self.namespace.dead(queue)], [tag])

    def clear(self, queue: str) -> Call:
        """Remove ready and delayed messages. The reply: how many were ready."""
        return Call(self._scripts["clear"], [queue], [])

    def ring(self, queue: str) -> Call:
        """Wake a consumer."""
        return Call(self._scripts["ring"], [queue], [])

    def size(self, queue: str) -> Call:
        """Count ready messages."""
        return Call(self._scripts["size"], [queue], [])


def read_claim(reply: Any, queues: Sequence[tuple[str, bool]]) -> Claim:
    """What the reply of a claim of these queues says."""
    next_due, known, left, held_back, *groups = reply
    return Claim(
        next_due_ms=None if next_due < 0 else next_due,
        is_known=bool(known),
        has_more=bool(left),
        has_held_back=bool(held_back),
        deliveries=[delivery for group in groups for delivery in _deliveries(group, queues)],
    )


def _deliveries(group: Any, queues: Sequence[tuple[str, bool]]) -> Iterator[Delivery]:
    index, target, context, messages = group
    queue, target = queues[index][0], target.decode()
    for at in range(0, len(messages), 2):
        tag = messages[at].decode()
        is_refused = tag[tag.find("|") + 1 : tag.find("|") + 2] == "!"
        yield Delivery(queue, target, tag, messages[at + 1], is_refused, context)
