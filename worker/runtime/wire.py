"""The worker's half of the socket to a handler's process. `bootstrap.py` has the other half, and says what a frame is.

Nothing here blocks: `Outgoing` and `Incoming` move what the socket takes or gives, and remember the rest.
"""

import socket
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

HEAD = struct.Struct("!cII")

INVOKE = b"I"
READY = b"R"
INIT_ERROR = b"X"
RESULT = b"S"
ERROR = b"E"
TOO_LARGE = b"L"

#: What one read takes at most, in bytes. Most frames are smaller, and come whole with the first read.
_READ = 65_536

#: Up to this size, in bytes, a payload is copied behind its header, which costs less than handing over two parts.
_SMALL = 32_768

#: Largest header that is believed, in bytes: it holds the text of an error once more.
_MAX_HEADER = 16_777_216


_NO_HEADER: Mapping[str, Any] = MappingProxyType({})


class WireBroken(Exception):
    """Raised when the other side closed the socket, or wrote what is no frame."""


class Frame(NamedTuple):
    """One message from the handler's process."""

    kind: bytes
    header: Mapping[str, Any]
    payload: bytes


class Outgoing:
    """A frame on its way to the handler's process."""

    def __init__(self, kind: bytes, header: Mapping[str, Any], payload: bytes) -> None:
        head = orjson.dumps(header)
        start = HEAD.pack(kind, len(head), len(payload)) + head
        self._parts: list[bytes | memoryview] = [start + payload] if len(payload) <= _SMALL else [start, payload]

    def send(self, control: socket.socket) -> bool:
        """Hand over what the socket takes. True if that was the rest.

        Raises:
            WireBroken: nobody is there to read it.
        """
        while self._parts:
            first = self._parts[0]
            try:
                sent = control.send(first) if len(self._parts) == 1 else control.sendmsg(self._parts)
            except BlockingIOError:
                return False
            except OSError as error:
                raise WireBroken(f"the handler's process does not read: {error}") from error
            if sent == len(first) and len(self._parts) == 1:
                return True
            self._forget(sent)
        return True

    def _forget(self, sent: int) -> None:
        while self._parts and sent >= len(self._parts[0]):
            sent -= len(self._parts[0])
            del self._parts[0]
        if sent:
            self._parts[0] = memoryview(self._parts[0])[sent:]


class Incoming:
    """Frames, one after the other, that may come in pieces. A payload may have `largest` bytes."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._data = bytearray()
        self._filled = 0

    def receive(self, control: socket.socket) -> Frame | None:
        """Take what the socket has. None if the frame is not complete yet.

        Raises:
            WireBroken: the socket is closed, or what came is no frame.
        """
        try:
            if not self._data:
                return self._begin(control.recv(_READ))
            count = control.recv_into(memoryview(self._data)[self._filled :])
        except BlockingIOError:
            return None
        except OSError as error:
            raise WireBroken(f"the handler's process does not write: {error}") from error
        if count == 0:
            raise WireBroken("the handler's process closed its socket in the middle of a frame")
        self._filled += count
        if self._filled < len(self._data):
            return None
        whole = bytes(self._data)
        self._data.clear()
        kind, header_size, _ = HEAD.unpack_from(whole)
        return _take_apart(whole, kind, header_size)

    def _begin(self, data: bytes) -> Frame | None:
        if not data:
            raise WireBroken("the handler's process closed its socket")
        if len(data) < HEAD.size:
            raise WireBroken(f"{len(data)} bytes are not the beginning of a frame")
        kind, header_size, payload_size = HEAD.unpack_from(data)
        total = HEAD.size + header_size + payload_size
        if payload_size > self._largest or header_size > _MAX_HEADER or total < len(data):
            raise WireBroken(f"a frame {kind!r} with {header_size} + {payload_size} bytes is not to be expected")
        if total == len(data):
            return _take_apart(data, kind, header_size)
        self._data = bytearray(total)
        self._data[: len(data)] = data
        self._filled = len(data)
        return None


def _take_apart(data: bytes, kind: bytes, header_size: int) -> Frame:
    if not header_size:
        return Frame(kind, _NO_HEADER, data[HEAD.size :])
    payload_start = HEAD.size + header_size
    return Frame(kind, orjson.loads(data[HEAD.size : payload_start]), data[payload_start:])
