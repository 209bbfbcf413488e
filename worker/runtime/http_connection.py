"""One HTTP/1.1 connection of a runtime's client, driven by the event loop: h11 reads and writes the protocol.

Whoever serves the connection is handed each request as its head comes, and gives back a `Body` that takes what follows.
It answers when it likes, once for each request; a request for the next invocation is answered when there is one. The
connection is kept for the next request until the client closes it, or speaks what is no HTTP.
"""

import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

import h11

from worker.transport.loop import Loop

Headers = list[tuple[bytes, bytes]]

#: Largest head of a request, in bytes: the cause of an error, which clients send for X-Ray, has up to 1 MB.
MAX_HEAD = 1_114_112

#: So much may be sent ahead of an answer that is still to come, in bytes.
_MAX_AHEAD = 65_536

_READ = 65_536


class Body(Protocol):
    """What takes the body of one request."""

    def take(self, data: bytes) -> None:
        """The next part."""
        ...

    def end(self, trailers: Headers) -> None:
        """That was all. The names of trailers are in lower case."""
        ...

    def break_off(self) -> None:
        """The connection is gone, before or after the end of the body, and before the answer."""
        ...


#: Is handed the connection and the head of a request.
Begin = Callable[["HttpConnection", h11.Request], Body]


class HttpConnection:
    """A connection that was accepted. Only the loop's thread may use it."""

    def __init__(self, peer: socket.socket, loop: Loop, begin: Begin, on_close: Callable[["HttpConnection"], None]):
        """Serve `peer`, which does not block, until it is closed; then call `on_close`, once."""
        self._peer = peer
        self._loop = loop
        self._begin = begin
        self._on_close = on_close
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._body: Body | None = None  # of the request that has no answer yet
        self._unsent = bytearray()
        self._is_writing = False  # the loop tells when the socket takes more
        self._is_reading = False  # events are being taken from `_http`
        self._is_paused = False
        self._is_closed = False
        loop.add_reader(peer.fileno(), self.receive)

    def answer(self, status: int, headers: Headers, content: bytes) -> None:
        """Answer the request that is under way. It has been read to its end."""
        self._body = None
        if self._is_closed:
            return
        self._send(status, [*headers, (b"Content-Length", b"%d" % len(content))], content)
        self._go_on()

    def receive(self) -> bool:
        """Take in some of what has come, and say whether there was any.

        Called by the loop, and by whoever wants to be sure that nothing was left unread.
        """
        if self._is_closed:
            return False
        try:
            data = self._peer.recv(_READ)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # reset: as gone as one that was closed
        if not data:
            self.close()
            return False
        self._http.receive_data(data)
        self._go_on()
        return True

    def pause(self) -> None:
        """Take in nothing more for now: who sends has to wait."""
        if not self._is_closed and not self._is_paused:
            self._is_paused = True
            self._loop.remove_reader(self._peer.fileno())

    def resume(self) -> None:
        """Take in again what comes."""
        if not self._is_closed and self._is_paused:
            self._is_paused = False
            self._loop.add_reader(self._peer.fileno(), self.receive)

    def _go_on(self) -> None:
        """See to everything that has come, unless that is being done already, further out."""
        if self._is_reading:
            return
        self._is_reading = True
        try:
            while not self._is_closed and self._next():
                pass
        except h11.RemoteProtocolError as error:
            self._refuse(error)
        finally:
            self._is_reading = False

    def _next(self) -> bool:
        """Do what the next part of the request asks for. False if there is none now."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        event = self._http.next_event()
        match event:
            case h11.Request():
                self._body = self._begin(self, event)
            case h11.Data():
                self._taker().take(bytes(event.data))
            case h11.EndOfMessage():
                self._taker().end(list(event.headers))
            case h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    go_ahead = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                    self._unsent += self._http.send(go_ahead) or b""
                    self._flush()
                return False
            case h11.PAUSED:
                if len(self._http.trailing_data[0]) > _MAX_AHEAD:
                    self.close()
                return False
            case _:  # ConnectionClosed
                return False
        return True

    def _taker(self) -> Body:
        assert self._body is not None, "a body follows the head of its request, and is answered after its end"
        return self._body

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """What came is no HTTP: say so if that is still possible, and close."""
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            text = f"{error}\n".encode()
            headers = [(b"Content-Length", b"%d" % len(text)), (b"Connection", b"close")]
            self._send(error.error_status_hint, headers, text)
        self.close()

    # --- writing ------------------------------------------------------------------------------------------------------

    def _send(self, status: int, headers: Headers, content: bytes) -> None:
        head = h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
        for event in (head, h11.Data(data=content), h11.EndOfMessage()):
            self._unsent += self._http.send(event) or b""
        self._flush()

    def _flush(self) -> None:
        """Send what the socket takes, and the rest when it takes more."""
        try:
            while self._unsent:
                sent = self._peer.send(self._unsent)
                del self._unsent[:sent]
        except BlockingIOError:
            if not self._is_writing:
                self._is_writing = True
                self._loop.add_writer(self._peer.fileno(), self._flush)
            return
        except OSError:
            self.close()
            return
        if self._is_writing:
            self._is_writing = False
            self._loop.remove_writer(self._peer.fileno())
        if self._http.our_state in {h11.MUST_CLOSE, h11.CLOSED, h11.ERROR}:
            self.close()

    def close(self) -> None:
        """Close it. What was not sent is not sent; a request without an answer is broken off."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self._is_paused:
            self._loop.remove_reader(self._peer.fileno())
        if self._is_writing:
            self._loop.remove_writer(self._peer.fileno())
        self._peer.close()
        body, self._body = self._body, None
        if body is not None:
            body.break_off()
        self._on_close(self)
