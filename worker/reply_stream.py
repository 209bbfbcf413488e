"""A streamed answer, on its way from the handler to the caller who reads it while the handler still writes.

What the handler writes goes to the list of the reply in numbered parts, one call of the script at a time; what is
written meanwhile goes with the next. A caller who reads slowly is waited for: at most `WAITING` parts lie in Redis, and
`is_full` says that the handler should not be listened to. Nobody is written to who does not listen any more. The last
part is the `Reply`, which is settled as that of every other call, when `finish` says that all before it is there.

A part that Redis may have taken although its answer got lost is sent again under its number;
who reads drops the second.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from config import limits
from worker import telemetry
from worker.invocation import FunctionError, Succeeded
from worker.keys import Keys
from worker.reply import Reply, encode_part
from worker.scripts import LIBRARY
from worker.transport.loop import Loop
from worker.transport.script import Script

#: Bytes of one part at most, and parts that wait in Redis for their reader.
PART = 1_048_576
WAITING = 8

#: How long the parts are kept for a reader who is slow, in milliseconds.
KEPT_MS = 60_000

#: The pause before Redis is asked again that had no room or did not answer, in seconds.
PAUSE = 0.05

_TOO_LONG = (
    '{"errorMessage":"Response payload size exceeded maximum allowed payload size '
    f'({limits.MAX_STREAMED_RESPONSE} bytes).","errorType":"Function.ResponseSizeTooLarge"}}'
)


class Scripts(Protocol):
    """Calls Lua scripts without waiting: a `worker.transport.commands.CommandConnection`."""

    def call(
        self, script: Script, keys: Sequence[str], args: Sequence[Any], done: Callable[[Any], object], /
    ) -> object:
        """Call `script`; `done` is handed its reply, or the exception, from the event loop."""
        ...


class ReplyStream:
    """The answer to one call, in parts. Only the loop's thread may use it."""

    def __init__(
        self, request_id: str, scripts: Scripts, keys: Keys, loop: Loop, on_room: Callable[[], object] = lambda: None
    ) -> None:
        """Write to whoever waits for the answer to `request_id`; `on_room` is called when it is not full any more."""
        self._scripts = scripts
        self._keys = [keys.reply(request_id), keys.call(request_id)]
        self._loop = loop
        self._on_room = on_room
        self._script = Script.of(LIBRARY, "stream")
        self._unsent = bytearray()
        self._size = 0  # of all that was written
        self._number = 0  # of the latest part
        self._is_sending = False
        self._is_heard = True
        self._finished: Callable[[], object] | None = None

    @property
    def is_full(self) -> bool:
        """Whether the handler should wait before it writes more."""
        return len(self._unsent) >= PART

    @property
    def is_heard(self) -> bool:
        """Whether anybody waits for the answer, as far as is known."""
        return self._is_heard

    @property
    def is_too_long(self) -> bool:
        """Whether more was written than a streamed answer may have. What is too much is not sent."""
        return self._size > limits.MAX_STREAMED_RESPONSE

    def write(self, data: bytes) -> None:
        """Send what the handler wrote next."""
        self._size += len(data)
        if self._is_heard and not self.is_too_long:
            self._unsent += data
            self._send()

    def finish(self, finished: Callable[[], object]) -> None:
        """Call `finished` when all is there, or nobody waits for it."""
        self._finished = finished
        self._send()

    def ending(self, reply: Reply) -> Reply:
        """The last part, for an attempt that ended with `reply`: the result itself has been sent."""
        if self.is_too_long:
            error = FunctionError(_TOO_LONG.encode(), "Function.ResponseSizeTooLarge", "The answer is too long.")
            return Reply(error, reply.log_tail, reply.version)
        if self._size and isinstance(reply.outcome, Succeeded):
            return Reply(Succeeded(b""), reply.log_tail, reply.version)
        return reply

    def _send(self) -> None:
        if self._is_sending:
            return
        if self._unsent and self._is_heard:
            part = bytes(self._unsent[:PART])
            del self._unsent[:PART]
            self._number += 1
            self._is_sending = True
            self._call(encode_part(self._number, part))
        elif self._finished is not None:
            finished, self._finished = self._finished, None
            finished()

    def _call(self, part: bytes) -> None:
        self._scripts.call(self._script, self._keys, [WAITING, KEPT_MS, part], lambda reply: self._go_on(part, reply))

    def _go_on(self, part: bytes, reply: Any) -> None:
        if isinstance(reply, Exception) or reply == 0:
            if isinstance(reply, Exception):
                telemetry.emit(telemetry.StoreAway("streaming an answer", str(reply)))
            self._loop.call_later(PAUSE, lambda: self._call(part))
            return
        self._is_sending = False
        if reply == -1:
            self._is_heard = False
            self._unsent.clear()
        self._send()
        if not self.is_full:
            self._on_room()
