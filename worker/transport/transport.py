"""The transport: what Celery's setting `broker_transport` names.

In a worker with an event loop everything hangs on the worker's hub. Without one (producers that wait for replies,
workers of pools without hub) `drain_events` turns a loop of the transport's own. A Redis that is away, restarting,
full or read-only is waited for; the worker does not learn of it.
"""

import logging
import threading
import time
from typing import Any

from kombu.transport import redis as kombu_redis
from redis.exceptions import RedisError

from worker.transport import versions
from worker.transport.channel import Channel, SentinelChannel
from worker.transport.hub_loop import HubLoop
from worker.transport.poll_loop import PollLoop

_log = logging.getLogger(__name__)

# The type stubs of kombu do not know its inner parts, which are watched by tests/transport/test_contract.py instead.
_StockPoller: Any = kombu_redis.MultiChannelPoller
_StockTransport: Any = kombu_redis.Transport
_StockSentinelTransport: Any = kombu_redis.SentinelTransport

#: Seconds before fanout is subscribed to again after its connection broke.
_RESUBSCRIBE = 0.5


class Poller(_StockPoller):  # type: ignore[misc]
    """Sees to fanout only, and waits when its connection breaks. List queues have their intakes."""

    def __init__(self) -> None:
        """Begin without channels."""
        super().__init__()
        self._subscribe_after = 0.0

    def on_poll_init(self, poller: Any) -> None:
        """Use the hub's poller."""
        self.poller = poller

    def maybe_restore_messages(self) -> None:
        """Leases take the place of what this does."""

    def maybe_check_brpop_health(self) -> None:
        """No BRPOP is sent by this poller."""

    def on_poll_start(self) -> None:
        """Subscribe the channels that consume fanout queues and are not subscribed."""
        if time.monotonic() < self._subscribe_after:
            return
        for channel in list(self._channels):
            if channel.active_fanout_queues:
                try:
                    self._register_LISTEN(channel)
                except (RedisError, OSError) as error:
                    self._broken(channel, error)

    def on_readable(self, fileno: int) -> Any:
        """Receive, or learn that the connection broke."""
        channel, _ = self._fd_to_chan.get(fileno, (None, None))
        try:
            return super().on_readable(fileno)
        except (RedisError, OSError) as error:
            self._broken(channel, error)
            return None

    def _broken(self, channel: Any, error: Exception) -> None:
        _log.warning("The connection for remote control and events has broken (%s); connecting again.", error)
        self._subscribe_after = time.monotonic() + _RESUBSCRIBE
        channel._in_listen = False  # noqa: SLF001 - kombu's own name for "is subscribed"
        connection = channel.subclient.connection
        if connection is not None:
            connection.disconnect()


class Transport(_StockTransport):  # type: ignore[misc]
    """Messages through Redis, under leases."""

    Channel = Channel

    driver_type = "redis"
    driver_name = "redis"

    #: What is waited out: all that Redis answers and all that a connection does.
    connection_errors = (*_StockTransport.connection_errors, RedisError)

    #: Kombu's name for what sees to the channels.
    cycle: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is connected yet.

        Raises:
            VersionUnusable: a library is installed that the transport was not tested with.
        """
        versions.check()
        super().__init__(*args, **kwargs)
        self.cycle = Poller()
        #: What drives the channels, None until there is one.
        self.loop: HubLoop | PollLoop | None = None
        self._turns = 0
        self._thread = 0
        #: How many messages have been handed to consumers.
        self.deliveries = 0

    @property
    def has_hub(self) -> bool:
        """Whether a worker's hub drives it."""
        return isinstance(self.loop, HubLoop)

    @property
    def is_turning(self) -> bool:
        """Whether the loop goes on after whatever is done now, and it is this thread's."""
        return self.has_hub or (self._turns > 0 and threading.get_ident() == self._thread)

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Hang everything on a worker's hub."""
        super().register_with_event_loop(connection, loop)
        self.loop = HubLoop(loop)

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:  # noqa: ARG002
        """Turn until a message was handed to a consumer.

        Raises:
            TimeoutError: none came within `timeout` seconds.
        """
        loop = self.loop or self._own_loop()
        before, end = self.deliveries, None if timeout is None else time.monotonic() + timeout
        self._turns, self._thread = self._turns + 1, threading.get_ident()
        try:
            for channel in self.channels:
                channel.room()
            while self.deliveries == before:
                if isinstance(loop, PollLoop):
                    self.cycle.on_poll_start()
                    self.cycle.maybe_refresh_binding_expiry()
                loop.turn(1.0 if end is None else min(1.0, max(0.0, end - time.monotonic())))
                if end is not None and self.deliveries == before and time.monotonic() >= end:
                    raise TimeoutError
        finally:
            self._turns -= 1

    def _own_loop(self) -> PollLoop:
        self.loop = loop = PollLoop(self.cycle.poller, self.cycle.handle_event)
        for channel in self.channels:
            channel.start_intake()
        return loop

    def _deliver(self, message: Any, queue: str) -> None:
        """Hand on a fanout message."""
        self.deliveries += 1
        super()._deliver(message, queue)

    def close_connection(self, connection: Any) -> None:
        """Close all channels."""
        super().close_connection(connection)
        if isinstance(self.loop, HubLoop | PollLoop):
            self.loop.close()
        self.loop = None

    def _collect(self, connection: Any) -> None:
        """Kombu gives up a broken connection: close everything without talking to the server."""
        for channel in [*self.channels, *self._avail_channels]:
            channel.close(is_broken=True)
        self.close_connection(connection)


class SentinelTransport(Transport, _StockSentinelTransport):  # type: ignore[misc]
    """Messages through the master that Sentinel names."""

    Channel = SentinelChannel
    default_port = _StockSentinelTransport.default_port
