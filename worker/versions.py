"""Published versions on their way to a worker: fetched when one is to run, and kept, because they never change.

`Versions` stands before the pool of environments. What is for `$LATEST` goes straight through, with the configuration
that came with the claim; what is for a version waits until its configuration is there, once for each worker.
"""

from collections import OrderedDict
from collections.abc import Callable

from redis.exceptions import RedisError

from worker.clock import Clock
from worker.executor import Environments, Run
from worker.function import LATEST, FunctionConfiguration
from worker.invocation import Attempt, Invocation, Lost, OnChunk, no_chunk
from worker.registry import FunctionRegistry
from worker.runtime.chores import Chores

#: So many versions are kept.
MOST_KEPT = 1024


class VersionRun:
    """An invocation of a version whose configuration may still be on its way."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.is_killed = False

    @property
    def pid(self) -> int | None:
        """The process that it runs in, once there is one."""
        return self.run.pid if self.run is not None else None

    def pause_response(self) -> None:
        """Take in nothing more of a streamed response, for now; one that has not begun has none."""
        if self.run is not None:
            self.run.pause_response()

    def resume_response(self) -> None:
        """Take in again what the handler sends of its response."""
        if self.run is not None:
            self.run.resume_response()

    def kill(self) -> None:
        """End it now, or as soon as it begins."""
        self.is_killed = True
        if self.run is not None:
            self.run.kill()


class Versions:
    """Runs invocations with the configuration of the version that they are for. Belongs to the event loop."""

    def __init__(self, environments: Environments, registry: FunctionRegistry, chores: Chores, clock: Clock) -> None:
        self._environments = environments
        self._registry = registry
        self._chores = chores
        self._clock = clock
        self._known: OrderedDict[str, FunctionConfiguration] = OrderedDict()  # by revision id

    def run(
        self,
        function: FunctionConfiguration,
        invocation: Invocation,
        done: Callable[[Attempt], None],
        on_chunk: OnChunk = no_chunk,
    ) -> Run:
        """Run `invocation`. `function` is what `worker.qualifier.find` found; the outcome is `Lost` if it is gone."""
        if function.version == LATEST:
            return self._environments.run(function, invocation, done, on_chunk)
        known = self._known.get(function.revision_id)
        if known is not None:
            self._known.move_to_end(function.revision_id)
            return self._environments.run(known, invocation, done, on_chunk)
        run = VersionRun()

        def go_on(found: FunctionConfiguration | str) -> None:
            if isinstance(found, str):
                done(Attempt(Lost(found), started_at=self._clock.now(), duration_ms=0.0))
                return
            self._keep(found)
            run.run = self._environments.run(found, invocation, done, on_chunk)
            if run.is_killed:
                run.run.kill()

        self._chores.do(lambda: self._fetch(function), go_on)
        return run

    def close(self) -> None:
        """Fetch nothing any more."""
        self._chores.close()

    def _fetch(self, function: FunctionConfiguration) -> FunctionConfiguration | str:
        try:
            version = self._registry.version(function.name, function.version)
        except RedisError as error:
            return f"Redis did not hand out version {function.version} of function '{function.name}': {error}"
        if version is None or version.revision_id != function.revision_id:
            return f"Version {function.version} of function '{function.name}' was deleted a moment ago."
        return version

    def _keep(self, version: FunctionConfiguration) -> None:
        self._known[version.revision_id] = version
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
