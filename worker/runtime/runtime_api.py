"""AWS's Runtime API for one execution environment: how a program that is no Python of ours gets its invocations.

It listens on a loopback address of its own, and only connections of the environment's own processes are served
(`loopback.py`). The runtime asks for the next invocation and waits; the worker offers one; the runtime posts a response
or an error, and asks again. What comes of it is said in the words of the other way to speak to a process, as `Frame`s:
READY at the first question, INIT_ERROR, then for each invocation RESULT, ERROR or TOO_LARGE.

A response may be streamed: its parts go on as they come if the invocation wants that, and are put together if not.
Nothing here waits, and nothing is left when it is closed.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass

import h11
import orjson

from config import limits
from worker.runtime import failures, loopback, wire
from worker.runtime.http_connection import Headers, HttpConnection
from worker.runtime.responses import InvalidTrailers, described_error, trailed_error
from worker.runtime.wire import Frame
from worker.transport.loop import Loop

_RUNTIME = "/2018-06-01/runtime"

#: What has a documented path of its own and is not there. Source: AWS Lambda Developer Guide, "Extensions API",
#: "Telemetry API", "Logs API"; SnapStart's hooks.
_NOT_OFFERED = {
    "/2020-01-01/extension/": "Extensions",
    "/2022-07-01/telemetry": "The Telemetry API",
    "/2020-08-15/logs": "The Logs API",
    f"{_RUNTIME}/restore/": "SnapStart",
}

_JSON: Headers = [(b"Content-Type", b"application/json")]
_OK = b'{"status":"OK"}\n'

#: How many connections of an environment are open at most; a runtime needs one, or one a call.
_MAX_CONNECTIONS = 64

_BACKLOG = 16

#: A request that is larger is not read to its end, in bytes: nothing that it could be is half as large.
_MAX_READ = 2 * limits.MAX_STREAMED_RESPONSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An invocation, as a runtime is told of it."""

    request_id: str
    invocation_id: str  # of this attempt alone
    headers: Headers  # those that say more than the two ids
    payload: bytes
    on_part: Callable[[bytes], object] | None  # is handed the parts of a streamed response; None: keep them together


class RuntimeApi:
    """Listens for one environment. Made in any thread; from `serve` on only the loop's thread may use it."""

    def __init__(self) -> None:
        """Listen.

        Raises:
            OSError: no address is left.
        """
        self._listener = loopback.listen(_BACKLOG)
        self._connections: set[HttpConnection] = set()
        self._loop: Loop | None = None
        self._pid = 0
        self._on_frame: Callable[[Frame], object] = lambda _: None
        self._on_taken: Callable[[], object] = lambda: None
        self._waiting: HttpConnection | None = None  # the runtime has asked on it for the next invocation
        self._offered: Event | None = None  # until the runtime asks
        self._current: Event | None = None  # until it has answered
        self._answered = ""  # request id of the event before
        self._streaming: HttpConnection | None = None  # on which the latest streamed response comes
        self._is_initialised = False

    @property
    def address(self) -> str:
        """What AWS_LAMBDA_RUNTIME_API is set to: host and port."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def serve(self, loop: Loop, pid: int, on_frame: Callable[[Frame], object], on_taken: Callable[[], object]) -> None:
        """Serve the process `pid` and its descendants: call `on_frame` with what they say.

        `on_taken` is called when the runtime gets the event that was offered.
        """
        self._loop, self._pid, self._on_frame, self._on_taken = loop, pid, on_frame, on_taken
        loop.add_reader(self._listener.fileno(), self._accept)

    def offer(self, event: Event) -> None:
        """Give the runtime an event: at once if it has asked, else when it asks."""
        self._offered = event
        if self._waiting is not None:
            self._hand_over(self._waiting)

    def pause_response(self) -> None:
        """Take in nothing more of the response that is being streamed, for now."""
        if self._streaming is not None:
            self._streaming.pause()

    def resume_response(self) -> None:
        """Take in again what the runtime sends."""
        if self._streaming is not None:
            self._streaming.resume()

    def drain(self) -> None:
        """Take in what the runtime said before it ended."""
        self._accept()
        for connection in list(self._connections):
            while connection.receive():
                pass  # one that was paused may have sent more than is taken in at once

    def close(self) -> None:
        """Listen no more, and close what is open."""
        if self._loop is not None:
            self._loop.remove_reader(self._listener.fileno())
            self._loop = None
        self._on_frame = lambda _: None
        self._on_taken = lambda: None
        self._listener.close()
        for connection in list(self._connections):
            connection.close()

    def _accept(self) -> None:
        assert self._loop is not None, "connections are accepted while it serves"
        for _ in range(_BACKLOG):
            try:
                accepted, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in {errno.ECONNABORTED, errno.EINTR}:
                    continue  # the client was faster
                return  # no descriptors are left: the loop calls again
            if len(self._connections) >= _MAX_CONNECTIONS or not loopback.belongs_to(accepted, address, self._pid):
                accepted.close()
                continue
            accepted.setblocking(False)
            self._connections.add(HttpConnection(accepted, self._loop, self._begin, self._connections.discard))

    # --- requests -----------------------------------------------------------------------------------------------------

    def _begin(self, connection: HttpConnection, request: h11.Request) -> "_Request":
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        path = request.target.decode("latin-1").partition("?")[0]
        event = self._current
        is_streamed = (
            event is not None
            and event.on_part is not None
            and headers.get("lambda-runtime-function-response-mode", "").lower() == "streaming"
            and path == f"{_RUNTIME}/invocation/{event.request_id}/response"
        )
        if is_streamed:
            self._streaming = connection
        method = request.method.decode("latin-1")
        return _Request(self, connection, method, path, headers, event if is_streamed else None)

    def answer(self, request: "_Request", trailers: Headers) -> None:
        """Answer a request that has come to its end."""
        steps = request.path.removeprefix(f"{_RUNTIME}/").split("/")
        match request.method, steps:
            case "GET", ["invocation", "next"]:
                self._next(request)
            case "POST", ["invocation", request_id, "response"]:
                if self._is_due(request, request_id):
                    self._respond(request, trailers)
            case "POST", ["invocation", request_id, "error"]:
                if self._is_due(request, request_id):
                    self._conclude(request, described_error(wire.ERROR, bytes(request.content), request.error_type))
            case "POST", ["init", "error"]:
                self._init_error(request)
            case _:
                self._refuse_unknown(request)

    def _next(self, request: "_Request") -> None:
        if self._current is not None:
            request.refuse(403, "InvalidStateTransition", "The invocation before has not been answered yet.")
        elif self._waiting is not None:
            request.refuse(403, "InvalidStateTransition", "The next invocation is being waited for already.")
        else:
            self._waiting = request.connection
            if self._offered is not None:
                self._hand_over(request.connection)
            elif not self._is_initialised:
                self._is_initialised = True
                self._on_frame(Frame(wire.READY, {}, b""))

    def _hand_over(self, connection: HttpConnection) -> None:
        event = self._offered
        assert event is not None, "there is something to hand over"
        self._waiting, self._offered, self._current = None, None, event
        self._is_initialised = True
        self._on_taken()
        ids = [
            (b"Lambda-Runtime-Aws-Request-Id", event.request_id.encode()),
            (b"Lambda-Runtime-Invocation-Id", event.invocation_id.encode()),
        ]
        connection.answer(200, [*_JSON, *ids, *event.headers], event.payload)

    def _is_due(self, request: "_Request", request_id: str) -> bool:
        """Whether an answer to this invocation is being waited for; else the request is refused."""
        event = self._current
        invocation_id = request.headers.get("lambda-runtime-invocation-id")
        if event is None and request_id == self._answered:
            request.refuse(403, "InvalidStateTransition", "This invocation has been answered already.")
        elif event is None or request_id != event.request_id:
            request.refuse(400, "InvalidRequestID", "Invalid request ID")
        elif invocation_id is not None and invocation_id != event.invocation_id:
            request.refuse(400, "InvalidInvocationId", "Invalid invocation ID: this attempt is not the present one.")
        else:
            return True
        return False

    def _respond(self, request: "_Request", trailers: Headers) -> None:
        mode = request.headers.get("lambda-runtime-function-response-mode", "")
        if mode.lower() not in {"", "buffered", "streaming"}:
            request.refuse(400, "InvalidFunctionResponseMode", f"Invalid function response mode '{mode}'")
            return
        try:
            failed = trailed_error(trailers)
        except InvalidTrailers as error:
            request.refuse(400, "InvalidTrailers", str(error))
            return
        if failed is not None:
            self._conclude(request, failed)
        elif request.is_too_large:
            too_large = f"Exceeded maximum allowed payload size ({request.largest} bytes)."
            frame = Frame(wire.TOO_LARGE, {"largest": request.largest}, b"")
            self._end_event(lambda: request.refuse(413, "RequestEntityTooLarge", too_large), frame)
        else:
            self._conclude(request, Frame(wire.RESULT, {}, bytes(request.content)))

    def _conclude(self, request: "_Request", frame: Frame) -> None:
        self._end_event(lambda: request.connection.answer(202, _JSON, _OK), frame)

    def _end_event(self, answer: Callable[[], None], frame: Frame) -> None:
        """The present event has come to its end: tell the runtime first, which is in a hurry to end, perhaps."""
        assert self._current is not None, "an event is under way"
        self._answered, self._current = self._current.request_id, None
        answer()
        self._on_frame(frame)

    def _init_error(self, request: "_Request") -> None:
        if self._is_initialised:
            request.refuse(403, "InvalidStateTransition", "The init phase is over.")
            return
        self._is_initialised = True
        request.connection.answer(202, _JSON, _OK)
        self._on_frame(described_error(wire.INIT_ERROR, bytes(request.content), request.error_type))

    def _refuse_unknown(self, request: "_Request") -> None:
        if request.path == "/2018-06-01/ping":
            request.connection.answer(200, [], b"pong")
            return
        for path, what in _NOT_OFFERED.items():
            if request.path.startswith(path):
                request.refuse(403, "NotOffered", f"{what} is not offered by thrice. Run the function without it.")
                return
        request.refuse(404, "NotFound", f"The Runtime API has no {request.method} {request.path}.")

    def pass_on(self, event: Event, data: bytes) -> None:
        """Part of the streamed response to an event, if that is still under way."""
        if event is self._current and event.on_part is not None:
            event.on_part(data)

    def forget(self, request: "_Request") -> None:
        """The connection of a request is gone before the answer."""
        if self._waiting is request.connection:
            self._waiting = None
        if request.streamed is not None and self._current is request.streamed:
            self._answered, self._current = request.streamed.request_id, None
            message = "The runtime broke off the response in the middle."
            self._on_frame(failures.as_frame(wire.ERROR, "Runtime.TruncatedResponse", message))


class _Request:
    """One request, and the `Body` of it."""

    def __init__(
        self,
        api: RuntimeApi,
        connection: HttpConnection,
        method: str,
        path: str,
        headers: dict[str, str],
        streamed: Event | None,
    ) -> None:
        self.connection = connection
        self.method = method
        self.path = path
        self.headers = headers
        self.streamed = streamed  # the event whose response this is, if its parts go on as they come
        self.content = bytearray()
        self.largest = limits.MAX_SYNC_RESPONSE if streamed is None else limits.MAX_STREAMED_RESPONSE
        self._size = 0
        self._api = api

    @property
    def error_type(self) -> str:
        """What the runtime calls the error, apart from its description; empty if it does not."""
        return self.headers.get("lambda-runtime-function-error-type", "")

    @property
    def is_too_large(self) -> bool:
        """Whether it has more bytes than it may. What is beyond is read, and thrown away."""
        return self._size > self.largest

    def take(self, data: bytes) -> None:
        """See `Body`."""
        self._size += len(data)
        if self._size > _MAX_READ:
            self.connection.close()
        elif self.is_too_large:
            self.content.clear()
        elif self.streamed is not None:
            self._api.pass_on(self.streamed, data)
        else:
            self.content += data

    def end(self, trailers: Headers) -> None:
        """See `Body`."""
        self._api.answer(self, trailers)

    def break_off(self) -> None:
        """See `Body`."""
        self._api.forget(self)

    def refuse(self, status: int, kind: str, message: str) -> None:
        """Answer that it cannot be."""
        self.connection.answer(status, _JSON, orjson.dumps({"errorMessage": message, "errorType": kind}))
