"""The worker's half of a fork server: asks it for processes, and keeps their numbers as their parent.

`forkserver.py` is the other half. Requests are answered one by one; whoever asks waits, so the event loop does not.
A server that does not answer counts as dead, and is: it is killed. What it had forked runs on, but nobody can say any
more how it ended, or for how long its number is its own.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from config import limits
from worker.runtime.child import CannotStart, has_ended, has_pidfds, open_pidfd

#: Whether this system has what a fork server needs: packets with descriptors in them, and descriptors of processes.
CAN_FORK = sys.platform == "linux" and has_pidfds()

#: How long an answer may take, in seconds; a fork takes a few milliseconds.
PATIENCE = 10.0

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


class ServerLost(Exception):
    """Raised when the server is dead."""


class ForkServer:
    """One server, with one interpreter. Any thread may use it."""

    def __init__(self, interpreter: str, variables: Mapping[str, str]) -> None:
        """Start it; `variables` are those that an interpreter reads when it starts.

        Raises:
            CannotStart: the operating system refused.
        """
        self._lock = threading.Lock()
        self._is_closed = False
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(PATIENCE)
        theirs.setblocking(True)  # while Celery shuts down new sockets have a time limit, and do not block
        # A pipe, as every handler's process has: what an interpreter makes of its outputs depends on what they are.
        self._last_words, output = os.pipe()
        os.set_blocking(self._last_words, False)
        try:
            self._process = subprocess.Popen(
                [interpreter, "-S", _BOOTSTRAP, "serve", str(theirs.fileno())],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # a terminal's Ctrl-C is for the worker alone
            )
        except OSError as error:
            self._socket.close()
            os.close(self._last_words)
            raise CannotStart(f"{interpreter} could not be started: {error}") from error
        finally:
            theirs.close()
            os.close(output)

    @property
    def pid(self) -> int:
        """The server's own process."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether it runs. Does not block."""
        return self._process.poll() is None

    def fork(
        self, folder: Path, variables: Mapping[str, str], descriptors: list[int], command: Sequence[str] = ()
    ) -> "tuple[int, Forked]":
        """A new process in `folder`, which has copies of the descriptors for control, lifeline and output.

        It becomes `command` when it is prepared, or runs a handler itself if there is none.

        Raises:
            CannotStart: the operating system refused.
            ServerLost: the server has ended.
        """
        arguments = [str(limits.MAX_SYNC_RESPONSE), *command]
        request = {"folder": str(folder), "variables": dict(variables), "arguments": arguments}
        answer = self._ask(request, descriptors)
        if "error" in answer:
            raise CannotStart(f"A process could not be started in {folder}: {answer['error']}")
        pid = answer["pid"]
        pidfd = open_pidfd(pid)
        if pidfd is None:
            os.kill(pid, 9)
            self.reap(pid)
            raise CannotStart(f"A process could not be started in {folder}: too many open descriptors in the worker.")
        return pid, Forked(self, pid, pidfd)

    def reap(self, pid: int) -> int:
        """How a process that has ended did so; its number is given back.

        Raises:
            ServerLost: the server has ended.
        """
        status: int = self._ask({"reap": pid}, [])["status"]
        return status

    def _ask(self, request: Mapping[str, Any], descriptors: list[int]) -> dict[str, Any]:
        with self._lock:
            if self._is_closed:
                raise ServerLost(f"The fork server {self.pid} was ended.")
            try:
                socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)
                data = self._socket.recv(65_536)
            except OSError as error:
                raise ServerLost(self._bury(f"does not answer: {error}")) from error
            if not data:
                raise ServerLost(self._bury("has ended"))
        answer: dict[str, Any] = json.loads(data)
        return answer

    def _bury(self, why: str) -> str:
        """End it, and say what happened, with its last words."""
        self._process.kill()
        try:
            words = os.read(self._last_words, 65_536).decode("utf-8", "replace").strip()
        except BlockingIOError:
            words = ""
        return f"The fork server {self.pid} {why}. " + (f"It said: {words}" if words else "It said nothing.")

    def close(self) -> None:
        """End it. What it has forked is not touched."""
        self._process.kill()  # whoever waits for an answer has got it then
        self._process.wait()
        with self._lock:
            self._is_closed = True
            self._socket.close()
            os.close(self._last_words)


class Forked:
    """Keeps a process that a fork server has forked."""

    def __init__(self, server: ForkServer, pid: int, pidfd: int) -> None:
        self._server = server
        self._pid = pid
        self._pidfd = pidfd

    def is_certain(self) -> bool:
        """See `Keeper`. Without its parent, a process that has ended keeps its number no longer."""
        return self._server.is_alive() or not has_ended(self._pidfd, 0)

    def wait(self, seconds: float | None) -> bool:
        """See `Keeper`."""
        return has_ended(self._pidfd, seconds)

    def reap(self) -> int:
        """See `Keeper`. Where the one who could say is dead, the process counts as killed."""
        os.close(self._pidfd)
        try:
            return self._server.reap(self._pid)
        except ServerLost:
            return -9
