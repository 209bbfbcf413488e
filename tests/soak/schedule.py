"""What happens when, in a night of so many seconds: decided by a seed, and by nothing else. Pure.

Every kind of disturbance comes once, in random order, before any comes again. Some begin while the one before still
lasts; the others follow a rest, in which recovery is measured. Nothing begins so late that it would not end in time.
"""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is done to the system."""

    KILL_WORKER = "kill a worker"
    KILL_GATEWAY = "kill the gateway"
    KILL_SCHEDULER = "kill the scheduler"
    KILL_REDIS = "kill Redis"
    STOP_WORKER = "stop a worker"
    STOP_WORKER_LONG = "stop a worker past its lease"
    STOP_GATEWAY = "stop the gateway"
    STOP_SCHEDULER = "stop the scheduler"
    STOP_REDIS = "stop Redis"
    FILL_DISK = "fill the disk"
    FILL_REDIS = "fill Redis to maxmemory"
    DELETE_QUEUE = "delete a dead-letter queue"
    DELETE_TOPIC = "delete a dead-letter topic"
    RESTART = "thrice restart"


#: How long each lasts, in seconds, from and to. What is killed comes back by itself. A restart takes what it takes: so
#: much time is kept free for it.
LASTS: dict[Kind, tuple[float, float]] = {
    Kind.STOP_WORKER: (2.0, 6.0),
    Kind.STOP_WORKER_LONG: (13.0, 16.0),
    Kind.STOP_GATEWAY: (2.0, 6.0),
    Kind.STOP_SCHEDULER: (2.0, 6.0),
    Kind.STOP_REDIS: (2.0, 6.0),
    Kind.FILL_DISK: (5.0, 12.0),
    Kind.FILL_REDIS: (4.0, 9.0),
    Kind.DELETE_QUEUE: (6.0, 12.0),
    Kind.DELETE_TOPIC: (6.0, 12.0),
    Kind.RESTART: (25.0, 25.0),
}

#: These last as long in the short form: the lease is the same, and so is the time that a restart may take.
_NEVER_SHORTER = {Kind.STOP_WORKER_LONG, Kind.RESTART}

#: What each acts on, where several act on the same. The two workers count as one: somebody is to work.
_SUBJECT: dict[Kind, str] = {
    Kind.KILL_WORKER: "worker",
    Kind.STOP_WORKER: "worker",
    Kind.STOP_WORKER_LONG: "worker",
    Kind.KILL_GATEWAY: "gateway",
    Kind.STOP_GATEWAY: "gateway",
    Kind.KILL_SCHEDULER: "scheduler",
    Kind.STOP_SCHEDULER: "scheduler",
    Kind.KILL_REDIS: "redis",
    Kind.STOP_REDIS: "redis",
    Kind.FILL_REDIS: "redis",
}

#: It is promised that a restart refuses nobody: that can only be seen when nothing else is wrong.
_ALONE = {Kind.RESTART}


@dataclass(frozen=True, slots=True)
class Pace:
    """How dense a night is."""

    rest: tuple[float, float]  # seconds between the end of one and the beginning of the next
    overlap: float  # how likely the next one begins while this one lasts, from 0 to 1
    shortened: float = 1.0  # what how long each lasts is multiplied by, where that may be
    is_once: bool = False  # whether each kind comes once, and no more


LONG = Pace(rest=(5.0, 10.0), overlap=0.35)
SHORT = Pace(rest=(1.0, 2.0), overlap=0.6, shortened=0.5, is_once=True)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One thing that is done, `at` and for so many seconds after the beginning of the load."""

    kind: Kind
    at: float
    lasts: float
    worker: int  # which one it is about, 1 or 2, where it is about one
    is_measured: bool = False  # nothing else is wrong when it ends, nor for a while

    @property
    def ends(self) -> float:
        """When it is over."""
        return self.at + self.lasts


def subject(kind: Kind) -> str:
    """What it acts on: two kinds that act on the same are never done at once."""
    return _SUBJECT.get(kind, kind)


def plan(seed: int, seconds: float, kinds: Collection[Kind], pace: Pace) -> list[Disturbance]:
    """The disturbances of a night, in the order in which they begin; all have ended after `seconds`."""
    chance = random.Random(seed)
    planned: list[Disturbance] = []
    earliest = chance.uniform(*pace.rest)
    for kind in _in_turn(chance, kinds, is_once=pace.is_once):
        lasts = chance.uniform(*LASTS.get(kind, (0.0, 0.0)))
        if kind not in _NEVER_SHORTER:
            lasts *= pace.shortened
        worker = chance.choice((1, 2))
        overlaps = bool(planned) and chance.random() < pace.overlap and _may_overlap(planned, kind, earliest)
        at = earliest if not overlaps else planned[-1].at + chance.uniform(0.1, 1.0) * planned[-1].lasts
        if at + lasts > seconds:
            break
        planned.append(Disturbance(kind, round(at, 2), round(lasts, 2), worker))
        earliest = max(earliest, at + lasts + chance.uniform(*pace.rest))
    return [_measured(one, planned) for one in planned]


def _in_turn(chance: random.Random, kinds: Collection[Kind], *, is_once: bool) -> Iterator[Kind]:
    while kinds:
        yield from chance.sample(sorted(kinds), len(kinds))
        if is_once:
            return


def _may_overlap(planned: list[Disturbance], kind: Kind, earliest: float) -> bool:
    """Whether `kind` may begin before all that was planned has ended; those that end before the last began have."""
    going_on = [one for one in planned if one.ends > planned[-1].at or one is planned[-1]]
    subjects = [subject(one.kind) for one in going_on]
    is_alone = kind in _ALONE or any(one.kind in _ALONE for one in going_on)
    return not is_alone and subject(kind) not in subjects and planned[-1].at < earliest


def _measured(one: Disturbance, planned: list[Disturbance]) -> Disturbance:
    disturbs = any(other is not one and other.ends >= one.at and other.at <= one.ends + 1.0 for other in planned)
    return Disturbance(one.kind, one.at, one.lasts, one.worker, is_measured=not disturbs)
