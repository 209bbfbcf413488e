"""How much is measured: the sizes of one run."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of events, and seconds."""

    repetitions: int = 3

    warm_up: int = 200  # enough that every process that will work is there
    settle: float = 1.0  # until a system that has started counts as idle
    samples: int = 150  # of a latency
    pause: tuple[float, float] = (0.01, 0.03)  # between two of them: in step with nobody's timers
    jobs: int = 10_000  # of a backlog, times the share of the system

    trickle: int = 300  # events with a countdown
    trickle_pause: tuple[float, float] = (0.009, 0.011)
    countdown: float = 5.0

    crash_jobs: int = 2_000
    crash_sleep: float = 0.005  # that each of them takes
    down: float = 1.0  # until a killed instance is started again
    silence: float = 30.0  # without any progress, after which the rest counts as not done

    http_events: int = 1_000  # for the rate; as many again for the kill
    http_crash_sleep: float = 0.1  # that each of those takes, so that some are in hand at any moment

    patience: float = 30.0  # without any progress, where all is to be done: what ends a run that hangs

    def repeated(self, times: int) -> "Sizes":
        """The same, with so many repetitions."""
        return replace(self, repetitions=times)


FULL = Sizes()

#: Enough to see roughly how things are, in a third of the time.
MIDDLE = Sizes(repetitions=1, jobs=4_000, samples=60, trickle=100, http_events=300)

#: Only to see that everything works: the figures mean nothing.
TINY = Sizes(
    repetitions=1, warm_up=20, settle=0.1, samples=5, jobs=200,
    trickle=5, countdown=1.0, crash_jobs=100, crash_sleep=0.05, down=0.1, silence=3.0, http_events=40,
)  # fmt: skip
