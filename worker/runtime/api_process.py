"""A process that is a client of the Runtime API, as the worker sees it: looked after like every handler's process.

What differs is how it is spoken to. The socket of the bootstrap is only good for one thing here: to say that the
program could not be started. It closes when the program takes over, so the end of the process is told by its own
descriptor, or where there is none is looked for now and then.
"""

import binascii
import json
import os
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from worker.clock import SystemClock, to_ms
from worker.runtime import wire
from worker.runtime.child import Child, has_ended, open_pidfd
from worker.runtime.http_connection import Headers
from worker.runtime.process import Done, HandlerProcess, Surveillance
from worker.runtime.runtime_api import Event, RuntimeApi
from worker.runtime.wire import Frame, WireBroken

#: The process counts in wall time until its deadline, on its own clock; so does this, whatever the system's clock says.
_CLOCK = SystemClock()


class ApiProcess(HandlerProcess):
    """A process that asks `api` for its invocations. Only the loop's thread may use it. One exchange at a time."""

    def __init__(
        self,
        child: Child,
        surveillance: Surveillance,
        *,
        api: RuntimeApi,
        memory_limit: int,
        output: Callable[[bytes], object],
        look: Callable[[], object],
        on_part: Callable[[bytes], object],
    ) -> None:
        """Look after `child` from now on.

        `on_part` is handed the parts of responses that are to be streamed; for the rest see `HandlerProcess`.
        """
        self._api = api
        self._on_part = on_part
        self._pidfd = open_pidfd(child.pid)
        self._hears_start = False
        super().__init__(child, surveillance, memory_limit=memory_limit, output=output, look=look)

    def ask(self, kind: bytes, header: Mapping[str, Any], payload: bytes, deadline: float, done: Done) -> None:
        """Offer an invocation, and hand the answer to `done`. `kind` is INVOKE."""
        assert kind == wire.INVOKE, "nothing else is asked of a runtime"
        self.was_asked = False
        self.receive(deadline, done)
        self._api.offer(
            Event(
                request_id=header["id"],
                invocation_id=str(uuid.uuid4()),
                headers=_headers(header),
                payload=payload,
                on_part=self._on_part if header.get("stream") else None,
            )
        )

    def pause_response(self) -> None:
        """Take in nothing more of a response that is being streamed, for now: the runtime has to wait."""
        self._api.pause_response()

    def resume_response(self) -> None:
        """Take in again what the runtime sends of its response."""
        self._api.resume_response()

    def look(self, now: float) -> None:
        """See also whether it has ended, where nobody tells."""
        if self._pidfd is None and self._child.has_ended():
            self._on_end()
        else:
            super().look(now)

    def _listen(self) -> None:
        self._hears_start = True
        self._loop.add_reader(self._control.fileno(), self._on_start)
        if self._pidfd is not None:
            self._state.register(self._pidfd)
            self._loop.add_reader(self._pidfd, self._on_end)
        self._api.serve(self._loop, self._child.pid, self._on_frame, self._on_taken)

    def _stop_listening(self) -> None:
        if not self._listens:
            return
        self._listens = False
        self._stop_hearing_start()
        if self._pidfd is not None:
            self._state.unregister(self._pidfd)
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        self._api.close()

    def _on_start(self) -> None:
        """The bootstrap has become the program, and its socket is closed; or it says why it could not."""
        try:
            frame = self._incoming.receive(self._control)
        except WireBroken:
            self._stop_hearing_start()
            return
        if frame is not None:
            self._on_frame(frame)

    def _stop_hearing_start(self) -> None:
        if self._hears_start:
            self._hears_start = False
            self._loop.remove_reader(self._control.fileno())

    def _on_taken(self) -> None:
        self.was_asked = True

    def _on_frame(self, frame: Frame) -> None:
        self._read_output()
        self._look_at_memory_if_due()
        self._conclude(frame)

    def _on_end(self) -> None:
        """It has ended. What it said before still counts."""
        if self._pidfd is not None and not has_ended(self._pidfd, 0):
            return  # the loop means a descriptor that had the same number
        if self._hears_start:
            self._on_start()
        if self._listens:
            self._api.drain()
        if self._listens:
            self._break()


def _headers(asked: Mapping[str, Any]) -> Headers:
    """What a runtime is told of an invocation beside its ids."""
    deadline = _CLOCK.now() + timedelta(milliseconds=asked["ms"])
    headers = [
        (b"Lambda-Runtime-Deadline-Ms", str(to_ms(deadline)).encode()),
        (b"Lambda-Runtime-Invoked-Function-Arn", _value(asked["arn"])),
    ]
    if asked["trace"] is not None:
        headers.append((b"Lambda-Runtime-Trace-Id", _value(asked["trace"])))
    if asked["client"] is not None:
        headers.append((b"Lambda-Runtime-Client-Context", _value(_client_context(asked["client"]))))
    return headers


def _client_context(encoded: str) -> str:
    """The client context as the header has it: JSON in one line. What is no JSON in base64 goes on as it came."""
    try:
        return json.dumps(json.loads(binascii.a2b_base64(encoded)))
    except ValueError:
        return encoded


def _value(text: str) -> bytes:
    """What of a text can stand in a header: callers may send anything as their trace header."""
    return "".join(filter(str.isprintable, text)).encode("ascii", "ignore").strip()
