"""thrice as a system among the others: `thrice up` with default settings, and the function that runs `programs/job.py`.

Events go into the event queue in this process, one by one or as many in a round trip as the queue takes. What the
others' libraries do with an event before they send it, JSON, is done and timed here too.
"""

import json
import random
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from benchmarks.event import event
from benchmarks.peers.leftovers import kept
from benchmarks.peers.system import Mode
from benchmarks.thrice_system import ThriceSystem

_JOB = Path(__file__).with_name("programs") / "job.py"
_FUNCTION = "run"


class Thrice:
    """What can be started: it is always here."""

    def install(self) -> None:
        """Nothing."""

    def open(self, folder: Path, mode: Mode) -> "ThricePeer":
        """Start it in `folder`."""
        return ThricePeer(folder, mode)


class ThricePeer:
    """A system that runs."""

    has_batches = True

    def __init__(self, folder: Path, mode: Mode) -> None:
        """Start it, and create the function."""
        self._system = ThriceSystem(folder)
        self.records = self._system.records
        self._publisher = self._system.publisher_of_later(mode.countdown) if mode.countdown else self._system.publisher
        variables = {
            "PEER_RECORDS": str(self.records.path),
            "PEER_SLEEP": str(mode.sleep),
            "PEER_WORKER": "parent",  # the fork server of the worker: one for each
        }
        try:
            self._system.create_function(_FUNCTION, code=_JOB, variables=variables)
        except BaseException:
            self._system.close()
            raise

    def publish(self, numbers: range) -> float:
        """One by one; seconds."""
        events = [event(number) for number in numbers]
        since = time.monotonic()
        for each in events:
            self._publish(each)
        return time.monotonic() - since

    def publish_batch(self, numbers: range) -> float:
        """All in one call; seconds."""
        events = [event(number) for number in numbers]
        since = time.monotonic()
        self._publisher.publish(_FUNCTION, [_encoded(each) for each in events])
        return time.monotonic() - since

    def pace(self, numbers: range, pause: tuple[float, float]) -> dict[int, int]:
        """One by one with pauses; when each was published."""
        pauses = random.Random(1)
        moments = {}
        for number in numbers:
            time.sleep(pauses.uniform(*pause))
            moments[number] = time.monotonic_ns()
            self._publish(event(number))
        return moments

    def check(self) -> None:
        """See that `thrice up` runs."""
        self._system.check()

    def pause(self) -> None:
        """Stop the workers."""
        self._system.pause()

    def resume(self) -> None:
        """Let them go on."""
        self._system.resume()

    def memory(self) -> float:
        """PSS of the workers and their handlers, in MB."""
        return self._system.worker_memory()

    def whole_memory(self) -> float:
        """PSS of all that `thrice up` started, Redis and gateway too, in MB."""
        return self._system.tree.memory()

    def kill(self) -> None:
        """Kill one worker with its handlers."""
        self._system.kill_worker()

    def start_again(self) -> None:
        """Nothing: `thrice up` has done it by itself."""

    def kept(self, numbers: Collection[int]) -> set[int]:
        """Which of `numbers` the server still has."""
        return kept(self._system.redis, numbers)

    def client(self) -> Any:
        """A client of Lambda, for `over_http`."""
        return self._system.client

    @property
    def function(self) -> str:
        """The name of the function, for `over_http`."""
        return _FUNCTION

    def close(self) -> None:
        """Stop everything."""
        self._system.close()

    def _publish(self, each: dict[str, Any]) -> None:
        self._publisher.publish(_FUNCTION, [_encoded(each)])


def _encoded(each: dict[str, Any]) -> bytes:
    return json.dumps(each, separators=(",", ":")).encode()
