"""The clock that the scripts read, and moving it: in a test of an hour, nobody waits an hour.

By this clock events become due and grow old, schedules fire, and messages of SQS queues become visible. Leases do not
follow it, nor does the time that a running handler has. Whoever waits for a time is woken by every move, so that what
is due now happens at once. The clock never goes back: what is due in a future that was taken back would be lost to
sight. `THRICE_CLOCK=virtual` says that a system may be treated so; whether it may is for the caller to see.
"""

from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from worker.keys import Keys
from worker.scripts import source


@dataclass(frozen=True, slots=True)
class Reading:
    """What the clock shows. Times are in ms since the epoch."""

    real_ms: int  # the server's own
    now_ms: int
    is_frozen: bool

    @property
    def offset_ms(self) -> int:
        """How far ahead of the real time it is."""
        return self.now_ms - self.real_ms


@dataclass(frozen=True, slots=True)
class Due:
    """What is due at a moment."""

    at_ms: int
    kind: str  # "event", "schedule", "message"
    name: str  # of the function, the rule, the SQS queue
    id: str  # request id, or message id; empty for a schedule


class VirtualClock:
    """Reads and moves the clock, from the event loop."""

    def __init__(self, async_redis: "AsyncRedis", keys: Keys) -> None:
        self._keys = keys
        self._read = async_redis.register_script(source("read_clock"))
        self._move = async_redis.register_script(source("move_clock"))

    async def read(self) -> Reading:
        """What it shows."""
        return _reading(await self._read(keys=[self._keys.clock]))

    async def advance(self, seconds: float) -> Reading:
        """Let `seconds` pass at once."""
        return _reading(await self._call("advance", round(seconds * 1000)))

    async def to_next(self) -> tuple[Reading, Due | None]:
        """Go to the moment at which the next thing is due; None, and nothing has moved, if nothing ever will be.

        What is due already is not waited for: it is about to happen.
        """
        answer = await self._call("next")
        due = Due(int(answer[3]), *(part.decode() for part in answer[4:7])) if len(answer) > 3 else None
        return _reading(answer), due

    async def freeze(self) -> Reading:
        """Stop it. It can still be moved."""
        return _reading(await self._call("freeze"))

    async def resume(self) -> Reading:
        """Let it go on from where it stands."""
        return _reading(await self._call("resume"))

    async def _call(self, *args: str | int) -> Any:
        return await self._move(keys=_move_keys(self._keys), args=[self._keys.queue_prefix, *args])


def advance(redis: Redis, keys: Keys, seconds: float) -> None:
    """Let `seconds` pass at once, for those who have no event loop."""
    redis.register_script(source("move_clock"))(
        keys=_move_keys(keys), args=[keys.queue_prefix, "advance", round(seconds * 1000)]
    )


def read(redis: Redis, keys: Keys) -> Reading:
    """What the clock shows, for those who have no event loop."""
    return _reading(redis.register_script(source("read_clock"))(keys=[keys.clock]))


def _move_keys(keys: Keys) -> list[str]:
    return [keys.clock, keys.invocations, keys.schedules, keys.queues]


def _reading(answer: Any) -> Reading:
    return Reading(int(answer[0]), int(answer[1]), answer[2] == b"1")
