"""What is known when a night is over: everything that the verdict and the report are made from. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.accounting import Sent
from tests.chaos.structures import Snapshot
from tests.soak.functions import Function
from tests.soak.schedule import Disturbance, Kind
from worker.ledger import Account

#: The status of a request that got no answer.
UNANSWERED = 0


@dataclass(frozen=True, slots=True)
class Sending:
    """One request, and what became of it. Times are seconds after the beginning of the load."""

    number: int
    due: float
    answered: float
    status: int
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class FunctionBooks:
    """What was sent to one function, what ran, what the ledger says, and what each record said in the end."""

    function: Function
    sendings: Sequence[Sending]
    runs: Mapping[int, int]  # number -> how often it was about to answer
    begun: Mapping[str, int]  # request id -> number, of what began to run
    account: Account
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # request id -> record, of what was followed
    counted_dead_letter_errors: int = 0  # by the metrics

    @property
    def sent(self) -> Sent:
        """The numbers that were accepted, and those that were not promised anything."""
        accepted = [one.number for one in self.sendings if one.status == 202]
        return Sent(accepted, [one.number for one in self.sendings if one.status != 202])

    @property
    def accepted_ids(self) -> list[str]:
        """The request ids of what was accepted."""
        return [one.request_id for one in self.sendings if one.status == 202]


@dataclass(frozen=True, slots=True)
class Vital:
    """One part as a process."""

    descriptors: int
    memory: int  # resident, in bytes


@dataclass(frozen=True, slots=True)
class Vitals:
    """The whole system at rest."""

    parts: Mapping[str, Vital]
    below: int  # processes below `thrice up`
    redis_memory: int  # bytes


@dataclass(frozen=True, slots=True)
class Performed:
    """A disturbance that took place."""

    disturbance: Disturbance
    began: float  # seconds after the beginning of the load
    ended: float
    trouble: str = ""  # why it could not be done, or undone
    recovery: float | None = None  # seconds until a canary had run that was sent afterwards; None: not measured


@dataclass(frozen=True, slots=True)
class Books:
    """All of it."""

    seed: int
    seconds: float
    skipped: Mapping[str, str]  # what was not done, and why
    performed: Sequence[Performed]
    functions: Sequence[FunctionBooks]
    snapshot: Snapshot
    left: Sequence[str]  # what is there and should not be, see tests/chaos/accounting.py
    held: Collection[str]  # request ids under the leases of workers when these were killed or stopped
    unknown_leases: int  # how often nobody could see what a worker held
    dead_letters: Mapping[str, int]  # request id -> how often it came out of the queue of dead letters
    written: Mapping[str, Collection[int]]  # S3 key -> the contents that it may have
    found: Mapping[str, int | None]  # S3 key -> the content that it has; None: it cannot be read
    killed: Mapping[str, int]  # part -> how often we killed it
    exited: Mapping[str, int]  # part -> how often `thrice up` says that it ended by itself
    missing: Collection[str]  # parts that do not run in the end
    survivors: Sequence[str]  # processes that are left when `thrice up` has ended
    before: Vitals
    after: Vitals
    unsettled: str = ""  # what was waited for in vain

    def of(self, kind: Kind) -> list[Performed]:
        """The disturbances of a kind."""
        return [one for one in self.performed if one.disturbance.kind is kind]
