"""How messages come to a channel: claim, deliver, and wait at the doorbell when there is nothing.

One claim takes as many messages as the channel's window has room for, and carries the acks that have gathered since
the last one. It is made when there is room and little is left to work on; when the bell rings; when a delayed message
is due; and once a second, for producers that know nothing of the bell. What it brings is delivered a few milliseconds
at a time, so that the loop sees to other things in between.

When Redis refuses or cannot be reached, everything is tried again a little later, for ever. After each reconnection,
and every few seconds, what lies in Redis is compared with what is held here: deliveries that were lost on the wire go
back.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from redis.connection import Connection

from worker.transport.calls import MOST, Call, Claim, Delivery, read_claim
from worker.transport.commands import CommandConnection, Done
from worker.transport.keys import wake
from worker.transport.lease import Lease
from worker.transport.loop import Loop, Timer
from worker.transport.suspects import Suspects, losses
from worker.transport.window import Window

_log = logging.getLogger(__name__)

#: Seconds that acks wait for a claim to carry them, and their number above which they do not wait.
_ACK_WAIT, _MOST_ACKS = 0.01, 64
#: Seconds for which deliveries keep the loop to themselves.
_SLICE = 0.005
#: Seconds that the doorbell is waited for.
_BELL = 1
#: Seconds before a claim is made again when lanes have given what they may and have more: the bell rings for others.
_HELD_BACK_WAIT = 0.02
#: Seconds between two comparisons of what lies in Redis with what is held.
_RECONCILE = 10.0
#: Seconds before something that Redis refused is tried again, at first and at most.
_FIRST_RETRY, _LONGEST_RETRY = 0.1, 2.0


class Consumer(Protocol):
    """Who gets the messages."""

    def deliver(self, delivery: Delivery) -> object:
        """Take a message. Its tag is held already."""
        ...


class Intake:
    """The way of messages to one channel, over two connections. All of it happens in the loop's thread."""

    def __init__(
        self, lease: Lease, window: Window, consumer: Consumer, connect: Callable[[], Connection], loop: Loop
    ) -> None:
        """Begin to connect; claims are made as soon as there are `queues`."""
        #: (name, whether no ack is expected) of the queues to claim from.
        self.queues: Sequence[tuple[str, bool]] = ()
        self._lease = lease
        self._window = window
        self._consumer = consumer
        self._loop = loop
        self._inbox: deque[Delivery] = deque()
        self._is_claiming = self._is_waiting = self._is_delivering = self._is_closed = False
        self._again = self._has_more = False
        self._is_lost = False  # the lease was, and what others have now is still to be found out
        self._retry = _FIRST_RETRY
        self._timers: dict[str, Timer] = {}
        timeout = max(lease.options.socket_timeout, 2 * _BELL)
        self._commands = CommandConnection(connect, loop, on_up=self._up, timeout=timeout)
        self._suspects = Suspects(lease, self._commands, consumer.deliver)
        self._bell = CommandConnection(connect, loop, on_up=self.claim, timeout=timeout)
        lease.on_lost = lambda: loop.call_soon_threadsafe(self._lost)
        self._beat()

    def close(self) -> None:
        """Take no more. What is held stays held; what was not delivered yet goes back at the next comparison."""
        self._is_closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._commands.close()  # a suspect that was about to begin waits again then
        self._bell.close()
        for tag in (*(delivery.tag for delivery in self._inbox), *self._suspects.tags):
            self._lease.forget(tag)
        self._inbox.clear()

    def consume(self, queues: Sequence[tuple[str, bool]]) -> None:
        """Claim from these queues from now on. What was taken from others and not delivered goes back."""
        self.queues = queues
        names = {name for name, _ in queues}
        unwanted = [delivery.tag for delivery in self._inbox if delivery.queue not in names]
        self._inbox = deque(delivery for delivery in self._inbox if delivery.queue in names)
        for tag in unwanted:
            self._lease.forget(tag)
        self.release(unwanted)
        self.claim_if_room()

    # --- claims -----------------------------------------------------------------------------------------------------

    @property
    def _free(self) -> int:
        return max(0, self._window.free - len(self._inbox))

    def claim_if_room(self) -> None:
        """Claim if it is worth while: there is room, and whoever works on the messages is running low of them.

        While the doorbell is waited for, and the last claim took all there was, there is nothing to be had.
        """
        self._suspects.go_on()
        if self._free and self._window.is_low() and not (self._is_waiting and not self._has_more):
            self.claim()

    def claim(self) -> None:
        """Claim as much as there is room for; make due messages ready in any case."""
        if self._is_claiming:
            self._again = True
            return
        if self._is_closed or not self.queues or not self._commands.is_up:
            return
        self._is_claiming, self._again = True, False
        self._stop("due")
        queues, acks, most = self.queues, self._lease.take_acks(), min(self._free, MOST)
        call = self._lease.calls.claim(
            self._lease.consumer,
            queues,
            lease_ms=self._lease.options.lease_ms,
            most=most,
            most_bytes=self._lease.options.claim_bytes,
            seq=self._lease.reserve(most),
            acks=acks,
            allowance=self._window.allowance(),
            allowances=self._window.allowances(),
        )
        self._make(call, lambda reply: self._claimed(reply, queues, acks, most))

    def _claimed(self, reply: Any, queues: Sequence[tuple[str, bool]], acks: list[str], most: int) -> None:
        self._is_claiming = False
        if isinstance(reply, Exception):
            self._lease.return_acks(acks)
            self._refused("A claim", reply)
            return
        self._retry = _FIRST_RETRY
        claim = read_claim(reply, queues)
        self._has_more = claim.has_more or claim.has_held_back
        if any(not no_ack for _, no_ack in queues):
            self._registered(claim)
        for delivery in claim.deliveries:
            if delivery.tag:
                self._lease.hold(delivery.tag, None)
            self._inbox.append(delivery)
        self._next_claim(claim, most)
        self._deliver()

    def _registered(self, claim: Claim) -> None:
        self._lease.start()
        if not claim.is_known and self._lease.held:
            self._lost()

    def _next_claim(self, claim: Claim, most: int) -> None:
        if self._again or (claim.has_more and self._free and most):
            self._loop.call_later(0, self.claim_if_room)
        elif claim.has_held_back:
            self._in(_HELD_BACK_WAIT, "due", self.claim)
            return
        elif self._free:
            self._wait()
        if claim.next_due_ms is not None:
            self._in(claim.next_due_ms / 1000, "due", self.claim)

    def _wait(self) -> None:
        """Wait at the doorbells of the queues. A token that is there already comes back at once."""
        if self._is_waiting or self._is_closed or not self.queues or not self._bell.is_up:
            return
        self._is_waiting = True
        self._bell.command("BRPOP", *(wake(name) for name, _ in self.queues), _BELL, done=self._rung)

    def _rung(self, reply: Any) -> None:
        self._is_waiting = False
        if isinstance(reply, Exception):
            self._refused("Waiting at the doorbell", reply)
        elif reply is not None or self._free:
            self.claim()  # without room it takes nothing, and rings for the others

    def _refused(self, what: str, error: Exception) -> None:
        if self._is_closed or not self._commands.is_up or not self._bell.is_up:
            return  # who reconnects goes on
        _log.warning("%s was refused by Redis (%s); tried again in %g s.", what, error, self._retry)
        self._in(self._retry, "due", self.claim)
        self._retry = min(self._retry * 2, _LONGEST_RETRY)

    def _make(self, call: Call, done: Done) -> None:
        self._commands.call(call.script, call.keys, call.arguments, done)

    # --- deliveries -------------------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        """Deliver for a few milliseconds; the rest comes in a later turn of the loop."""
        if self._is_delivering:
            return
        self._is_delivering = True
        end = time.monotonic() + _SLICE
        try:
            while self._inbox:
                delivery = self._inbox.popleft()
                if delivery.tag and losses(delivery):
                    self._suspects.add(delivery)
                else:
                    self._consumer.deliver(delivery)
                if time.monotonic() > end:
                    break
        finally:
            self._is_delivering = False
            self._lease.beat()
            self._suspects.go_on()
            if self._inbox:
                self._in(0, "deliver", self._deliver)

    # --- acks and returns -------------------------------------------------------------------------------------------

    def acked(self) -> None:
        """An ack has been added to the lease's: tell Redis of it, with a claim or soon."""
        self.claim_if_room()
        if not self._lease.acks:
            return
        if len(self._lease.acks) >= _MOST_ACKS:
            self._tell_acks()
        elif "acks" not in self._timers:
            self._in(_ACK_WAIT, "acks", self._tell_acks)

    def _tell_acks(self) -> None:
        self._stop("acks")
        if self._commands.is_up and (acks := self._lease.take_acks()):

            def done(reply: Any) -> None:
                if isinstance(reply, Exception):
                    self._lease.return_acks(acks)
                    self._in(_FIRST_RETRY, "acks", self._tell_acks)

            self._commands.command("HDEL", self._lease.key, *acks, done=done)

    def release(self, tags: Sequence[str]) -> None:
        """Give messages back. If Redis cannot be told the next comparison does it."""
        for start in range(0, len(tags), MOST):
            call = self._lease.calls.release(self._lease.consumer, tags[start : start + MOST])
            self._make(call, _ignore)

    def bury(self, delivery: Delivery, done: Done) -> None:
        """Lay a held message among the dead; `done` gets 1 if it is there."""
        self._make(self._lease.calls.bury(self._lease.consumer, delivery.tag, delivery.queue), done)

    def defer(self, delivery: Delivery, delay_ms: int, envelope: bytes, done: Done) -> None:
        """Keep a held message until later; `done` gets 1 if it is kept."""
        self._make(self._lease.calls.defer(self._lease.consumer, delivery.tag, delay_ms, envelope), done)

    # --- looking after what is held -----------------------------------------------------------------------------------

    def _up(self) -> None:
        # Leases may have ended while Redis was away. Ours is renewed before anybody looks; the others' workers are
        # connected again by and by, and get the time for it.
        self._renew()
        self._in(self._lease.options.lease / 5, "reap", self._reap)
        self._reconcile()
        self._tell_acks()
        self.claim_if_room()

    def _beat(self) -> None:
        self._lease.beat()
        self._suspects.go_on()
        self._in(min(1.0, self._lease.options.stall / 4), "beat", self._beat)

    def _renew(self) -> None:
        if not self._lease.is_renewed:
            return

        def done(reply: Any) -> None:
            if reply == 0:
                self._lost()

        self._make(self._lease.calls.heartbeat(self._lease.consumer, self._lease.options.lease_ms), done)

    def _reap(self) -> None:
        self._in(self._lease.options.lease / 5, "reap", self._reap)
        if not self._commands.is_up:
            return

        def done(reply: Any) -> None:
            if reply == MOST:
                self._reap()

        self._make(self._lease.calls.reap(), done)

    def _reconcile(self) -> None:
        """Give back what lies under the lease and nobody holds; if it was lost, say what others have now."""
        self._in(_RECONCILE, "reconcile", self._reconcile)
        if not self._commands.is_up:
            return
        is_lost, self._is_lost = self._is_lost, False
        held = self._lease.held if is_lost else []

        def done(reply: Any) -> None:
            if isinstance(reply, Exception):
                self._is_lost = self._is_lost or is_lost
                self._in(_LONGEST_RETRY, "reconcile", self._reconcile)
                return
            stored = [tag.decode() for tag in reply]
            strangers = self._lease.strangers(stored)
            for tag in strangers:
                self._lease.forget(tag)
            self.release(strangers)
            self._window.drop(strangers)
            if held:
                self._others_have(self._lease.missing(held, stored))

        self._commands.command("HKEYS", self._lease.key, done=done)

    def _lost(self) -> None:
        self._is_lost = True
        self._reconcile()

    def _others_have(self, tags: list[str]) -> None:
        if not tags:
            return
        _log.warning("The lease was lost: %d messages that this process held are run by others.", len(tags))
        lost = set(tags)
        self._inbox = deque(delivery for delivery in self._inbox if delivery.tag not in lost)
        self._suspects.remove(lost)
        self._window.drop(tags)
        if self._window.on_lost is not None:
            self._window.on_lost(tags)

    # --- timers -----------------------------------------------------------------------------------------------------

    def _in(self, seconds: float, name: str, callback: Callable[[], object]) -> None:
        self._stop(name)
        if not self._is_closed:

            def fire() -> None:
                self._timers.pop(name, None)
                callback()

            self._timers[name] = self._loop.call_later(seconds, fire)

    def _stop(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


def _ignore(_reply: Any) -> None:
    """What was not done is found by the next comparison."""
