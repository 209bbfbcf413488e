"""How much is measured: the sizes of one run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of messages, and seconds."""

    repetitions: int = 3
    start_repetitions: int = 1
    delayed_repetitions: int = 2  # one takes two minutes

    warm_up: int = 500  # enough that every process that will work is there
    jobs: int = 10_000  # of a backlog
    samples: int = 200  # of a latency
    backlog: int = 50_000  # beside which another function's events are to begin
    crowd: int = 200  # functions with a backlog each, together as long
    accepted: int = 20_000  # signed requests over HTTP
    published: int = 20_000  # one by one by the peer, in batches by thrice
    delayed: int = 20_000
    judged: tuple[tuple[int, float], ...] = ((1, 0), (1, 20), (2, 0), (2, 20))  # workers, and ms of the handler
    depths: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)  # of backlogs that are compared
    spreads: tuple[int, ...] = (1, 200, 2_000)  # functions that such a backlog is of
    front: int = 10_000  # of each are worked off
    waiting: int = 200_000  # events that wait for their next attempt
    due: int = 2_000  # that become due meanwhile
    delayed_lead: float = 8.0  # from the last publish to the first due time, at the least
    delayed_span: float = 28.0  # from the first due time to the last

    settle: float = 15.0  # until a system that has started counts as idle
    idle: float = 20.0  # for which it is watched

    patience: float = 180.0  # for anything that is waited for: what ends a run that hangs


FULL = Sizes()

LONG = Sizes(repetitions=7, start_repetitions=3, delayed_repetitions=3, jobs=20_000)

#: Only to see that everything works: the figures mean nothing.
TINY = Sizes(
    repetitions=1, delayed_repetitions=1, settle=0.1, idle=0.3,
    warm_up=20, jobs=200, samples=10, backlog=100, crowd=3, accepted=300, published=500, delayed=200,
    delayed_lead=1.0, delayed_span=1.0,
    judged=(), depths=(50, 200), spreads=(3,), front=50, waiting=300, due=50,
)  # fmt: skip
