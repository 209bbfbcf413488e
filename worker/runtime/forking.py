"""The worker's half of a fork server: asks it for processes, and keeps their numbers as their parent.

`forkserver.py` is the other half. Requests are answered one by one; whoever asks waits, so the event loop does not.
A server that does not answer counts as dead, and is: it is killed. What it had forked runs on, but nobody can say any
more how it ended, or for how long its number is its own.
"""

import contextlib
import json
import os
import signal
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

    def __init__(self, interpreter: str, variables: Mapping[str, str], plan: Mapping[str, Any] | None = None) -> None:
        """Start it; `variables` are those that an interpreter reads when it starts, `plan` is that of its room.

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
        if plan is not None:
            self._enter(plan)

    def _enter(self, plan: Mapping[str, Any]) -> None:
        try:
            answer = self._ask({"enter": plan}, [])
        except ServerLost as error:
            self.close()
            raise CannotStart(str(error)) from error
        if "error" in answer:
            self.close()
            raise CannotStart(
                f"No room of its own could be made for handlers: {answer['error']}. It could be when the worker "
                "started; restart the worker, or set THRICE_ISOLATION=off."
            )

    @property
    def pid(self) -> int:
        """The server's own process."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether it runs. Does not block."""
        return self._process.poll() is None

    def fork(
        self,
        folder: Path,
        variables: Mapping[str, str],
        descriptors: list[int],
        command: Sequence[str] = (),
        *,
        program: Sequence[str] | None = None,
        confinement: Mapping[str, Any] | None = None,
    ) -> "tuple[int, Forked]":
        """A new process in `folder`, which has copies of the descriptors for control, lifeline and output.

        It becomes `command` when it is prepared, or runs a handler itself if there is none. With a `program` the
        bootstrap is run anew by it. `confinement` is that of `confinement.request`.

        Raises:
            CannotStart: the operating system refused.
            ServerLost: the server has ended.
        """
        arguments = [str(limits.MAX_SYNC_RESPONSE), *command]
        request = {
            "folder": str(folder),
            "variables": dict(variables),
            "arguments": arguments,
            "program": program,
            "confinement": confinement,
        }
        answer = self._ask(request, descriptors)
        if "error" in answer:
            raise CannotStart(f"A process could not be started in {folder}: {answer['error']}")
        pid, init = answer["pid"], answer["init"]
        pidfd = open_pidfd(pid)
        init_pidfd = open_pidfd(init) if init is not None else None
        if pidfd is None or (init is not None and init_pidfd is None):
            os.kill(pid, 9)
            if pidfd is not None:
                os.close(pidfd)
            self.reap(pid, init)
            raise CannotStart(f"A process could not be started in {folder}: too many open descriptors in the worker.")
        return pid, Forked(self, pid, pidfd, init, init_pidfd)

    def forget(self, environment: str) -> None:
        """Let go of the /tmp of an environment whose processes have ended.

        Raises:
            ServerLost: the server has ended, and nothing is left to let go of.
        """
        self._ask({"forget": environment}, [])

    def reap(self, pid: int, init: int | None) -> int:
        """How a process that has ended did so; its number is given back.

        Raises:
            ServerLost: the server has ended.
        """
        status: int = self._ask({"reap": pid, "init": init}, [])["status"]
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

    def __init__(self, server: ForkServer, pid: int, pidfd: int, init: int | None, init_pidfd: int | None) -> None:
        self._server = server
        self._pid = pid
        self._pidfd = pidfd
        self._init = init
        self._init_pidfd = init_pidfd

    @property
    def init(self) -> int | None:
        """See `Keeper`."""
        return self._init

    def kill_namespace(self) -> bool:
        """See `Keeper`."""
        if self._init_pidfd is None:
            return False
        with contextlib.suppress(ProcessLookupError):  # it has ended, and so have all the others
            signal.pidfd_send_signal(self._init_pidfd, signal.SIGKILL)
        return True

    def is_certain(self) -> bool:
        """See `Keeper`. Without its parent, a process that has ended keeps its number no longer."""
        return self._server.is_alive() or not has_ended(self._pidfd, 0)

    def wait(self, seconds: float | None) -> bool:
        """See `Keeper`."""
        return has_ended(self._pidfd, seconds)

    def reap(self) -> int:
        """See `Keeper`. Where the one who could say is dead, the process counts as killed."""
        os.close(self._pidfd)
        if self._init_pidfd is not None:
            os.close(self._init_pidfd)
        try:
            return self._server.reap(self._pid, self._init)
        except ServerLost:
            return -9
