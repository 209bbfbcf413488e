"""What every system must be able to do: be given events, be stopped and let go on, be killed, and be looked at.

A system is opened in a `Mode`, with its server and its workers, and closed again; nothing outlives one measurement.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from benchmarks.records import Records


@dataclass(frozen=True, slots=True)
class Mode:
    """How a system is started. By default two worker processes, as the peer's documents would start them."""

    sleep: float = 0.0  # seconds that each job takes
    is_apart: bool = False  # two worker instances that can be killed one without the other
    countdown: float = 0.0  # seconds with which events will be published by `pace`; 0: without


class Opened(Protocol):
    """A system that runs, however it is given events."""

    records: Records

    def check(self) -> None:
        """See that all that should run does."""
        ...

    def memory(self) -> float:
        """PSS of the workers with all their processes, in MB (10^6 bytes)."""
        ...

    def kill(self) -> None:
        """SIGKILL one of two worker instances, with all its processes."""
        ...

    def start_again(self) -> None:
        """Start the instance that was killed."""
        ...

    def kept(self, numbers: Collection[int]) -> set[int]:
        """Which of `numbers` the server still has somewhere."""
        ...

    def close(self) -> None:
        """Stop everything."""
        ...


class System(Opened, Protocol):
    """A system that its library gives events. All that waits raises MeasurementFailed when it has waited in vain."""

    #: Whether its library has a call that publishes many events.
    has_batches: bool

    def publish(self, numbers: range) -> float:
        """Publish the events with these numbers one by one, from one process; say how many seconds it took."""
        ...

    def publish_batch(self, numbers: range) -> float:
        """The same by the library's own call for many."""
        ...

    def pace(self, numbers: range, pause: tuple[float, float]) -> dict[int, int]:
        """Publish them one by one with random pauses between these seconds, with the mode's countdown.

        Says when each was published, just before: CLOCK_MONOTONIC in ns, by number.
        """
        ...

    def pause(self) -> None:
        """Stop the workers where they are."""
        ...

    def resume(self) -> None:
        """Let the workers go on."""
        ...


#: What is opened: a `System`, or what answers Invoke.
OpenedT_co = TypeVar("OpenedT_co", bound=Opened, covariant=True)


class Startable(Protocol[OpenedT_co]):
    """What can be started as a system."""

    def install(self) -> None:
        """See that it is on this machine, which may take a minute; NotInstalled says why it cannot be."""
        ...

    def open(self, folder: Path, mode: Mode) -> OpenedT_co:
        """Start it in an empty folder, and return when its processes are there; they may not be ready yet."""
        ...
