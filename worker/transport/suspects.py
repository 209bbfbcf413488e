"""Messages that a consumer held when it was lost: one of them may have been the cause.

Which one cannot be told: many messages wait beside those that are worked on. So Redis is told when a message that was
lost with a consumer before is about to be delivered again, and only then does another loss count against it. From the
second loss on such messages are delivered one at a time, so that none is taken for the cause because it ran beside it.
"""

import re
from collections import deque
from collections.abc import Callable
from typing import Any

from worker.transport.calls import Delivery
from worker.transport.commands import CommandConnection
from worker.transport.lease import Lease

_COUNT = re.compile(rb'{"x-dc":(\d+),')

#: Losses from which on messages are delivered one at a time.
ALONE = 2


def losses(delivery: Delivery) -> int:
    """How many consumers were lost with this message."""
    count = _COUNT.match(delivery.envelope)
    return int(count[1]) if count else 0


class Suspects:
    """Delivers messages that were lost with a consumer. All of it happens in the loop's thread."""

    def __init__(self, lease: Lease, commands: CommandConnection, deliver: Callable[[Delivery], object]) -> None:
        """Deliver to `deliver`, messages that lie under `lease`."""
        self._lease = lease
        self._commands = commands
        self._deliver = deliver
        self._waiting: deque[Delivery] = deque()
        self._alone: str | None = None  # the tag that is out, of those that are delivered one at a time
        self._begun: set[str] = set()

    def add(self, delivery: Delivery) -> None:
        """Deliver a message when it may be."""
        self._waiting.append(delivery)

    def go_on(self) -> None:
        """Deliver what may be delivered now, and forget what is done."""
        done = {tag for tag in self._begun if not self._lease.holds(tag)}
        if self._commands.is_up and done:
            self._begun -= done
            self._commands.command("SREM", self._lease.begun, *done, done=_ignore)
        if self._alone is not None and not self._lease.holds(self._alone):
            self._alone = None
        for _ in range(len(self._waiting) if self._commands.is_up else 0):
            delivery = self._waiting.popleft()
            is_alone = losses(delivery) >= ALONE
            if is_alone and self._alone is not None:
                self._waiting.append(delivery)
                continue
            if is_alone:
                self._alone = delivery.tag
            self._begin(delivery)

    def remove(self, tags: set[str]) -> None:
        """Do not deliver these."""
        self._waiting = deque(delivery for delivery in self._waiting if delivery.tag not in tags)

    @property
    def tags(self) -> list[str]:
        """What waits."""
        return [delivery.tag for delivery in self._waiting]

    def _begin(self, delivery: Delivery) -> None:
        def told(reply: Any) -> None:
            if not self._lease.holds(delivery.tag):
                return  # it was lost meanwhile, or everything was closed
            if isinstance(reply, Exception):
                self._waiting.appendleft(delivery)
                if self._alone == delivery.tag:
                    self._alone = None
            else:
                self._begun.add(delivery.tag)
                self._deliver(delivery)

        self._commands.command("SADD", self._lease.begun, delivery.tag, done=told)


def _ignore(_reply: Any) -> None:
    """A tag that stays says nothing: it is never given to another message."""
