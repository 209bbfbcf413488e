"""The environments that one worker keeps: each invocation gets a warm one of its function, or a new one.

Many threads run invocations at the same time, each with an environment that is its own meanwhile. What is to be reused
and closed is decided by the `Shelf`, under the lock; starting, running and closing happen outside it.
"""

import threading
from collections import Counter
from pathlib import Path

from worker.clock import Clock
from worker.errors import StoreUnavailable
from worker.function import FunctionConfiguration
from worker.invocation import Attempt, Invocation, Lost
from worker.runtime.code import CodeMissing, CodeStore, UnusablePackage
from worker.runtime.environment import ExecutionEnvironment, Host
from worker.runtime.layer import runtime_folder
from worker.runtime.log import LogSink
from worker.runtime.process import CannotStart
from worker.runtime.scratch import Scratch
from worker.runtime.shelf import Shelf
from worker.runtime.surroundings import AwsAccess

#: How long an environment may be idle before `sweep` closes it, in seconds.
MAX_IDLE_AGE = 300.0

#: How many environments of one worker may be idle.
MAX_IDLE = 64


class EnvironmentPool:
    """Runs invocations. Any number of threads may call `run`; `sweep` is to be called every minute or so."""

    def __init__(
        self,
        root: Path,
        code: CodeStore,
        clock: Clock,
        sink: LogSink,
        access: AwsAccess,
        *,
        max_idle: int = MAX_IDLE,
        max_idle_age: float = MAX_IDLE_AGE,
    ) -> None:
        """Keep what the environments need below the data folder `root`.

        Raises:
            OSError: the data folder cannot be written.
        """
        self._code = code
        self._clock = clock
        self._scratch = Scratch(root / "environments")
        self._host = Host(
            runtime_folder=runtime_folder(root),
            temporary=self._scratch.path,
            access=access,
            clock=clock,
            sink=sink,
        )
        self._idle: Shelf[ExecutionEnvironment] = Shelf(max_idle, max_idle_age)
        self._running: set[ExecutionEnvironment] = set()
        self._changed = threading.Condition()
        self._is_closed = False

    def run(self, function: FunctionConfiguration, invocation: Invocation) -> Attempt:
        """Run one attempt, in this thread. It takes at most init limit + the function's timeout + the time of a kill.

        The outcome is `Lost` if we could not even start: no code, no process, or the pool is closed.
        """
        try:
            environment = self._obtain(function)
        except (_Closed, CodeMissing, UnusablePackage, StoreUnavailable, OSError) as error:
            return self._lost(f"No environment for function '{function.name}': {type(error).__name__}: {error}")
        try:
            attempt = environment.invoke(invocation)
        except CannotStart as error:
            self._discard(environment)
            return self._lost(str(error))
        except BaseException:
            self._discard(environment)
            raise
        self._give_back(environment)
        return attempt

    def _obtain(self, function: FunctionConfiguration) -> ExecutionEnvironment:
        with self._changed:
            if self._is_closed:
                raise _Closed("the worker is ending")
            environment, outdated = self._idle.take(function.name, function.revision_id)
            if environment is not None:
                self._running.add(environment)
        for old in outdated:
            old.close()
        return environment or self._make(function)

    def _make(self, function: FunctionConfiguration) -> ExecutionEnvironment:
        environment = ExecutionEnvironment(function, self._code.root(function.code_sha256), self._host)
        with self._changed:
            if not self._is_closed:
                self._running.add(environment)
                return environment
        environment.close()
        raise _Closed("the worker is ending")

    def _give_back(self, environment: ExecutionEnvironment) -> None:
        function = environment.function
        with self._changed:
            is_closed = self._is_closed
            if not is_closed:
                self._running.remove(environment)
                surplus = self._idle.put(
                    environment,
                    function=function.name,
                    revision=function.revision_id,
                    is_warm=environment.is_warm,
                    now=self._clock.monotonic(),
                )
        if is_closed:
            self._discard(environment)
            return
        for old in surplus:
            old.close()

    def _discard(self, environment: ExecutionEnvironment) -> None:
        try:
            environment.close()
        finally:
            with self._changed:
                self._running.remove(environment)
                self._changed.notify_all()

    def _lost(self, reason: str) -> Attempt:
        return Attempt(outcome=Lost(reason), started_at=self._clock.now(), duration_ms=0.0)

    def sweep(self) -> None:
        """Close what has been idle for too long."""
        with self._changed:
            expired = self._idle.expire(self._clock.monotonic())
        for environment in expired:
            environment.close()

    def close(self) -> None:
        """End all environments and wait until they are gone. Invocations that still run end as `Lost`."""
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
            for environment in self._running:
                environment.abort()
            idle = self._idle.clear()
        for environment in idle:
            environment.close()
        with self._changed:
            self._changed.wait_for(lambda: not self._running)
        self._scratch.close()

    def __repr__(self) -> str:
        with self._changed:
            running = Counter(environment.function.name for environment in self._running)
            return f"<EnvironmentPool running={dict(running)} idle={self._idle}>"


class _Closed(Exception):
    """Raised when the pool takes no more invocations."""
