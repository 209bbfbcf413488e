"""How a handler's process is started: forked by a fork server if that makes no difference, else by itself.

A fork is ready in a fraction of the time, because the interpreter runs already. But some things are read only when a
program starts: variables for the interpreter and the C library, and where libraries lie. A function that touches those
gets a process of its own making, and so does everyone where there is no fork server (`forking.CAN_FORK`).
"""

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from config import limits
from worker.runtime.child import CannotStart, Child, Executed, Lines
from worker.runtime.forking import CAN_FORK, ForkServer, ServerLost
from worker.runtime.surroundings import read_at_start

#: Variables of the user that mean something only to a program that starts.
_READ_AT_START = ("PYTHON", "LD_", "MALLOC_", "GLIBC_", "LC_", "LANG", "LOCPATH")

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


@dataclass(frozen=True, slots=True)
class Launch:
    """What a process is started with."""

    interpreter: str  # path
    folder: Path
    variables: Mapping[str, str]  # all of them
    own_variables: frozenset[str]  # names of those that the user has set
    layers: Path | None = None  # where the function's layers are


class Launcher:
    """Starts processes. Any thread may use it; all of it blocks."""

    def __init__(self, runtime_folder: Path, *, can_fork: bool = CAN_FORK) -> None:
        """Where boto3 lies, and whether to fork at all."""
        self._runtime_folder = runtime_folder
        self._can_fork = can_fork
        self._lock = threading.Lock()
        self._servers: dict[str, ForkServer] = {}  # by interpreter

    def start(self, launch: Launch) -> Child:
        """Start a process.

        Raises:
            CannotStart: the operating system refused.
        """
        control, theirs = socket.socketpair()
        theirs.setblocking(True)  # while Celery shuts down new sockets have a time limit, and do not block
        lifeline, our_lifeline = os.pipe()
        printed, their_output = os.pipe()
        lines = Lines(control, our_lifeline, printed)
        try:
            child = self._start(launch, lines, theirs.fileno(), lifeline, their_output)
        except CannotStart:
            lines.close()
            raise
        finally:
            theirs.close()
            os.close(lifeline)
            os.close(their_output)
        control.setblocking(False)
        os.set_blocking(printed, False)
        return child

    def _start(self, launch: Launch, lines: Lines, control: int, lifeline: int, output: int) -> Child:
        if self._can_fork and not needs_a_start(launch):
            for _ in range(2):
                try:
                    pid, keeper = self._server(launch.interpreter).fork(
                        launch.folder, launch.variables, [control, lifeline, output]
                    )
                except ServerLost:
                    continue  # the next one is new
                return Child(pid, lines, keeper)
        return _execute(launch, lines, control, lifeline, output)

    def prepare(self, interpreter: str) -> None:
        """Have the fork server for an interpreter ready before it is needed."""
        if self._can_fork:
            with contextlib.suppress(CannotStart):  # whoever needs it will see it for himself
                self._server(interpreter)

    def server_pids(self) -> list[int]:
        """The fork servers that live."""
        with self._lock:
            return [server.pid for server in self._servers.values() if server.is_alive()]

    def _server(self, interpreter: str) -> ForkServer:
        """The fork server for an interpreter; it is started if there is none that lives."""
        with self._lock:
            server = self._servers.get(interpreter)
            if server is None or not server.is_alive():
                if server is not None:
                    server.close()
                server = ForkServer(interpreter, read_at_start(interpreter, self._runtime_folder))
                self._servers[interpreter] = server
            return server

    def close(self) -> None:
        """End the fork servers."""
        with self._lock:
            for server in self._servers.values():
                server.close()
            self._servers.clear()


def needs_a_start(launch: Launch) -> bool:
    """Whether a process has to be started by itself to find everything as it should be."""
    if any(name.startswith(_READ_AT_START) for name in launch.own_variables):
        return True
    return has_libraries(launch.folder) or (launch.layers is not None and has_libraries(launch.layers))


@lru_cache(maxsize=1024)
def has_libraries(root: Path) -> bool:
    """Whether a deployment package brings libraries, which are looked for where the variables at the start said.

    The folder of a package never changes, so each is looked through once.
    """
    if (root / "lib").exists():
        return True
    return any(".so" in Path(name).suffixes for _, _, names in os.walk(root) for name in names)


def _execute(launch: Launch, lines: Lines, control: int, lifeline: int, output: int) -> Child:
    try:
        # Without `site` (-S): the packages of the base interpreter are not the function's. The bootstrap makes good
        # for the rest. Both outputs are one pipe, which keeps their order.
        process = subprocess.Popen(
            [launch.interpreter, "-S", _BOOTSTRAP, str(control), str(lifeline), str(limits.MAX_SYNC_RESPONSE)],
            cwd=launch.folder,
            env=launch.variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(control, lifeline),
            start_new_session=True,
        )
    except OSError as error:
        raise CannotStart(f"{launch.interpreter} could not be started in {launch.folder}: {error}") from error
    return Child(process.pid, lines, Executed(process))
