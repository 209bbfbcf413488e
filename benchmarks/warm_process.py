"""The peer's warm handler process: what a user of Celery would write to call handlers in a process of their own.

One process for each pool process and handler, started at the first call and kept. A frame is four bytes of length and
JSON, in both directions over a socket pair: one write and one read on each side. `serve` is the other end; it runs
`python warm_process.py <descriptor> <handler>` with the standard library alone, as thrice's handlers do, and ends when
the socket closes.
"""

import importlib
import json
import os
import socket
import struct
import subprocess
import sys

_LENGTH = struct.Struct("!I")


class WarmProcess:
    """A process that has imported the handler."""

    def __init__(self, handler: str) -> None:
        """Start it."""
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-S", __file__, str(theirs.fileno()), handler]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def call(self, payload: bytes) -> bytes:
        """What the handler returns for the event `payload`, both as JSON.

        Raises:
            EOFError: the process has ended.
        """
        _send(self._socket.fileno(), payload)
        return _receive(self._socket.fileno())


def serve(descriptor: int, name: str) -> None:
    """Answer one call after the other until the socket closes."""
    handler = getattr(importlib.import_module("handler"), name)
    while True:
        try:
            payload = _receive(descriptor)
        except EOFError:
            return
        _send(descriptor, json.dumps(handler(json.loads(payload), None)).encode())


def _send(descriptor: int, payload: bytes) -> None:
    unsent = memoryview(_LENGTH.pack(len(payload)) + payload)
    while unsent:
        unsent = unsent[os.write(descriptor, unsent) :]


def _receive(descriptor: int) -> bytes:
    data = b""
    while len(data) < _LENGTH.size or len(data) < _LENGTH.size + _LENGTH.unpack_from(data)[0]:
        more = os.read(descriptor, 65_536)
        if not more:
            raise EOFError
        data += more
    return data[_LENGTH.size :]


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
