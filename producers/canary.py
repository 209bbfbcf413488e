"""The canary: an event that goes through queue, worker and sandbox all the time, and proves that the way is open.

A system whose processes are up and whose ports answer may still run nothing. So the gateway sends a canary when it
starts and every few seconds; health is what became of the latest one. Its function is ours, in the function table under
a name that no user's function can have, and the ledger of users' events leaves it out.
"""

import asyncio
import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass

from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from producers.seams import Seams
from worker.errors import StoreUnavailable
from worker.event_message import CANARY_FUNCTION
from worker.function import EventInvokeConfig, FunctionConfiguration
from worker.identity import new_request_id
from worker.invocation import Invocation
from worker.ledger import Ledger
from worker.queue import EventQueue
from worker.runtime.interpreter import own_runtime

#: How often a canary is sent, in seconds.
EVERY = 10.0

#: How long a canary may take, in seconds, before it is asked whether anything moves at all.
PATIENCE = 10.0

#: How often it is looked for while it is on its way, in seconds.
LOOK = 0.02

_SOURCE = "def handler(event, context):\n    return event\n"


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the way is open, and why not."""

    is_healthy: bool
    reason: str
    round_trip_ms: float | None = None


class Canary:
    """Sends canaries from the gateway's event loop, and knows how the latest one fared."""

    def __init__(self, seams: Seams, queue: EventQueue, async_redis: "AsyncRedis") -> None:
        self._keys = seams.keys
        self._clock = seams.clock
        self._region = (seams.settings.region, seams.settings.account_id)
        self._queue = queue
        self._redis = async_redis
        self.health = Health(is_healthy=False, reason="no canary event has come back yet: the system is starting")

    async def run(self) -> None:
        """Send one canary after the other, until cancelled."""
        while True:
            try:
                await self._install()
                self.health = await self._round_trip()
            except (RedisError, StoreUnavailable) as error:
                self.health = Health(is_healthy=False, reason=f"Redis does not answer: {error}")
            await asyncio.sleep(EVERY if self.health.is_healthy else 0.5)

    async def _install(self) -> None:
        """Put the canary's function where the workers look for functions."""
        package = _package()
        sha256 = hashlib.sha256(package).hexdigest()
        function = _function(sha256, len(package), *self._region)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(self._keys.code(sha256), package)
            pipe.hset(self._keys.functions, CANARY_FUNCTION, function.model_dump_json())
            await pipe.execute()

    async def _round_trip(self) -> Health:
        """Send a canary and wait for it, as long as anything moves."""
        started = self._clock.monotonic()
        event = self._keys.event(await self._send())
        before = await self._progress()
        deadline = started + PATIENCE
        while True:
            state, condition = (_text(value) for value in await self._redis.hmget(event, ["state", "condition"]))
            took = self._clock.monotonic() - started
            if state == "succeeded":
                return Health(is_healthy=True, reason="ok", round_trip_ms=round(took * 1000, 1))
            if state in ("dropped", "dead_lettered"):
                return Health(is_healthy=False, reason=f"the canary event failed: {condition}")
            if self._clock.monotonic() > deadline:
                now = await self._progress()
                if now == before:
                    return Health(is_healthy=False, reason=await self._why_late(state))
                before, deadline = now, self._clock.monotonic() + PATIENCE
            await asyncio.sleep(LOOK)

    async def _send(self) -> str:
        request_id = new_request_id()
        await self._queue.enqueue(
            Invocation(
                request_id=request_id,
                function=CANARY_FUNCTION,
                invoked_arn=CANARY_FUNCTION,
                payload=b"{}",
                accepted_at=self._clock.now(),
                source="thrice:canary",
            )
        )
        return request_id

    async def _progress(self) -> int:
        """A number that grows with every attempt that ends."""
        ledger = await self._redis.hgetall(self._keys.ledger)
        ends = ("succeeded", "retried", "dead_lettered", "dropped")
        return sum(int(count) for name, count in ledger.items() if _text(name).rpartition("|")[2].startswith(ends))

    async def _why_late(self, state: str) -> str:
        workers = await self._redis.zcard(self._keys.consumers)
        ready = Ledger.of(await self._redis.hgetall(self._keys.ledger)).total.ready
        return (
            f"a canary event has not come back for {PATIENCE:g} s and nothing else has ended meanwhile: "
            f"it is {state or 'gone'}, {ready} events are ready, {workers} workers are alive"
        )


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def _package() -> bytes:
    """The canary's deployment package; the same bytes every time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("canary.py", (1980, 1, 1, 0, 0, 0)), _SOURCE)
    return buffer.getvalue()


def _function(sha256: str, size: int, region: str, account: str) -> FunctionConfiguration:
    return FunctionConfiguration(
        name=CANARY_FUNCTION,
        arn=f"arn:aws:lambda:{region}:{account}:function:{CANARY_FUNCTION}",
        runtime=own_runtime(),
        handler="canary.handler",
        role="",
        code_sha256=sha256,
        code_size=size,
        last_modified="",
        revision_id=base64.b32encode(bytes.fromhex(sha256)).decode(),
        event_invoke_config=EventInvokeConfig(maximum_retry_attempts=0, maximum_event_age=60),
    )
