"""An event loop for tests, which runs only while a test waits for something."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from worker.invocation import Attempt, Invocation, no_chunk
from worker.runtime.child import CannotStart
from worker.runtime.environment import ExecutionEnvironment
from worker.transport.loop import Loop


class Driver:
    """Runs a loop until something has happened. What it says of times is generous: a machine may be slow."""

    def __init__(self) -> None:
        self._asyncio = asyncio.new_event_loop()
        self.failures: list[dict[str, Any]] = []
        self._asyncio.set_exception_handler(lambda _, context: self.failures.append(context))

    @property
    def loop(self) -> Loop:
        """The loop."""
        return self._asyncio

    def until(self, predicate: Callable[[], object], description: str, timeout: float = 60.0) -> None:
        """Run the loop until `predicate` is true."""
        deadline = time.monotonic() + timeout
        while not predicate():
            assert time.monotonic() < deadline, f"waited {timeout:g} s in vain until {description}"
            self._asyncio.call_later(0.005, self._asyncio.stop)
            self._asyncio.run_forever()
            self.check()

    def result(self, start: Callable[[Callable[[Any], object]], object]) -> Any:
        """Run the loop until what `start` was given is called, and return what it was called with."""
        future = self._asyncio.create_future()
        start(future.set_result)
        assert not future.done(), "done was called before the call returned"
        answer = self._asyncio.run_until_complete(future)
        self.check()
        return answer

    def check(self) -> None:
        """Raise what a callback of the loop has raised."""
        if self.failures:
            raise self.failures.pop()["exception"]

    def close(self) -> None:
        """Close the loop."""
        self._asyncio.close()
        self.check()


class Driven:
    """An environment that can be asked as if it were not driven by a loop."""

    def __init__(self, environment: ExecutionEnvironment, driver: Driver) -> None:
        self.environment = environment
        self._driver = driver

    def invoke(self, invocation: Invocation, on_chunk: Callable[[bytes], object] = no_chunk) -> Attempt:
        """Run the handler once, and the loop meanwhile."""
        result = self._driver.result(lambda done: self.environment.invoke(invocation, done, on_chunk))
        if isinstance(result, CannotStart):
            raise result
        return result

    def close(self) -> None:
        """End it, and wait until it is gone."""
        self.environment.close()
        assert self.environment._host.chores.finish(60)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.environment, name)
