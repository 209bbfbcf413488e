"""How a handler's process is started: forked by a fork server if that makes no difference, else by itself.

A fork is ready in a fraction of the time, because the interpreter runs already. But some things are read only when a
program starts: variables for the interpreter and the C library, and where libraries lie. A function that touches those
gets a process of its own making, and so does everyone where there is no fork server (`forking.CAN_FORK`).

A process with walls (`confinement.py`) always comes from a fork server, because only that one can build them; what has
to be started anew is run by the forked process, behind its walls.
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
from typing import Any

from config import limits
from worker.runtime import confinement
from worker.runtime.child import CannotStart, Child, Executed, Lines
from worker.runtime.confinement import NO_WALLS, Confinement, Walls
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
    command: tuple[str, ...] | None = None  # is run in the place of the bootstrap, which prepares the process for it
    confinement: Confinement | None = None  # None: no walls but its own process group
    layers: Path | None = None  # where the function's layers lie


@dataclass(frozen=True, slots=True)
class _Kind:
    """What makes one fork server differ from another."""

    interpreter: str
    is_room: bool = False  # it lives in a root of its own
    programs: tuple[str, ...] = ()  # what is to be seen there beside the system


class Launcher:
    """Starts processes. Any thread may use it; all of it blocks."""

    def __init__(self, runtime_folder: Path, *, can_fork: bool = CAN_FORK, walls: Walls = NO_WALLS) -> None:
        """Where boto3 lies, whether to fork where nothing demands it, and which walls to build."""
        self._runtime_folder = runtime_folder
        self._can_fork = can_fork
        self._walls = walls
        self._lock = threading.Lock()
        self._servers: dict[_Kind, ForkServer] = {}

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
        asked = self._confinement_of(launch)
        if asked is not None:
            return self._start_confined(launch, asked, lines, [control, lifeline, output])
        if self._can_fork and not needs_a_start(launch):
            for _ in range(2):
                try:
                    pid, keeper = self._server(_Kind(launch.interpreter)).fork(
                        launch.folder, launch.variables, [control, lifeline, output], launch.command or ()
                    )
                except ServerLost:
                    continue  # the next one is new
                return Child(pid, lines, keeper)
        return _execute(launch, lines, control, lifeline, output)

    def _confinement_of(self, launch: Launch) -> dict[str, Any] | None:
        if launch.confinement is None or self._walls.isolation == "off":
            return None
        confinement.check(self._walls)
        if not CAN_FORK:
            return None
        programs = (launch.interpreter, *(launch.command or ())[:1])
        places = (str(self._runtime_folder), *confinement.targets(self._runtime_folder))
        reachable = (*confinement.program_paths(programs), *places)
        return confinement.request(self._walls, launch.confinement, launch.folder, reachable)

    def _start_confined(self, launch: Launch, asked: dict[str, Any], lines: Lines, descriptors: list[int]) -> Child:
        """Only a fork server builds walls; it also starts the programs that have to be started anew."""
        command = tuple(
            confinement.inside(self._walls, part, launch.folder, launch.layers) for part in launch.command or ()
        )
        program = None
        if not self._can_fork or needs_a_start(launch):
            program = [
                launch.interpreter,
                "-S",
                confinement.inside(self._walls, str(_BOOTSTRAP), launch.folder, launch.layers),
            ]
        kind = self._kind(launch.interpreter, launch.command)
        for _ in range(2):
            try:
                pid, keeper = self._server(kind).fork(
                    launch.folder, launch.variables, descriptors, command, program=program, confinement=asked
                )
            except ServerLost as error:
                lost = error
                continue  # the next one is new
            return Child(pid, lines, keeper)
        raise CannotStart(f"Two fork servers were lost, and only they can confine a handler. {lost}")

    def _kind(self, interpreter: str, command: tuple[str, ...] | None = None) -> "_Kind":
        if self._walls.namespaces is None:
            return _Kind(interpreter)
        own = {interpreter, *(command or ())[:1]}
        needed = {path for program in own for path in confinement.program_paths((program,))}
        return _Kind(interpreter, is_room=True, programs=tuple(sorted(needed)))

    def forget(self, environment: str) -> None:
        """Let go of what was kept for an environment whose processes have ended."""
        with self._lock:
            servers = [server for kind, server in self._servers.items() if kind.is_room]
        for server in servers:
            with contextlib.suppress(ServerLost):  # nothing is left to let go of
                server.forget(environment)

    def prepare(self, interpreter: str) -> None:
        """Have the fork server for an interpreter ready before it is needed."""
        if self._can_fork:
            with contextlib.suppress(CannotStart):  # whoever needs it will see it for himself
                self._server(self._kind(interpreter))

    def server_pids(self) -> list[int]:
        """The fork servers that live."""
        with self._lock:
            return [server.pid for server in self._servers.values() if server.is_alive()]

    def _server(self, kind: "_Kind") -> ForkServer:
        """The fork server of a kind; it is started if there is none that lives."""
        with self._lock:
            server = self._servers.get(kind)
            if server is None or not server.is_alive():
                if server is not None:
                    server.close()
                self._servers[kind] = server = self._new_server(kind)
            return server

    def _new_server(self, kind: "_Kind") -> ForkServer:
        path_folder = str(Path(kind.interpreter).parent)
        if not kind.is_room:
            return ForkServer(kind.interpreter, read_at_start(path_folder, self._runtime_folder))
        variables = read_at_start(path_folder, self._walls.runtime or self._runtime_folder)
        return ForkServer(
            kind.interpreter, variables, confinement.plan(self._walls, self._runtime_folder, kind.programs)
        )

    def close(self) -> None:
        """End the fork servers."""
        with self._lock:
            for server in self._servers.values():
                server.close()
            self._servers.clear()


def needs_a_start(launch: Launch) -> bool:
    """Whether a process has to be started by itself to find everything as it should be."""
    if launch.command is not None:
        return False  # it is started anew anyway, by the process that is forked
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
        # for the rest. Both outputs are one pipe, which keeps their order. The user's variables for an interpreter (-E)
        # are for the command's, if there is one.
        options = ["-S"] if launch.command is None else ["-S", "-E"]
        arguments = [str(control), str(lifeline), str(limits.MAX_SYNC_RESPONSE), *(launch.command or ())]
        process = subprocess.Popen(
            [launch.interpreter, *options, _BOOTSTRAP, *arguments],
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
