"""Functions whose code is a text in the test, and environments that run them."""

import os
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from tests.runtime.driver import Driven, Driver
from worker.clock import SystemClock
from worker.function import FunctionConfiguration
from worker.invocation import Attempt, Invocation, LogEvent
from worker.runtime.chores import Chores
from worker.runtime.confinement import NO_WALLS, Walls
from worker.runtime.environment import ExecutionEnvironment, Host
from worker.runtime.forking import CAN_FORK
from worker.runtime.interpreter import own_runtime
from worker.runtime.launcher import Launcher
from worker.runtime.layer import runtime_folder
from worker.runtime.log import LogSink
from worker.runtime.surroundings import AwsAccess
from worker.runtime.watch import Watch

ARN = "arn:aws:lambda:eu-west-1:000000000000:function:f"
ACCESS = AwsAccess(endpoint_url="http://127.0.0.1:4566", access_key_id="AKTEST", secret_access_key="secret")

Sunk = list[tuple[str, str, list[LogEvent]]]


def configure(**changes: object) -> FunctionConfiguration:
    """The function `f`, whose handler is `app.handler`."""
    values = {
        "name": "f",
        "arn": ARN,
        "runtime": own_runtime(),
        "handler": "app.handler",
        "role": "arn:aws:iam::000000000000:role/r",
        "code_sha256": "0" * 64,
        "code_size": 1,
        "last_modified": "2026-01-02T03:04:05.678+0000",
        "revision_id": "r1",
    }
    return FunctionConfiguration.model_validate(values | changes)


def event(payload: object = None, request_id: str = "RID", **changes: object) -> Invocation:
    """An invocation of `f`; a payload of bytes is sent as it is."""
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    values: dict = {"request_id": request_id, "function": "f", "invoked_arn": ARN, "accepted_at": datetime.now(UTC)}
    return Invocation(payload=body, **(values | changes))


def result(attempt: Attempt) -> object:
    """What the caller gets to see, whatever the outcome."""
    return orjson.loads(attempt.outcome.response)


def messages(attempt: Attempt, sunk: Sunk = ()) -> list[str]:
    """The log that came with the answer, after what was handed to the sink."""
    handed_on = [event.message for _, _, events in sunk for event in events]
    return handed_on + [event.message for event in attempt.log]


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.fixture
def sunk() -> Sunk:
    """What was handed to the log sink."""
    return []


@pytest.fixture(params=["fork", "exec"] if CAN_FORK else ["exec"])
def can_fork(request: pytest.FixtureRequest) -> bool:
    """Both ways to start a process."""
    return request.param == "fork"


@pytest.fixture
def driver() -> Iterator[Driver]:
    """A loop that runs while the test waits."""
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture
def host(folder: Path, sunk: Sunk, driver: Driver, can_fork: bool) -> Iterator[Host]:
    """What every environment of the test is given."""
    temporary = folder / "temporary"
    temporary.mkdir()
    host = make_host(folder, temporary, driver, can_fork, lambda *handed_on: sunk.append(handed_on))
    yield host
    assert host.chores.finish(60)
    host.chores.close()
    host.launcher.close()


def make_host(
    folder: Path, temporary: Path, driver: Driver, can_fork: bool, sink: LogSink, walls: Walls = NO_WALLS
) -> Host:
    """A host with boto3 in `folder`."""
    layer = runtime_folder(folder)
    return Host(
        loop=driver.loop,
        watch=Watch(driver.loop),
        chores=Chores(driver.loop),
        launcher=Launcher(layer, can_fork=can_fork, walls=walls),
        walls=walls,
        runtime_folder=layer,
        temporary=temporary,
        access=ACCESS,
        clock=SystemClock(),
        sink=sink,
    )


@pytest.fixture
def write_code(folder: Path) -> Callable[..., Path]:
    """Write a code folder: the text of app.py, and further files by name."""

    def write(app: str, **files: str) -> Path:
        root = folder / f"code-{os.urandom(4).hex()}"
        root.mkdir()
        for name, text in {"app": app, **files}.items():
            (root / f"{name}.py").write_text(textwrap.dedent(text))
        return root

    return write


@pytest.fixture
def make(host: Host, driver: Driver) -> Iterator[Callable[..., Driven]]:
    """Make an environment for a code folder; what else is given changes its configuration, host or layers (`opt`)."""
    made = []

    def make(root: Path, host: Host = host, opt: Path | None = None, **changes: object) -> Driven:
        made.append(Driven(ExecutionEnvironment(configure(**changes), root, host, opt), driver))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def environment(make: Callable[..., Driven], write_code: Callable[..., Path]) -> Callable[..., Driven]:
    """Make an environment for the text of an app.py; what else is given changes the function's configuration."""
    return lambda app, **changes: make(write_code(app), **changes)
