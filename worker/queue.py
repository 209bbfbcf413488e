"""The durable event queue: the one seam between those who make events and those who run them.

`enqueue` stores an event's record, counts it and puts its Celery message on the queue, in one script: *202 is answered
when it returns*. `claim` gives one attempt at it to a worker, under a lease; `settle` moves it on, fenced by that
lease. `sweep` puts back what is due, what a dead worker held, and what a lost message stood for. The stock Redis
transport may lose and repeat messages as it likes: a message is only a reminder that an event is ready.

Here nothing is decided: `retry.py` does that.
"""

import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.client import Pipeline
from redis.exceptions import RedisError

from config import limits
from worker import messages
from worker.arn import Arn
from worker.claim import Claimed
from worker.destination import Delivery
from worker.errors import StoreUnavailable
from worker.function import FunctionConfiguration
from worker.identity import new_request_id
from worker.invocation import Invocation, LogEvent, Lost
from worker.keys import Keys
from worker.message_document import message_document
from worker.reply import Reply
from worker.scripts import source
from worker.settlement import Settlement

#: How long a worker's leases hold without a heartbeat, and how often the heart beats, in seconds. An event that a
#: killed worker was running is therefore ready again after LEASE and one sweep.
LEASE = 10.0
HEARTBEAT = 2.5

#: How long a ready event may lie unclaimed, although the queue has moved past it, before its message is taken for
#: lost and written again, in seconds.
MESSAGE_GRACE = 10.0

#: How long a synchronous invocation may wait for a free worker, beyond the function's own time, in seconds.
PATIENCE = 30.0

#: How long the record of a dead-lettered event is kept, in seconds: as long as SQS keeps a message at the most.
DEAD_RETENTION = 1_209_600

#: How many entries the log of one function keeps, about; an entry holds the lines of one attempt.
LOG_LENGTH = 10_000

#: SenderId of the messages that the system itself sends to a queue.
SENDER = "AIDAINVOKER"

#: How many events of each kind one sweep puts back.
SWEEP_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did, and when the next event is due."""

    promoted: int
    reaped: int
    republished: int
    next_due_ms: int | None


class EventQueue:
    """Puts events on the queue. Every process that makes events has one.

    The clients may be shared by threads. `countdown` is the seconds before a first attempt; `waiting` is a client that
    may be blocked for long, for `call`.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        countdown: float = 0.0,
        async_redis: "AsyncRedis | None" = None,
        waiting: "AsyncRedis | None" = None,
    ) -> None:
        self._keys = keys
        self._redis = redis
        self._async_redis = async_redis
        self._waiting = waiting or async_redis
        self._delay_ms = int(countdown * 1000)
        self._template = messages.template(keys.invocations)
        self._call_template = messages.template(keys.calls)
        self._enqueue = redis.register_script(source("enqueue"))
        self._enqueue_async = async_redis.register_script(source("enqueue")) if async_redis else None

    def add(self, pipe: Pipeline, invocation: Invocation) -> None:
        """Add to `pipe` the command that stores `invocation` and makes it ready."""
        self._enqueue(**self._arguments(invocation), client=pipe)

    async def enqueue(self, invocation: Invocation) -> None:
        """Store `invocation` and make it ready.

        Raises:
            StoreUnavailable: Redis did not take it. Nothing was accepted.
        """
        assert self._enqueue_async is not None
        try:
            await self._enqueue_async(**self._arguments(invocation))
        except RedisError as error:
            raise StoreUnavailable(str(error)) from error

    async def call(self, invocation: Invocation, function: FunctionConfiguration) -> Reply:
        """Have a worker run `invocation` at once, past the event queue, and wait for its reply.

        The outcome is `Lost` if none came: its worker died, or all workers were busy for longer than PATIENCE.

        Raises:
            StoreUnavailable: Redis did not take it.
        """
        assert self._async_redis is not None
        assert self._waiting is not None
        keys, request_id = self._keys, invocation.request_id
        patience = function.timeout + limits.INIT_TIMEOUT + PATIENCE
        record = _record_of(invocation) | {"function": invocation.function}
        try:
            async with self._async_redis.pipeline(transaction=True) as pipe:
                pipe.hset(keys.event(request_id), mapping=record)
                pipe.pexpire(keys.event(request_id), int(patience * 1000))
                pipe.lpush(keys.calls, messages.fill(self._call_template, request_id, messages.CALL))
                await pipe.execute()
            answer = await self._waiting.blpop([keys.reply(request_id)], timeout=patience)
        except RedisError as error:
            raise StoreUnavailable(str(error)) from error
        if answer is None:
            return Reply(Lost(f"no worker answered within {patience:g} s"))
        return Reply.decode(cast("bytes", answer[1]))

    def _arguments(self, invocation: Invocation) -> dict[str, Any]:
        keys = self._keys
        record = [part for item in _record_of(invocation).items() for part in item]
        return {
            "keys": [
                keys.event(invocation.request_id), keys.ready, keys.waiting, keys.invocations, keys.ledger, keys.clock,
            ],
            "args": [
                invocation.request_id, messages.ATTEMPT, invocation.function, self._delay_ms, self._template, *record,
            ],
        }  # fmt: skip


def _record_of(invocation: Invocation) -> dict[Any, Any]:
    record: dict[Any, Any] = {
        "arn": invocation.invoked_arn,
        "payload": invocation.payload,
        "source": invocation.source,
    }
    if invocation.trace_header:
        record["trace"] = invocation.trace_header
    if invocation.client_context:
        record["client_context"] = invocation.client_context
    return record


def new_token() -> str:
    """What proves one lease, and no other."""
    return secrets.token_hex(8)


def worker_name() -> str:
    """A name that no other process ever has: a lease must not outlive its holder under the same name."""
    return f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"


class WorkerQueue:
    """The worker's side of the queue: claims attempts under its lease, and settles them."""

    def __init__(self, redis: Redis, keys: Keys, worker: str, *, retention: int = 3_600) -> None:
        """`retention` is how long the record of an event that succeeded or was dropped is kept, in seconds."""
        self.worker = worker
        self._retention_ms = retention * 1000
        self._redis = redis
        self._keys = keys
        self._template = messages.template(keys.invocations)
        self._lease_ms = int(LEASE * 1000)
        self._scripts = {
            name: redis.register_script(source(name))
            for name in ("claim", "claim_call", "settle", "settle_call", "sweep", "heartbeat", "release")
        }

    def claim(self, request_id: str, token: str) -> Claimed | None:
        """Take the ready event `request_id` under this worker's lease, which `token` will prove.

        Returns None if it is not ready: another message was faster, it waits, or it has ended. May be repeated with the
        same token when Redis went away before it answered: then the answer is the same.
        """
        keys = self._keys
        answer = self._scripts["claim"](
            keys=[
                keys.event(request_id), keys.ready, keys.lease(self.worker), keys.workers, keys.functions,
                keys.ledger, keys.clock,
            ],
            args=[request_id, self.worker, token, keys.running(""), self._lease_ms],
        )  # fmt: skip
        return Claimed.of(request_id, token, answer, is_synchronous=False) if answer else None

    def claim_call(self, request_id: str, token: str) -> Claimed | None:
        """Take a synchronous invocation; None if its caller has given up. May be repeated as `claim` may."""
        keys = self._keys
        answer = self._scripts["claim_call"](
            keys=[keys.event(request_id), keys.lease(self.worker), keys.workers, keys.functions, keys.clock],
            args=[request_id, self.worker, token, keys.running(""), self._lease_ms],
        )
        return Claimed.of(request_id, token, answer, is_synchronous=True) if answer else None

    def settle(self, settlement: Settlement) -> bool:
        """Move an event on, with its log, its history and all that is sent at its end.

        False: the lease had ended, somebody else has the event, and nothing was done here.
        """
        claimed, keys = settlement.claimed, self._keys
        request_id, function = claimed.invocation.request_id, claimed.invocation.function
        attempt = settlement.attempt
        handovers = [self._hand_over(delivery) for delivery in settlement.deliveries]
        settled = self._scripts["settle"](
            keys=[
                keys.event(request_id), keys.ready, keys.waiting, keys.dead, keys.lease(self.worker),
                keys.invocations, keys.ledger, keys.clock, keys.queues, keys.log(function),
            ],
            args=[
                orjson.dumps(self._document(settlement, [document for document, _ in handovers])),
                orjson.dumps(settlement.summary) if settlement.summary else b"",
                settlement.last_response,
                attempt.log_stream if attempt else "",
                _log_lines(attempt.log) if attempt and attempt.log else b"",
                LOG_LENGTH,
                *(body for _, body in handovers),
            ],
        )  # fmt: skip
        return bool(settled)

    def settle_call(self, claimed: Claimed, reply: Reply) -> None:
        """End a synchronous invocation and answer its caller, who waits for no longer than a minute from now on."""
        keys, invocation = self._keys, claimed.invocation
        self._scripts["settle_call"](
            keys=[
                keys.lease(self.worker), keys.running(invocation.function), keys.reply(invocation.request_id),
                keys.event(invocation.request_id),
            ],
            args=[invocation.request_id, reply.encode(), 60_000],
        )  # fmt: skip

    def write_log(self, function: str, log_stream: str, events: Sequence[LogEvent]) -> None:
        """Append to the log of `function`."""
        if events:
            entry: dict[Any, Any] = {"stream": log_stream, "events": _log_lines(events)}
            self._redis.xadd(self._keys.log(function), entry, maxlen=LOG_LENGTH, approximate=True)

    def heartbeat(self) -> None:
        """Renew the leases of this worker."""
        self._scripts["heartbeat"](keys=[self._keys.workers], args=[self.worker, self._lease_ms])

    def release(self) -> None:
        """End the leases of this worker now."""
        self._scripts["release"](keys=[self._keys.workers], args=[self.worker])

    def sweep(self) -> Swept:
        """Put back what is due, what dead workers held, and what lost messages stood for."""
        keys = self._keys
        promoted, reaped, republished, next_due = self._scripts["sweep"](
            keys=[keys.ready, keys.waiting, keys.workers, keys.invocations, keys.ledger, keys.clock],
            args=[
                keys.event(""), keys.lease(""), keys.running(""), self._template,
                SWEEP_LIMIT, int(MESSAGE_GRACE * 1000),
            ],
        )  # fmt: skip
        return Swept(promoted, reaped, republished, None if next_due < 0 else next_due)

    def _document(self, settlement: Settlement, handovers: list[dict[str, Any]]) -> dict[str, Any]:
        """The part of a settlement that the script reads as JSON."""
        return {
            "request_id": settlement.claimed.invocation.request_id,
            "token": settlement.claimed.token,
            "running": self._keys.running(""),
            "event": self._keys.event(""),
            "template": self._template,
            "to": settlement.to,
            "delay_ms": settlement.delay_ms,
            "uses_attempt": settlement.uses_attempt,
            "condition": settlement.condition or "",
            "retention_ms": self._retention_ms,
            "dead_retention_ms": DEAD_RETENTION * 1000,
            "fields": settlement.fields,
            "queues": self._keys.queue_prefix,
            "deliveries": handovers,
        }

    def _hand_over(self, delivery: Delivery) -> tuple[dict[str, Any], bytes]:
        """How the script hands a delivery over, and its bytes: a message of our own SQS, or a task that delivers it."""
        counter = "dead_letter_errors" if delivery.is_dead_letter else "destination_delivery_failures"
        arn = Arn.parse(delivery.target_arn)
        if arn.service == "sqs":
            message = message_document(delivery.body.decode("utf-8", "replace"), delivery.attributes, sender=SENDER)
            queue = {"queue": arn.name, "id": message.message_id, "size": message.size}
            return queue | {"counter": counter}, message.json
        task = {
            "id": new_request_id(),
            "task": messages.DELIVER,
            "func": messages.DELIVERY_FUNCTION,
            "target": delivery.target_arn,
            "attributes": orjson.dumps(delivery.attributes).decode(),
        }
        return task | {"counter": counter}, delivery.body


def _log_lines(events: Sequence[LogEvent]) -> bytes:
    """An entry's lines, as `producers/logs` reads them."""
    return orjson.dumps([[event.timestamp_ms, event.message] for event in events])
