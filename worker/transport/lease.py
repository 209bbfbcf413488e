"""What one process holds of the messages of a namespace, and for how long.

A lease is the right of one consumer to work on what lies under it. It belongs to the process, not to a connection:
tasks that run while a connection breaks are acknowledged over the next one. A thread of its own renews it, over a
connection of its own, so that a task that keeps the event loop busy keeps its lease; when the loop has stood still
for too long it stops, and others get the messages.

The last act of a process is to give back what it has not finished.
"""

import atexit
import logging
import os
import secrets
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from redis import ConnectionPool, Redis
from redis.exceptions import RedisError

from worker.transport.calls import Calls
from worker.transport.options import Options

_log = logging.getLogger(__name__)

#: Attempts to give everything back when a process ends, of at most 1000 messages each.
_LAST_CALLS = 100


class Lease:
    """What this process holds. Used by the thread of its loop; `ack` and `forget` may be called by any."""

    def __init__(self, options: Options, calls: Calls, pool: ConnectionPool) -> None:
        """Begin without anything.

        Args:
            options: how long it lasts.
            calls: the scripts of its namespace.
            pool: where its connections come from; nobody else's, for it outlives every channel.
        """
        self.consumer = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(6)}"
        self.options = options
        self.calls = calls
        self.key = calls.namespace.lease(self.consumer)
        self.begun = calls.namespace.begun(self.consumer)
        #: Tags that are done, and of which Redis is to be told.
        self.acks: deque[str] = deque()
        #: Called in the renewing thread when the lease was found to be lost.
        self.on_lost: Callable[[], object] | None = None
        self.pool = pool
        self._held: dict[str, weakref.ref[Any] | None] = {}
        self._seq = 0
        self._pulse = time.monotonic()
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._pid = os.getpid()

    # --- what is held -----------------------------------------------------------------------------------------------

    def reserve(self, count: int) -> int:
        """The first of `count` sequence numbers that were never used."""
        first = self._seq
        self._seq += count
        return first

    def hold(self, tag: str, message: object | None) -> None:
        """A tag is held: by a message, or by somebody who will hold it with one soon."""
        self._held[tag] = None if message is None else weakref.ref(message)

    def message(self, tag: str) -> Any:
        """The message of a tag, None if it is not held."""
        reference = self._held.get(tag)
        return None if reference is None else reference()

    def ack(self, tag: str) -> None:
        """A message is done. Redis is told with the next claim, or by who empties `acks`."""
        if self._held.pop(tag, None) is not None:
            self.acks.append(tag)

    def forget(self, tag: str) -> None:
        """A message is held no longer, and Redis knows."""
        self._held.pop(tag, None)

    def take_acks(self, most: int = 1000) -> list[str]:
        """Tags to tell Redis of, which are now the caller's to tell."""
        return [self.acks.popleft() for _ in range(min(most, len(self.acks)))]

    def return_acks(self, tags: Iterable[str]) -> None:
        """Redis could not be told, or it is not known whether it was."""
        self.acks.extend(tags)

    def strangers(self, stored: Iterable[str]) -> list[str]:
        """Of the tags stored in Redis those that nobody holds: the delivery was lost, or the message was dropped."""
        acks = set(self.acks)
        return [tag for tag in stored if tag not in acks and not self._is_held(tag)]

    def missing(self, held: Iterable[str], stored: Iterable[str]) -> list[str]:
        """Of the tags that were `held` those that Redis does not have: others have them now. They are forgotten."""
        stored = set(stored)
        missing = [tag for tag in held if tag in self._held and tag not in stored]
        for tag in missing:
            self.forget(tag)
        return missing

    def _is_held(self, tag: str) -> bool:
        if tag not in self._held:
            return False
        reference = self._held[tag]
        return reference is None or reference() is not None

    def holds(self, tag: str) -> bool:
        """Whether a tag is held."""
        return tag in self._held

    @property
    def held(self) -> list[str]:
        """The tags that are held."""
        return list(self._held)

    # --- renewing ---------------------------------------------------------------------------------------------------

    def beat(self) -> None:
        """The loop turns."""
        self._pulse = time.monotonic()

    @property
    def is_renewed(self) -> bool:
        """Whether it has begun."""
        return self._thread is not None

    def start(self) -> None:
        """Renew the lease from now on. A second call does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew, name="lease-heartbeat", daemon=True)
            self._thread.start()

    def _renew(self) -> None:
        client = Redis(connection_pool=self.pool)
        is_stalled = False
        while not self._end.wait(self.options.heartbeat):
            still = time.monotonic() - self._pulse
            if still > self.options.stall:
                if not is_stalled:
                    _log.warning(
                        "The event loop has stood still for %.0f s: the lease of what this process holds is renewed no "
                        "more, and others will run it. Raise broker_transport_options['stall'] if tasks run this long.",
                        still,
                    )
                is_stalled = True
                continue
            is_stalled = False
            try:
                known = self.calls.heartbeat(self.consumer, self.options.lease_ms).run(client)
            except RedisError as error:
                _log.warning("The lease could not be renewed (%s); tried again in %g s.", error, self.options.heartbeat)
                continue
            if not known and self.on_lost is not None:
                self.on_lost()
        client.close()

    # --- the end ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give back what is not done, and end. In a child of the process that held it this does nothing."""
        if self._end.is_set() or os.getpid() != self._pid:
            return
        self._end.set()
        if self._thread is None:
            return
        self._thread.join(self.options.lease)
        client = Redis(connection_pool=self.pool)
        try:
            self.tell_acks(client)
            for _ in range(_LAST_CALLS):
                if not self.calls.release(self.consumer, []).run(client):
                    break
        except RedisError as error:
            _log.warning(
                "What this process holds could not be given back (%s): others get it in %g s.",
                error,
                self.options.lease,
            )
        finally:
            self._held.clear()
            client.close()

    def tell_acks(self, client: Redis) -> None:
        """Tell Redis of the acks, and wait until it knows.

        Raises:
            RedisError: it could not be told; the acks are kept.
        """
        while tags := self.take_acks():
            try:
                client.hdel(self.key, *tags)
            except RedisError:
                self.return_acks(tags)
                raise


@cache
def calls_of(options: Options) -> Calls:
    """The scripts of a namespace, read once."""
    return Calls(options.keys(), options.library())


_leases: dict[tuple[int, int, str, str], Lease] = {}
_guard = threading.Lock()


def lease_of(url: str, options: Options, make_pool: Callable[[], ConnectionPool]) -> Lease:
    """The lease of this process and thread for a server, the same one each time.

    Threads do not share: what one has taken its own loop hands out. `make_pool` is called for a new one only.
    """
    key = (os.getpid(), threading.get_ident(), url, options.namespace)
    with _guard:
        if key not in _leases:
            _leases[key] = lease = Lease(options, calls_of(options), make_pool())
            atexit.register(lease.close)
        return _leases[key]
