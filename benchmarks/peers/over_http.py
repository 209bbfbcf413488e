"""What can be measured of whatever answers Lambda's asynchronous Invoke: by unmodified boto3, from one thread.

The requests are signed and sent as an application sends them. Rate and latency first, then a kill, while events are
still coming in, of what runs the handlers: one worker of thrice, the only process of serverless-offline.
"""

import random
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.event import payload
from benchmarks.failure import MeasurementFailed
from benchmarks.peers import figures
from benchmarks.peers.measure import wait_for, wait_for_silence
from benchmarks.peers.sizes import Sizes
from benchmarks.peers.system import Mode, Opened, Startable
from benchmarks.processes import wait_until


class Invocable(Opened, Protocol):
    """A system that answers Invoke."""

    @property
    def function(self) -> str:
        """The function that runs the job."""
        ...

    def client(self) -> Any:
        """A client of Lambda."""
        ...


def throughput(what: Startable[Invocable], sizes: Sizes, folder: Path) -> figures.Numbers:
    """How many events are accepted a second, how soon handlers begin, and when all are done."""
    pauses = random.Random(1)
    with closing(what.open(folder, Mode())) as system:
        caller = _Caller(system)
        caller.invoke(range(sizes.warm_up))
        wait_for(system, sizes.warm_up, sizes.patience)
        idle = system.memory()
        moments = {}
        for number in range(sizes.warm_up, sizes.warm_up + sizes.samples):
            time.sleep(pauses.uniform(*sizes.pause))
            moments[number] = time.monotonic_ns()
            caller.invoke([number])
        done = sizes.warm_up + sizes.samples
        wait_for(system, done, sizes.patience)
        taken = system.records.since(moments)
        since = time.monotonic_ns()
        caller.invoke(range(done, done + sizes.http_events))
        accepted = time.monotonic_ns()
        wait_for(system, done + sizes.http_events, sizes.patience)
        last = max(each.at for each in system.records.executions())
        after = system.memory()
    return {
        "accepted_rate": sizes.http_events / (accepted - since) * 1e9,
        "handled_rate": sizes.http_events / (last - since) * 1e9,
        "latency_p50_ms": figures.share_of(taken, 0.5),
        "latency_p99_ms": figures.share_of(taken, 0.99),
        "memory_idle_mb": idle,
        "memory_drained_mb": after,
    }


def crash(what: Startable[Invocable], sizes: Sizes, folder: Path) -> figures.Numbers:
    """What becomes of the events that were accepted before a kill, and of those that still were after it."""
    with closing(what.open(folder, Mode(sleep=sizes.http_crash_sleep))) as system:
        caller = _Caller(system)
        caller.invoke([0])
        wait_for(system, 1, sizes.patience)
        thread = Thread(target=caller.invoke_until_refused, args=(range(1, 1 + sizes.http_events),))
        thread.start()
        try:
            wait_until(lambda: len(caller.accepted) > sizes.http_events // 4, "a quarter is accepted", sizes.patience)
            killed = time.monotonic_ns()
            system.kill()
        finally:
            thread.join()
        time.sleep(sizes.down)
        system.start_again()
        wait_for_silence(system.records, caller.accepted, sizes.silence)
        account = figures.Account.of(system.records.executions(), caller.accepted, killed)
        stuck = system.kept(account.missing)
    return {"accepted": len(caller.accepted)} | account.numbers(stuck)


@dataclass(slots=True)
class _Caller:
    """Invokes from one thread."""

    system: Invocable
    client: Any = None
    accepted: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = self.system.client()

    def invoke(self, numbers: Iterable[int]) -> None:
        """Have the function run for each of `numbers`."""
        for number in numbers:
            try:
                answer = self.client.invoke(
                    FunctionName=self.system.function, InvocationType="Event", Payload=payload(number)
                )
            except (BotoCoreError, ClientError) as error:
                raise MeasurementFailed(f"event {number} was not accepted: {error}") from error
            if answer["StatusCode"] != 202:
                raise MeasurementFailed(f"event {number} was answered with {answer['StatusCode']}, not 202")
            self.accepted.append(number)

    def invoke_until_refused(self, numbers: Iterable[int]) -> None:
        """The same, and end quietly where the system does not answer any more: that is when it was killed."""
        try:
            self.invoke(numbers)
        except MeasurementFailed:
            return
