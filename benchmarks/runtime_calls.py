"""What a call costs inside the runtime, without queue and Celery: warm calls and cold starts, on a bare event loop.

    python -m benchmarks.runtime_calls [--calls 20000] [--starts 60] [--hub] [--at-once 1] [--exec] [--isolation best]

It prints the wall time of a call (p50, p99) and the worker's own CPU per call, log lines and `Attempt` included.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kombu.asynchronous.hub import Hub

from worker.clock import SystemClock
from worker.function import FunctionConfiguration
from worker.invocation import Attempt, Invocation, Succeeded
from worker.runtime import confinement
from worker.runtime.code import CodeStore
from worker.runtime.forking import CAN_FORK
from worker.runtime.interpreter import own_runtime
from worker.runtime.pool import EnvironmentPool
from worker.runtime.surroundings import AwsAccess
from worker.transport.hub_loop import HubLoop
from worker.transport.loop import Loop

APP = "def handler(event, context):\n    return event['n']\n"

#: So many parts of a series are looked at by themselves: others use the machine as well, and not always.
BATCHES = 20
ARN = "arn:aws:lambda:eu-west-1:000000000000:function:f"


class OneFolder(CodeStore):
    """The same unpacked package for everybody."""

    def __init__(self, folder: Path) -> None:
        self._root = folder

    def root(self, sha256: str) -> Path:  # noqa: ARG002 - whatever is asked for
        """The folder."""
        return self._root


def measure(parsed: argparse.Namespace) -> None:
    """Run both series and print what they took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = folder / "package"
        code.mkdir()
        (code / "app.py").write_text(APP)
        loop, run_until = hub_loop() if parsed.hub else asyncio_loop()
        access = AwsAccess("http://127.0.0.1:4566", "AKTEST", "secret")
        can_fork = CAN_FORK and not parsed.exec
        walls = confinement.find(parsed.isolation, folder / "runtime")
        pool = EnvironmentPool(
            folder, OneFolder(code), SystemClock(), lambda *_: None, access, loop, can_fork=can_fork, walls=walls
        )
        warm(pool, run_until, parsed.calls, parsed.at_once)
        cold(pool, run_until, parsed.starts)
        pool.close()


def warm(pool: EnvironmentPool, run_until: Callable[[Callable[[], bool]], None], calls: int, at_once: int) -> None:
    """One invocation after the other, `at_once` at the same time."""
    series(pool, run_until, 200, at_once, [])
    took: list[float] = []
    cpu: list[float] = []
    begun = time.perf_counter()
    for _ in range(BATCHES):
        cpu_begun = time.process_time()
        series(pool, run_until, calls // BATCHES, at_once, took)
        cpu.append((time.process_time() - cpu_begun) / (calls // BATCHES))
    wall = time.perf_counter() - begun
    show(f"warm, {at_once} at once", took, statistics.median(cpu))
    print(f"{'':24}{len(took) / wall:10,.0f} calls/s; least CPU of a batch {min(cpu) * 1e6:.1f} us")


def series(
    pool: EnvironmentPool,
    run_until: Callable[[Callable[[], bool]], None],
    calls: int,
    at_once: int,
    took: list[float],
) -> None:
    """Let `calls` invocations run, and add the seconds that each took to `took`."""
    function = configure()
    left, done = calls, 0

    def start() -> None:
        nonlocal left
        left -= 1
        begun = time.perf_counter()

        def end(attempt: Attempt) -> None:
            nonlocal done
            took.append(time.perf_counter() - begun)
            assert isinstance(attempt.outcome, Succeeded), attempt
            done += 1
            if left:
                start()

        pool.run(function, invocation(left), end)

    for _ in range(at_once):
        start()
    run_until(lambda: done >= calls)


def cold(pool: EnvironmentPool, run_until: Callable[[Callable[[], bool]], None], starts: int) -> None:
    """Each invocation is of a revision that nobody has run before."""
    took: list[float] = []
    attempts: list[Attempt] = []
    cpu = time.process_time()
    for number in range(starts):
        begun = time.perf_counter()
        pool.run(configure(name=f"f{number}"), invocation(number), attempts.append)
        run_until(lambda: len(attempts) > number)  # noqa: B023 - it is over before the number changes
        took.append(time.perf_counter() - begun)
    show("cold", took, (time.process_time() - cpu) / starts)


def show(what: str, took: list[float], cpu: float) -> None:
    """One line of figures."""
    took = sorted(took)
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    print(f"{what:24} p50 {p50 * 1e3:8.3f} ms   p99 {p99 * 1e3:8.3f} ms   worker CPU {cpu * 1e6:7.1f} us")


def configure(name: str = "f") -> FunctionConfiguration:
    """A function of the package."""
    return FunctionConfiguration(
        name=name, arn=ARN, runtime=own_runtime(), handler="app.handler", role="r", code_sha256="0" * 64, code_size=1,
        last_modified="2026-01-02T03:04:05.678+0000", revision_id="r1", timeout=30,
    )  # fmt: skip


def invocation(number: int) -> Invocation:
    """An event of about 300 bytes."""
    payload = b'{"n":%d,"text":"%s"}' % (number, b"x" * 280)
    return Invocation(f"{number:036}", "f", ARN, payload, datetime.now(UTC))


def asyncio_loop() -> tuple[Loop, Callable[[Callable[[], bool]], None]]:
    """Asyncio's own loop, and how it is run until something is true."""
    loop = asyncio.new_event_loop()

    def run_until(is_done: Callable[[], bool]) -> None:
        while not is_done():
            loop._run_once()  # type: ignore[attr-defined]  # noqa: SLF001

    return loop, run_until


def hub_loop() -> tuple[Loop, Callable[[Callable[[], bool]], None]]:
    """Kombu's hub, as the worker has it."""
    hub: Any = Hub()

    def run_until(is_done: Callable[[], bool]) -> None:
        while not is_done():
            hub.run_once()

    return HubLoop(hub), run_until


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--starts", type=int, default=60)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--hub", action="store_true", help="kombu's hub instead of asyncio's loop")
    parser.add_argument("--exec", action="store_true", help="no fork server")
    parser.add_argument("--isolation", choices=["strict", "best", "off"], default="best", help="walls")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
