"""How many messages a channel may have at once, and what becomes of each.

This takes the place of kombu's `QoS`: the same methods, but what is delivered lies under the lease of the process, and
acks are told to Redis in batches.
"""

from collections.abc import Callable, Mapping
from typing import Any

from worker.transport.calls import MOST


class Window:
    """The messages that a channel has delivered and that are not done."""

    #: Kombu asks for it; nothing is restored by the channel itself.
    restore_at_shutdown = False

    def __init__(self, channel: Any, prefetch_count: int = 0) -> None:
        """Begin empty; a `prefetch_count` of 0 means no limit but what one claim takes."""
        self.channel = channel
        self._prefetch_count = prefetch_count or 0
        self._tags: set[str] = set()
        #: How many messages may be claimed of a lane, and of lanes of which some are held already.
        self.allowance: Callable[[], int] = lambda: MOST
        self.allowances: Callable[[], Mapping[str, int]] = dict
        #: How many messages whoever works on them has use for now, whatever lanes they come from.
        self.most: Callable[[], int] = lambda: MOST
        #: Whether it is time to claim more: by default when half of the window is free.
        self.is_low: Callable[[], bool] = self._is_half_free
        #: Called with the tags of which others have the messages now: what has not begun should not.
        self.on_lost: Callable[[list[str]], object] | None = None

    @property
    def prefetch_count(self) -> int:
        """How many messages may be delivered and not done; 0 for no limit."""
        return self._prefetch_count

    @prefetch_count.setter
    def prefetch_count(self, count: int) -> None:
        self._prefetch_count = count or 0
        self.room()

    @property
    def count(self) -> int:
        """How many messages are delivered and not done."""
        return len(self._tags)

    def __contains__(self, tag: str) -> bool:
        """Whether the message of this tag is delivered and not done."""
        return tag in self._tags

    @property
    def free(self) -> int:
        """How many more may be delivered now."""
        if not self.can_consume():
            return 0
        if "can_consume" in vars(self):
            return 1  # somebody else decides (Celery's worker_disable_prefetch), from one message to the next
        free = self._prefetch_count - len(self._tags) if self._prefetch_count else MOST
        return min(free, self.most())

    def _is_half_free(self) -> bool:
        return self.free * 2 >= self._prefetch_count

    def can_consume(self) -> bool:
        """Whether one more may be delivered."""
        return not self._prefetch_count or len(self._tags) < self._prefetch_count

    def can_consume_max_estimate(self) -> int:
        """How many more may be delivered; kombu's name for it."""
        return self.free

    def append(self, message: Any, tag: str) -> None:
        """A message is delivered."""
        self._tags.add(tag)
        self.channel.lease.hold(tag, message)

    def get(self, tag: str) -> Any:
        """The message of a tag, None if it is held no more."""
        return self.channel.lease.message(tag)

    def ack(self, tag: str) -> None:
        """A message is done."""
        self._tags.discard(tag)
        self.channel.lease.ack(tag)
        self.channel.acked()

    def forget(self, tag: str) -> None:
        """A message is done, and a script has told Redis so."""
        self._tags.discard(tag)
        self.channel.lease.forget(tag)
        self.room()

    def reject(self, tag: str, requeue: bool = False) -> None:
        """A message is not wanted: put it back to the head of its list, or drop it."""
        if not requeue:
            self.ack(tag)
            return
        self.give_back([tag])
        self.room()

    def give_back(self, tags: list[str]) -> None:
        """Put messages back to the heads of their lists: nobody is going to work on them here."""
        self._tags.difference_update(tags)
        for tag in tags:
            self.channel.lease.forget(tag)
        if tags:
            self.channel.give_back(tags)

    def drop(self, tags: list[str]) -> None:
        """Nobody has these messages here any more."""
        self._tags.difference_update(tags)
        self.room()

    def room(self) -> None:
        """There may be room now: claim."""
        self.channel.room()

    def restore_unacked(self) -> list[Any]:
        """Put back all that is not done; kombu's name for it. Returns what could not be, in kombu's form: nothing."""
        self.give_back(list(self._tags))
        return []

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Kombu calls it when a channel closes; `Channel.close` has seen to everything."""

    def restore_visible(self, *_args: Any, **_options: Any) -> None:
        """Kombu's search for abandoned messages; leases take its place."""
