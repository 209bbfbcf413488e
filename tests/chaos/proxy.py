"""A proxy between parts and Redis that can fail at one step: before Redis gets a command, or before its reply is read.

It understands as much of the protocol as it takes to tell commands and replies apart. A `Fault` names a script or a
command, and what happens when it comes by: the connection is cut, the process at the other end is killed, or nothing
passes any more on a connection that looks whole (half-open). No part has to know of it but for its URL.
"""

import hashlib
import select
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from worker.scripts import LIBRARY
from worker.transport.script import Script

#: By what a part calls a script.
_NAMES = {Script.of(LIBRARY, name).sha: name for name in ("claim", "enqueue", "heartbeat", "reap", "release", "settle")}


class Moment(Enum):
    """When a fault strikes."""

    SENT = "before Redis gets it"
    DONE = "after Redis has done it and before the reply is passed on"
    READ = "right after the reply was passed on"


class Harm(Enum):
    """What a fault does."""

    CUT = "the connection is cut"
    KILL = "the process is killed"
    HOLD = "nothing passes any more"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong once: a command comes by, and at that moment there is harm."""

    command: str  # name of a script, or of a command of Redis
    moment: Moment
    harm: Harm
    #: Whether a reply, where there is one, is one to strike at. A claim that brings nothing is not.
    is_wanted: Callable[[bytes], bool] = lambda _reply: True

    def __str__(self) -> str:
        return f"{self.command}: {self.moment.value}, {self.harm.value}"


class _Struck(Exception):
    """This connection is over."""


@dataclass(eq=False)
class _Connection:
    """What is known of one connection of a part."""

    pid: int
    commands: deque[str] = field(default_factory=deque)  # those that wait for their replies
    answered: Counter[str] = field(default_factory=Counter)
    is_held: bool = False


class Proxy:
    """Listens on a socket, and passes on to the server's."""

    def __init__(self, path: Path, server: Path, kill: Callable[[int], object]) -> None:
        """Begin to listen on `path`. `kill` ends a process by its id."""
        self._server = server
        self._kill = kill
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._connections: set[_Connection] = set()
        self._let_go = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def close(self) -> None:
        """Listen no more. Connections end with who uses them."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._let_go.set()

    def arm(self, *faults: Fault) -> None:
        """Let these go wrong from now on, each once and one after the other, and nothing else."""
        with self._lock:
            self._faults = list(faults)

    @property
    def is_disarmed(self) -> bool:
        """Whether all that was armed has gone wrong."""
        return not self._faults

    def hold(self, pid: int) -> None:
        """Let nothing pass any more on the connections that a process has now, as if a router had forgotten them."""
        self._let_go.clear()
        with self._lock:
            for connection in self._connections:
                connection.is_held = connection.is_held or connection.pid == pid

    def replies(self, pid: int, command: str) -> int:
        """How many replies to a command have been passed on by the connections that a process has now, and work."""
        with self._lock:
            mine = [one for one in self._connections if one.pid == pid and not one.is_held]
            return sum(connection.answered[command] for connection in mine)

    def let_go(self) -> None:
        """What is held ends."""
        self._let_go.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="proxied", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        pid, _, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError, _Struck):
            server.connect(str(self._server))
            connection = _Connection(pid)
            with self._lock:
                self._connections.add(connection)
            try:
                self._pass_on(client, server, connection)
            finally:
                with self._lock:
                    self._connections.discard(connection)

    def _pass_on(self, client: socket.socket, server: socket.socket, connection: _Connection) -> None:
        requests, replies = Frames(), Frames()
        while True:
            ready, _, _ = select.select([client, server], [], [])
            if connection.is_held:
                self._wait()
            for side, frames, handle, other in (
                (client, requests, self._request, server),
                (server, replies, self._reply, client),
            ):
                if side in ready:
                    data = side.recv(1 << 18)
                    if not data:
                        return
                    for frame in frames.feed(data):
                        handle(frame, other, connection)

    def _request(self, frame: bytes, server: socket.socket, connection: _Connection) -> None:
        command = name_of(frame)
        self._strike(Moment.SENT, command, b"", connection)
        connection.commands.append(command)
        server.sendall(frame)

    def _reply(self, frame: bytes, client: socket.socket, connection: _Connection) -> None:
        is_answer = not frame.startswith(b">") and connection.commands
        command = connection.commands.popleft() if is_answer else ""
        if not frame.startswith(b"-"):
            self._strike(Moment.DONE, command, frame, connection)
        client.sendall(frame)
        connection.answered[command] += 1
        if not frame.startswith(b"-"):
            self._strike(Moment.READ, command, frame, connection)

    def _strike(self, moment: Moment, command: str, reply: bytes, connection: _Connection) -> None:
        with self._lock:
            fault = self._faults[0] if self._faults else None
            if fault is None or (fault.command, fault.moment) != (command, moment):
                return
            if reply and not fault.is_wanted(reply):
                return
            if fault.harm is Harm.KILL:
                self._kill(connection.pid)
            self._faults.pop(0)
        if fault.harm is Harm.HOLD:
            self._let_go.clear()
            self._wait()
        raise _Struck

    def _wait(self) -> None:
        self._let_go.wait()
        raise _Struck


class Frames:
    """Cuts a stream of Redis's protocol (2 or 3) into commands or replies."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What is whole now."""
        self._buffer += data
        while (end := _end(self._buffer, 0)) is not None:
            frame, self._buffer = self._buffer[:end], self._buffer[end:]
            yield frame


#: Kind of a value that has others in it -> how many there are for each that is counted.
_NESTED = {b"*": 1, b"~": 1, b">": 1, b"%": 2}


def _end(data: bytes, start: int) -> int | None:
    """Where the value ends that begins at `start`; None if it is not whole."""
    line = data.find(b"\r\n", start)
    if line < 0:
        return None
    kind, end = data[start : start + 1], line + 2
    if kind in (b"$", b"=", b"!"):
        length = int(data[start + 1 : line])
        end = end if length < 0 else end + length + 2
        return end if end <= len(data) else None
    for _ in range(max(0, int(data[start + 1 : line])) * _NESTED[kind] if kind in _NESTED else 0):
        inner = _end(data, end)
        if inner is None:
            return None
        end = inner
    return end


def name_of(frame: bytes) -> str:
    """Which script is called, or which command."""
    parts = frame.split(b"\r\n", 5)  # *count $length command $length sha-or-source ...
    command = parts[2].decode().upper()
    match command:
        case "EVALSHA":
            return _NAMES.get(parts[4].decode(), command)
        case "EVAL":
            return _NAMES.get(hashlib.sha1(parts[4], usedforsecurity=False).hexdigest(), command)
    return command


def brings_messages(reply: bytes) -> bool:
    """Whether the reply of a claim has messages: four numbers, and then what it took."""
    return not reply.startswith((b"*4\r\n", b"*0\r\n"))


def is_some(reply: bytes) -> bool:
    """Whether a number is not 0."""
    return reply != b":0\r\n"
