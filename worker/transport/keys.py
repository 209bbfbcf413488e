"""Names of the transport's own keys. The lists of a queue are named in `scripts/queue.lua`.

Everything of one namespace is found by its name; a namespace in braces (`{thrice}`) keeps its keys in one slot.
"""

from dataclasses import dataclass

#: The lists of a queue that the stock transport has, by the priority step that they stand for (0 is the highest).
STEPS = {0: "", 3: "\x06\x163", 6: "\x06\x166", 9: "\x06\x169"}

_LANE = ":lane:"


@dataclass(frozen=True, slots=True)
class Namespace:
    """The keys that the consumers of one namespace share."""

    name: str

    @property
    def consumers(self) -> str:
        """ZSET: consumer -> the end of its lease (ms, the server's clock, never virtual)."""
        return f"{self.name}:consumers"

    @property
    def clock(self) -> str:
        """STRING: milliseconds that due times are ahead of the server's clock; absent in production."""
        return f"{self.name}:clock"

    @property
    def leases(self) -> str:
        """What the key of every lease begins with."""
        return f"{self.name}:lease:"

    def lease(self, consumer: str) -> str:
        """HASH: lease field -> envelope; what one consumer holds."""
        return self.leases + consumer

    @property
    def all_begun(self) -> str:
        """What the key of every set of begun messages begins with."""
        return f"{self.name}:begun:"

    def begun(self, consumer: str) -> str:
        """SET: lease fields of messages that were lost with a consumer before, and that this one has begun again."""
        return self.all_begun + consumer

    def dead(self, queue: str) -> str:
        """LIST: envelopes of a queue that were delivered too often, the latest first."""
        return f"{self.name}:dlq:{queue}"


def wake(queue: str) -> str:
    """LIST of at most one token: the doorbell of a queue."""
    return f"{queue}:wake"


def lane_of(target: str) -> str | None:
    """The lane that a target stands for, None if it is one of the queue's own lists."""
    return target[len(_LANE) :] if target.startswith(_LANE) else None


def lane(name: str) -> str:
    """The target that stands for the lane `name`."""
    return _LANE + name
