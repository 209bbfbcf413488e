"""A published version on its way to an environment."""

from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from tests.conftest import FakeClock
from tests.runtime.driver import Driver
from tests.worker.conftest import ScriptedEnvironments, ScriptedRun, function
from worker.clock import from_ms
from worker.executor import Run
from worker.function import FunctionConfiguration
from worker.invocation import Attempt, Invocation, Lost, OnChunk, Succeeded, no_chunk
from worker.keys import Keys
from worker.qualifier import find
from worker.registry import FunctionRegistry
from worker.runtime.chores import Chores
from worker.versions import Versions


class Noting(ScriptedEnvironments):
    """Scripted environments that note which configurations they were asked to run."""

    configurations: list[FunctionConfiguration]

    def run(
        self,
        function: FunctionConfiguration,
        invocation: Invocation,
        done: Callable[[Attempt], None],
        on_chunk: OnChunk = no_chunk,
    ) -> ScriptedRun:
        """Note it."""
        self.configurations.append(function)
        return super().run(function, invocation, done, on_chunk)


@pytest.fixture
def environments(clock: FakeClock) -> Noting:
    """Where handlers seem to run."""
    noting = Noting(clock)
    noting.configurations = []
    return noting


@pytest.fixture
def registry(redis: Redis, keys: Keys) -> FunctionRegistry:
    """A registry with a function whose version 1 has a timeout of its own."""
    registry = FunctionRegistry(redis, keys)
    registry.create(
        function(published={"1": "r1"}, timeout=9),
        lambda _: None,
        published=function(version="1", revision_id="r1", timeout=2),
    )
    return registry


@pytest.fixture
def versions(environments: Noting, registry: FunctionRegistry, driver: Driver, clock: FakeClock) -> Iterator[Versions]:
    """What is tested."""
    versions = Versions(environments, registry, Chores(driver.loop, 1), clock)
    yield versions
    versions.close()


def attempt(versions: Versions, driver: Driver, qualifier: str | None, published: dict[str, str]) -> Attempt:
    """Run one invocation of the function."""
    found = find(function(published=published, timeout=9), qualifier, "x")
    assert found is not None
    ended: list[Attempt] = []
    run: Run = versions.run(found, Invocation("x", "f", "arn", b"{}", from_ms(0)), ended.append)
    driver.until(lambda: ended, "the invocation has ended")
    assert run.pid is None
    return ended[0]


def test_version_runs_with_its_own_configuration(versions: Versions, environments: Noting, driver: Driver) -> None:
    """`$LATEST` runs with what came with the claim; a version with what was published, looked up once."""
    outcomes = [attempt(versions, driver, qualifier, {"1": "r1"}).outcome for qualifier in (None, "1", "1")]

    assert outcomes == [Succeeded(b"null")] * 3
    assert [(one.version, one.timeout) for one in environments.configurations] == [("$LATEST", 9), ("1", 2), ("1", 2)]
    assert environments.configurations[1] is environments.configurations[2]


def test_version_that_is_gone_or_another_is_no_fault_of_the_function(versions: Versions, driver: Driver) -> None:
    """A function that was deleted and made again has other versions under the same numbers; neither runs."""
    outcomes = [attempt(versions, driver, qualifier, {"1": "older", "2": "r2"}).outcome for qualifier in ("1", "2")]

    assert outcomes == [
        Lost(f"Version {number} of function 'f' was deleted a moment ago.") for number in ("1", "2")
    ]  # fmt: skip


def test_kill_reaches_a_version_that_is_still_looked_up(
    versions: Versions, environments: Noting, driver: Driver
) -> None:
    """Whoever gives up an invocation does not have to wait until its configuration is there."""
    killed: list[bool] = []

    class Killable(ScriptedRun):
        def kill(self) -> None:
            killed.append(True)

    environments.run = lambda *_: Killable()  # type: ignore[method-assign]
    found = find(function(published={"1": "r1"}), "1", "x")
    assert found is not None

    versions.run(found, Invocation("x", "f", "arn", b"{}", from_ms(0)), lambda _: None).kill()

    driver.until(lambda: killed, "it is killed")
