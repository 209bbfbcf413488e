"""The environments that one worker keeps: each invocation gets a warm one of its function, or a new one.

Everything here happens in the thread of the worker's event loop, which is never blocked: any number of invocations run
at the same time, each in an environment that is its own meanwhile. What is to be reused and closed is decided by the
`Shelf`; what takes time is done among the `Chores`.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from worker.clock import Clock
from worker.errors import StoreUnavailable
from worker.function import FunctionConfiguration
from worker.invocation import Attempt, Invocation, Lost, OnChunk, no_chunk
from worker.runtime import interpreter
from worker.runtime.child import CannotStart
from worker.runtime.chores import Chores
from worker.runtime.code import CodeMissing, CodeStore, UnusablePackage
from worker.runtime.confinement import NO_WALLS, Walls
from worker.runtime.environment import ExecutionEnvironment, Host
from worker.runtime.forking import CAN_FORK
from worker.runtime.launcher import Launcher
from worker.runtime.layer import runtime_folder
from worker.runtime.log import LogSink
from worker.runtime.scratch import Scratch
from worker.runtime.shelf import Shelf
from worker.runtime.surroundings import AwsAccess
from worker.runtime.watch import Watch
from worker.transport.loop import Loop

#: How long an environment may be idle before `sweep` closes it, in seconds.
MAX_IDLE_AGE = 300.0

#: How many environments of one worker may be idle.
MAX_IDLE = 64

#: How long `close` waits for processes to end and logs to be written, in seconds.
CLOSING = 15.0

_ENDING = "No environment: the worker is ending."

Done = Callable[[Attempt], object]


class Run:
    """One invocation that is under way."""

    __slots__ = ("done", "environment", "function", "invocation", "is_killed", "on_chunk")

    def __init__(self, function: FunctionConfiguration, invocation: Invocation, done: Done, on_chunk: OnChunk) -> None:
        self.function = function
        self.invocation = invocation
        self.done = done
        self.on_chunk = on_chunk
        self.environment: ExecutionEnvironment | None = None  # where it runs; the pool's business
        self.is_killed = False

    @property
    def pid(self) -> int | None:
        """The handler's process, as long as there is one."""
        return self.environment.pid if self.environment is not None else None

    def pause_response(self) -> None:
        """Take in nothing more of a streamed response, for now."""
        if self.environment is not None:
            self.environment.pause_response()

    def resume_response(self) -> None:
        """Take in again what the handler sends of its response."""
        if self.environment is not None:
            self.environment.resume_response()

    def kill(self) -> None:
        """Kill the handler's process: the attempt ends as `Crashed`, unless it was faster."""
        self.is_killed = True
        if self.environment is not None:
            self.environment.kill()


class EnvironmentPool:
    """Runs invocations. Only the loop's thread may use it; `sweep` is to be called every minute or so."""

    def __init__(
        self,
        root: Path,
        code: CodeStore,
        clock: Clock,
        sink: LogSink,
        access: AwsAccess,
        loop: Loop,
        *,
        max_idle: int = MAX_IDLE,
        max_idle_age: float = MAX_IDLE_AGE,
        can_fork: bool = CAN_FORK,
        walls: Walls = NO_WALLS,
    ) -> None:
        """Keep what the environments need below the data folder `root`.

        `code` and `sink` are called in other threads than the loop's.

        Without `can_fork` every process is started by itself. `walls` are those that every handler gets.

        Raises:
            OSError: the data folder cannot be written.
        """
        self._code = code
        self._clock = clock
        self._scratch = Scratch(root / "environments")
        layer = runtime_folder(root)
        self._host = Host(
            loop=loop,
            watch=Watch(loop),
            chores=Chores(loop),
            launcher=Launcher(layer, can_fork=can_fork, walls=walls),
            walls=walls,
            runtime_folder=layer,
            temporary=self._scratch.path,
            access=access,
            clock=clock,
            sink=sink,
        )
        self._idle: Shelf[ExecutionEnvironment] = Shelf(max_idle, max_idle_age)
        self._runs: set[Run] = set()
        self._is_closed = False
        self._host.chores.do(lambda: self._host.launcher.prepare(interpreter.base().path), lambda _: None)

    def run(
        self, function: FunctionConfiguration, invocation: Invocation, done: Done, on_chunk: OnChunk = no_chunk
    ) -> Run:
        """Run one attempt, and call `done` with it: once, in the loop, after this has returned.

        If the invocation wants a stream, `on_chunk` is called before that with each part of the response, also in the
        loop. A handler that answers as a whole makes one part; one that fails may have made some.

        It takes at most init limit + the function's timeout + the time of a kill. The outcome is `Lost` if we could
        not even start: no code, no process, or the pool is closed.
        """
        run = Run(function, invocation, done, on_chunk)
        self._runs.add(run)
        if self._is_closed:
            self._host.loop.call_soon_threadsafe(lambda: self._lose(run, _ENDING))
            return run
        environment, outdated = self._idle.take(function.label, function.revision_id)
        for old in outdated:
            old.close()
        if environment is not None:
            self._begin(run, environment)
        else:
            self._host.chores.do(lambda: self._make(function), lambda made: self._go_on(run, made))
        return run

    def _make(self, function: FunctionConfiguration) -> ExecutionEnvironment | str:
        """A new environment, or why there is none. This may take a while."""
        try:
            layers = self._code.layers_root([layer.code_sha256 for layer in function.layers])
            return ExecutionEnvironment(function, self._code.root(function.code_sha256), self._host, layers)
        except (CodeMissing, UnusablePackage, StoreUnavailable, OSError) as error:
            return f"No environment for function '{function.name}': {type(error).__name__}: {error}"

    def _go_on(self, run: Run, made: ExecutionEnvironment | str) -> None:
        if isinstance(made, str):
            self._lose(run, made)
        elif self._is_closed:
            made.close()
            self._lose(run, _ENDING)
        else:
            self._begin(run, made)

    def _begin(self, run: Run, environment: ExecutionEnvironment) -> None:
        run.environment = environment
        environment.invoke(run.invocation, partial(self._finish, run), run.on_chunk)
        if run.is_killed:
            environment.kill()

    def _finish(self, run: Run, result: Attempt | CannotStart) -> None:
        environment, run.environment = run.environment, None
        assert environment is not None, "a result comes from the environment that was asked"
        self._take_back(environment, is_usable=isinstance(result, Attempt))
        if isinstance(result, Attempt):
            self._end(run, result)
        else:
            self._lose(run, str(result))

    def _lose(self, run: Run, reason: str) -> None:
        self._end(run, Attempt(outcome=Lost(reason), started_at=self._clock.now(), duration_ms=0.0))

    def _end(self, run: Run, attempt: Attempt) -> None:
        if run in self._runs:  # else `close` did not wait for it
            self._runs.remove(run)
            run.done(attempt)

    def _take_back(self, environment: ExecutionEnvironment, *, is_usable: bool) -> None:
        """Keep an environment whose invocation is over, if it is of use."""
        if self._is_closed or not is_usable:
            environment.close()
            return
        function = environment.function
        surplus = self._idle.put(
            environment,
            function=function.label,
            revision=function.revision_id,
            is_warm=environment.is_warm,
            now=self._clock.monotonic(),
        )
        for old in surplus:
            old.close()

    @property
    def running(self) -> Counter[str]:
        """How many invocations are under way, by the function's name."""
        return Counter(run.function.name for run in self._runs)

    @property
    def idle(self) -> int:
        """How many environments wait for an invocation."""
        return len(self._idle)

    def sweep(self) -> None:
        """Close what has been idle for too long."""
        for environment in self._idle.expire(self._clock.monotonic()):
            environment.close()

    def close(self, seconds: float = CLOSING) -> None:
        """End all environments and wait until they are gone, so long at most. Invocations that still run are `Lost`.

        Their `done` is called before this returns: the loop need not run any more, and is not needed.
        """
        if self._is_closed:
            return
        self._is_closed = True
        for run in list(self._runs):
            if run.environment is not None:
                run.environment.abort()
        for environment in self._idle.clear():
            environment.close()
        self._host.chores.finish(seconds)
        for run in list(self._runs):
            self._lose(run, _ENDING)
        self._host.chores.close()
        self._host.watch.close()
        self._host.launcher.close()
        self._scratch.close()

    def __repr__(self) -> str:
        return f"<EnvironmentPool running={dict(self.running)} idle={self._idle}>"
