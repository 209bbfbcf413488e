"""Settles outcomes: in batches, in the order in which they came, and again until Redis has taken them.

It belongs to the worker's event loop and never blocks it. Outcomes that come while a batch is under way, or within a
few milliseconds of each other, go into one call of `settle.lua`; where nobody else is running, or a caller waits for an
answer, the call goes out at once. If this process dies before that, the lease ends and the attempt is made again: what
is settled is settled once, by whoever holds the lease.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker import event_message, telemetry
from worker.arn import Arn
from worker.destination import Delivery
from worker.identity import new_request_id
from worker.invocation import Invocation
from worker.keys import Keys
from worker.lineage import with_stop
from worker.log_entry import attempt_json
from worker.measurement import notes
from worker.message_document import message_document
from worker.retry import Condition
from worker.scripts import LIBRARY
from worker.settlement import Settlement
from worker.transport.loop import Loop, Timer
from worker.transport.script import Script

#: So many outcomes go into one call of the script at most, and so many bytes, about.
BATCH = 128
BATCH_BYTES = 2_097_152

#: How long an outcome waits for others, in seconds, while the worker is busy.
GATHER = 0.008

#: The pause before a batch is tried again that Redis did not take, in seconds: doubling, up to the second number.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0

#: How long the record of a dead-lettered event is kept, in seconds: as long as SQS keeps a message at the most.
DEAD_RETENTION = 1_209_600

#: SenderId of the messages that the system itself sends to a queue.
SENDER = "AIDAINVOKER"

#: Why a queue took no message, as `send_message.lua` says it, in the log's words.
_REASONS = {b"missing": "the queue does not exist", b"too long": "the message is longer than the queue takes"}

#: Is told how a settlement went: True; False (somebody else has the event); None: it has been settled, and a broken
#: connection hides whether by us.
Settled = Callable[[bool | None], object]


class Scripts(Protocol):
    """Calls Lua scripts without waiting: a `worker.transport.commands.CommandConnection`."""

    def call(
        self, script: Script, keys: Sequence[str], args: Sequence[Any], done: Callable[[Any], object], /
    ) -> object:
        """Call `script`; `done` is handed its reply, or the exception, from the event loop."""
        ...


class Settler:
    """Belongs to one worker and one event loop."""

    def __init__(
        self,
        scripts: Scripts,
        keys: Keys,
        loop: Loop,
        *,
        retention: int = 3_600,
        is_busy: Callable[[], bool] = lambda: True,
    ) -> None:
        """Settle what this worker holds.

        Args:
            scripts: the connection.
            keys: of the namespace.
            loop: all calls come from it.
            is_busy: whether there is more to come soon, for which an outcome should wait.
            retention: how long the record of an event that succeeded or was dropped is kept, in seconds.
        """
        self._scripts = scripts
        self._loop = loop
        self._is_busy = is_busy
        self._script = Script.of(LIBRARY, "settle")
        self._keys = [keys.ledger, keys.clock, keys.invocations, keys.dead, keys.queues]
        self._args = [str(keys), retention * 1000, DEAD_RETENTION * 1000, event_message.TAIL]
        self._waiting: deque[tuple[Settlement, Settled]] = deque()
        self._under_way: list[tuple[Settlement, Settled]] = []
        self._is_urgent = False  # something that waits is to go with the next call, without waiting for more
        self._is_repeated = False  # the outcome of the batch's last call is unknown
        self._pause = FIRST_PAUSE
        self._timer: Timer | None = None

    @property
    def is_idle(self) -> bool:
        """Whether everything is settled."""
        return not self._waiting and not self._under_way

    def add(self, settlement: Settlement, settled: Settled, *, at_once: bool) -> None:
        """Settle an outcome soon, or with the next call if `at_once`."""
        self._waiting.append((settlement, settled))
        self._is_urgent = self._is_urgent or at_once or not self._is_busy()
        if not self._under_way:
            self._send_when_it_is_time()

    def _send_when_it_is_time(self) -> None:
        if self._is_urgent or len(self._waiting) >= BATCH:
            self._send()
        elif self._waiting and self._timer is None:
            self._timer = self._loop.call_later(GATHER, self._send)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._under_way or not self._waiting:
            return
        args = [*self._args, b"", b""]
        size = 0
        while self._waiting and size < BATCH_BYTES and len(self._under_way) < BATCH:
            item = self._waiting.popleft()
            self._under_way.append(item)
            encoded = _encode(item[0])
            size += sum(map(len, encoded))
            args += encoded
        args[len(self._args) : len(self._args) + 2] = notes(settlement.measured for settlement, _ in self._under_way)
        self._is_urgent = self._is_urgent and bool(self._waiting)
        self._call(args)

    def _call(self, args: list[Any]) -> None:
        keys = [self._under_way[0][0].claimed.lease, *self._keys]
        self._scripts.call(self._script, keys, args, lambda reply: self._receive(reply, args))

    def _receive(self, reply: Any, args: list[Any]) -> None:
        if not isinstance(reply, Exception):
            self._finish(reply)
        else:
            self._is_repeated = self._is_repeated or isinstance(reply, RedisConnectionError | RedisTimeoutError)
            telemetry.emit(telemetry.StoreAway("settling attempts", str(reply)))
            self._timer = self._loop.call_later(self._pause, lambda: self._repeat(args))
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _repeat(self, args: list[Any]) -> None:
        self._timer = None
        self._call(args)

    def _finish(self, answers: Sequence[int | bytes | list[Any]]) -> None:
        finished, self._under_way = self._under_way, []
        is_repeated, self._is_repeated = self._is_repeated, False
        self._pause = FIRST_PAUSE
        for (settlement, settled), answer in zip(finished, answers, strict=True):
            if isinstance(answer, bytes):
                # Nothing that is repeated now would help. The event stays under its lease, and the log says why.
                request_id = settlement.claimed.invocation.request_id
                telemetry.emit(telemetry.NotSettled(request_id, answer.decode("utf-8", "replace")))
            elif isinstance(answer, list):
                _tell_of_refusals(settlement, answer)
            is_ours = answer == 1 or isinstance(answer, list)
            settled(True if is_ours else (None if is_repeated else False))
        self._send_when_it_is_time()


def _tell_of_refusals(settlement: Settlement, refused: Sequence[Any]) -> None:
    """Say which of our own queues did not take what they were sent: pairs of a delivery's position and the reason."""
    of = settlement.claimed.invocation
    for position, reason in zip(refused[::2], refused[1::2], strict=True):
        target = settlement.deliveries[position - 1].target_arn
        telemetry.emit(telemetry.DeliveryFailed(of.request_id, of.function, target, _REASONS[reason]))


def _encode(settlement: Settlement) -> list[Any]:
    """One outcome as `settle.lua` takes it."""
    claimed, attempt = settlement.claimed, settlement.attempt
    invocation = claimed.invocation
    details, bodies = _details(settlement)
    return [
        claimed.field,
        invocation.request_id,
        invocation.function,
        invocation.root or invocation.request_id,
        settlement.to,
        orjson.dumps(settlement.summary) if settlement.summary else b"",
        "1" if claimed.was_tried else "",
        str(settlement.attempts_made),
        attempt_json(attempt.log_stream, invocation.request_id, attempt.log) if attempt and attempt.log else b"",
        orjson.dumps(details) if details else b"",
        str(len(bodies)),
        *bodies,
    ]


def _details(settlement: Settlement) -> tuple[dict[str, Any], list[bytes]]:
    """What is not the same for every outcome, and the bytes that stay out of the JSON."""
    details: dict[str, Any] = {"fields": dict(settlement.fields)} if settlement.fields else {}
    match settlement.to:
        case "answered":
            return {}, [settlement.reply]
        case "waiting":
            return details | {"delay_ms": settlement.delay_ms, "uses_attempt": settlement.uses_attempt}, [
                settlement.next_message
            ]
    bodies = []
    if "cause" in settlement.claimed.details:
        details["cause"] = settlement.claimed.details["cause"]
    if settlement.to == "given_up":
        details["condition"] = settlement.condition
        bodies.append(settlement.claimed.invocation.payload)
        if "cause_function" in settlement.claimed.details:
            headers = settlement.claimed.details
            details["refused_of"] = [headers["cause_function"], headers["counter"]]
    trace = _trace_of_deliveries(settlement)
    handovers = [_hand_over(delivery, settlement.claimed.invocation, trace) for delivery in settlement.deliveries]
    if handovers:
        details["deliveries"] = [handover for handover, _ in handovers]
        bodies += [body for _, body in handovers]
    return details, bodies


def _trace_of_deliveries(settlement: Settlement) -> str | None:
    of = settlement.claimed.invocation
    if settlement.condition is Condition.RECURSIVE_LOOP and of.trace_header:
        return with_stop(of.trace_header, of.function)
    return of.trace_header


def _hand_over(delivery: Delivery, of: Invocation, trace: str | None) -> tuple[dict[str, Any], bytes]:
    """How the script hands a delivery over, and its bytes: a message of our own SQS, or a task that delivers it."""
    counter = "dead_letter_errors" if delivery.is_dead_letter else "destination_delivery_failures"
    arn = Arn.parse(delivery.target_arn)
    if arn.service == "sqs":
        message = message_document(
            delivery.body.decode("utf-8", "replace"),
            delivery.attributes,
            sender=SENDER,
            trace_header=trace,
        )
        in_queue = {"queue": arn.name, "id": message.message_id, "size": message.size, "counter": counter}
        return in_queue | {"told": _told(delivery, message.message_id)}, message.json
    root = of.root or of.request_id
    task = Invocation(
        request_id=new_request_id(),
        function=event_message.DELIVERY_FUNCTION,
        invoked_arn=delivery.target_arn,
        payload=delivery.body,
        accepted_at=of.accepted_at,
        source="thrice:settlement",
        trace_header=trace,
        root=root,
    )
    head = event_message.head(
        task,
        event_message.DELIVER,
        attributes=delivery.attributes,
        cause=of.request_id,
        cause_function=of.function,
        counter=counter,
    )
    described = {"id": task.request_id, "func": task.function, "root": root, "source": task.source, "counter": counter}
    return described | {"told": _told(delivery, task.request_id)}, head


def _told(delivery: Delivery, identifier: str) -> str:
    """How the record of the event tells of a delivery, up to what becomes of it, which the script adds."""
    kind = "dead_letter" if delivery.is_dead_letter else "destination"
    document = orjson.dumps({"target": delivery.target_arn, "kind": kind, "id": identifier}).decode()
    return document[:-1] + ',"outcome":"'
