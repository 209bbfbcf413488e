"""The channel: kombu's Redis channel, but for how messages come, are kept and are put.

Exchanges, bindings and fanout (remote control, events) are the stock transport's. Messages of list queues come by an
`Intake`, lie under the process's `Lease`, and are put by scripts: at once, or into the delayed set if they have an eta.
"""

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from kombu.message import Message as KombuMessage
from kombu.transport import redis as kombu_redis
from redis import ConnectionPool, Redis
from redis.exceptions import RedisError

from worker.transport.calls import MOST, Call, Calls, Delivery, read_claim
from worker.transport.commands import connection_of
from worker.transport.intake import Intake
from worker.transport.keys import STEPS
from worker.transport.lease import Lease, calls_of, lease_of
from worker.transport.message import Message, put_off, write_envelope
from worker.transport.options import Options
from worker.transport.window import Window

_log = logging.getLogger(__name__)

# The type stubs of kombu do not know its inner parts, which are watched by tests/transport/test_contract.py instead.
_StockChannel: Any = kombu_redis.Channel
_StockSentinelChannel: Any = kombu_redis.SentinelChannel

#: What may go wrong while something is closed that is broken already.
_CLOSING = (RedisError, OSError, KeyError, AttributeError)


class ServerUnusable(Exception):
    """The server is of a kind that the transport cannot use. No error of Redis, for it would be waited out."""


class Channel(_StockChannel):  # type: ignore[misc]
    """A channel whose messages lie under a lease."""

    QoS = Window

    #: Seconds after which a connection is given up that cannot be made. Kombu would wait for ever, and the worker's
    #: loop with it: a network that fails silently is no error to who waits. An option of this name says else.
    socket_connect_timeout: float | None = 5.0

    #: Kombu's own: whether it is closed; queue -> exchange and routing key of those bound to a fanout exchange.
    closed: bool
    _fanout_queues: dict[str, tuple[str, str]]

    _blocking: Redis | None = None
    _lease: Lease | None = None
    _intake: Intake | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Connect.

        Raises:
            ServerUnusable: the server is a cluster.
            ValueError: an option cannot be.
        """
        self._no_acks: dict[str, bool] = {}
        self._receivers: dict[str, Callable[[Any], Any]] = {}
        super().__init__(*args, **kwargs)
        self._undertaker = self.options.undertaker()
        if self.global_keyprefix:
            raise ValueError(
                "broker_transport_options: global_keyprefix is set, but this transport's scripts name keys themselves. "
                "Give queues and 'namespace' names of their own instead."
            )
        self._refuse_cluster()

    def _refuse_cluster(self) -> None:
        if self._create_client().info("cluster").get("cluster_enabled"):
            self._disconnect_pools()
            raise ServerUnusable(
                "The server runs in cluster mode, but the keys of all queues must lie on one server. "
                "Use a server, or Sentinel, without cluster mode."
            )

    @cached_property
    def options(self) -> Options:
        """What the operator has decided."""
        return Options.of(self.connection.client.transport_options)

    # --- connections ------------------------------------------------------------------------------------------------

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """How to connect. Nothing waits for ever: a connection that died silently would hold up loop and heartbeat."""
        parameters: dict[str, Any] = super()._connparams(asynchronous=asynchronous)
        parameters["socket_timeout"] = self.options.patience
        return parameters

    def _create_client(self, asynchronous: bool = False) -> Any:
        """One client for all blocking commands, instead of one for each: building it costs more than a command."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._blocking is None or self._blocking.connection_pool is not self.pool:
            self._blocking = super()._create_client()
        return self._blocking

    def _run(self, call: Call) -> Any:
        with self.conn_or_acquire() as client:
            return call.run(client)

    @property
    def calls(self) -> Calls:
        """The scripts."""
        return calls_of(self.options)

    @property
    def lease(self) -> Lease:
        """What this process holds."""
        if self._lease is None:
            self._lease = lease_of(self.connection.client.as_uri(), self.options, self._own_pool)
        return self._lease

    def _own_pool(self) -> ConnectionPool:
        """A pool like the channel's that outlives it. Who waits longer than the lease cannot renew it."""
        pool: ConnectionPool = self._get_pool()
        self._sentinel_manager = None  # the channel would close it with itself
        return pool

    # --- consuming --------------------------------------------------------------------------------------------------

    def basic_consume(self, queue: str, no_ack: bool, callback: Callable[[Any], Any], *args: Any, **kwargs: Any) -> Any:
        """Consume from a queue."""
        self._no_acks[queue] = bool(no_ack)
        self._receivers[queue] = callback
        result = super().basic_consume(queue, no_ack, callback, *args, **kwargs)
        self.start_intake()
        return result

    def _basic_cancel(self, consumer_tag: str) -> Any:
        result = super()._basic_cancel(consumer_tag)
        if self._intake is not None:
            self._intake.consume(self._claimed_queues())
        return result

    def _claimed_queues(self) -> list[tuple[str, bool]]:
        return [(queue, self._no_acks[queue]) for queue in self.active_queues]

    def start_intake(self) -> None:
        """Let messages come, once there is a loop and a queue that they can come from."""
        loop = self.connection.loop
        queues = self._claimed_queues()
        if loop is None or not queues:
            return
        if self._intake is None:
            pool = self.lease.pool
            self._intake = Intake(self.lease, self.qos, self, lambda: connection_of(pool), loop)
        self._intake.consume(queues)

    def deliver(self, delivery: Delivery) -> None:
        """Hand a message to who consumes its queue."""
        try:
            message = Message(delivery, self)
        except ValueError as error:
            self._bury(delivery, f"it cannot be read: {error}")
            return
        document = message._raw  # noqa: SLF001
        if message.headers.get("eta") and delivery.tag and (late := put_off(document)):
            self._defer(delivery, *late)
        elif message.lane is None and message.redeliveries > self.options.redeliveries and delivery.tag:
            self._bury(
                delivery, f"it was given out {message.redeliveries + 1} times, and each time the worker was lost"
            )
        elif delivery.queue not in self._tag_to_queue.values():
            self.lease.forget(delivery.tag)
            self.give_back([delivery.tag] if delivery.tag else [])
        else:
            if delivery.tag:
                self.qos.append(message, delivery.tag)
            self.connection.deliveries += 1
            self._receivers[delivery.queue](message)

    def message_to_python(self, raw_message: Any) -> Any:
        """A message is one already, unless it came by fanout."""
        return raw_message if isinstance(raw_message, KombuMessage) else super().message_to_python(raw_message)

    def _defer(self, delivery: Delivery, delay_ms: int, envelope: bytes) -> None:
        lease = self.lease
        if self._intake is None:
            self._run(self.calls.defer(lease.consumer, delivery.tag, delay_ms, envelope))
            lease.forget(delivery.tag)
        else:
            self._intake.defer(delivery, delay_ms, envelope, lambda _reply: lease.forget(delivery.tag))

    def _bury(self, delivery: Delivery, why: str) -> None:
        if not delivery.tag:
            _log.warning("A message of %s was dropped: %s.", delivery.queue, why)
            return
        lease = self.lease

        def buried(reply: Any) -> None:
            lease.forget(delivery.tag)
            if reply == 1:
                dead = self.options.keys().dead(delivery.queue)
                _log.warning("A message of %s lies in %s now: %s.", delivery.queue, dead, why)
                if self._undertaker is not None:
                    self._undertaker(delivery.queue, delivery.envelope)

        if self._intake is None:
            buried(self._run(self.calls.bury(lease.consumer, delivery.tag, delivery.queue)))
        else:
            self._intake.bury(delivery, buried)

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> Message | None:
        """Take one message, if there is one."""
        lease, queues = self.lease, [(queue, bool(no_ack))]
        call = self.calls.claim(
            lease.consumer,
            queues,
            lease_ms=self.options.lease_ms,
            most=1,
            most_bytes=1,
            seq=lease.reserve(1),
        )
        for delivery in read_claim(self._run(call), queues).deliveries:
            message = Message(delivery, self)
            if delivery.tag:
                lease.start()
                self.qos.append(message, delivery.tag)
            return message
        return None

    # --- what becomes of messages -------------------------------------------------------------------------------------

    def acked(self) -> None:
        """The lease has one more ack to tell."""
        if self._intake is not None and self._is_driven:
            self._intake.acked()
            return
        try:
            with self.conn_or_acquire() as client:
                self.lease.tell_acks(client)
        except _CLOSING as error:
            _log.warning("An ack could not be told to Redis (%s); it is kept for the next time.", error)
        self.room()

    def give_back(self, tags: Sequence[str]) -> None:
        """Put messages that are held back to the heads of their lists."""
        if self._intake is not None and self._is_driven:
            self._intake.release(tags)
            return
        try:
            for start in range(0, len(tags), MOST):
                self._run(self.calls.release(self.lease.consumer, tags[start : start + MOST]))
        except _CLOSING as error:
            _log.warning("%d messages could not be given back now (%s); they are later.", len(tags), error)

    def room(self) -> None:
        """The window may have room now."""
        if self._intake is None or self.connection is None:
            return
        if self._is_driven:
            self._intake.claim_if_room()
        elif self.connection.loop is not None:
            self.connection.loop.call_soon_threadsafe(self._intake.claim_if_room)

    @property
    def _is_driven(self) -> bool:
        return self.connection is not None and bool(self.connection.is_turning)

    # --- publishing -------------------------------------------------------------------------------------------------

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        target = STEPS[self.priority(self._get_message_priority(message, reverse=False))]
        late = put_off(message)
        batch = kwargs.get("_publish_batch")
        if late is not None:
            self._run(self.calls.delay(queue, target, [late]))
        elif batch is not None:
            super()._put(queue, message, **kwargs)
            batch.add("eval", self.calls.ring(queue).script.source, 1, queue)
        else:
            lifetime = self._expires.get(queue, 0)
            self._run(self.calls.publish(queue, target, [write_envelope(message)], lifetime))

    # --- queues -----------------------------------------------------------------------------------------------------

    def _size(self, queue: str) -> int:
        return int(self._run(self.calls.size(queue)))

    def _purge(self, queue: str) -> int:
        return int(self._run(self.calls.clear(queue)))

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        self._run(self.calls.clear(queue))
        super()._delete(queue, *args, **kwargs)

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        return bool(super()._has_queue(queue, **kwargs)) or self._size(queue) > 0

    # --- the end ----------------------------------------------------------------------------------------------------

    def close(self, *, is_broken: bool = False) -> None:
        """Close; never raises, however often and in whatever state it is called.

        What the process still works on stays under its lease. The rest goes back: now, or, if the connection
        `is_broken`, when the next one compares.
        """
        if self.closed:
            return
        intake, self._intake = self._intake, None
        if intake is not None:
            intake.close()
        if not is_broken and self._lease is not None:
            self._settle_lease(self._lease)
        if is_broken:
            self._fanout_queues = {}
        try:
            super().close()
        except _CLOSING as error:
            _log.debug("A channel was closed on a broken connection: %s", error)
            if self.connection is not None:
                self.connection.close_channel(self)
        self.closed = True

    def _settle_lease(self, lease: Lease) -> None:
        """Tell acks, and give back what nobody works on."""
        if not self.connection.has_hub:
            self.qos.restore_unacked()
        try:
            with self.conn_or_acquire() as client:
                lease.tell_acks(client)
                strangers = lease.strangers(tag.decode() for tag in client.hkeys(lease.key))
            self.give_back(strangers)
        except _CLOSING as error:
            _log.warning("What this channel held could not be given back now (%s); it is later.", error)


class SentinelChannel(Channel, _StockSentinelChannel):  # type: ignore[misc]
    """A channel to the master that Sentinel names."""
