"""One held message, as Celery's remote control sees it: `inspect active`, `inspect reserved`, `revoke`, `query_task`.

It stands in the place of Celery's own request class, which decodes, wraps and measures what an event does not need.
"""

from collections.abc import Callable
from typing import Any, Protocol

from worker.claim import Claimed
from worker.executor import Ended, Run
from worker.invocation import FunctionError, Lost, Outcome, Succeeded, Throttled


class Task(Protocol):
    """What a request needs of its Celery task, a `worker.strategy.EventTask`."""

    name: str

    def needs_slot(self, claimed: Claimed, /) -> bool:
        """Whether it is going to run."""
        ...

    def begin(self, claimed: Claimed, ended: Ended, /) -> Run | None:
        """Begin an attempt; `ended` is called when it runs no more. None: that has already happened."""
        ...

    def revoke(self, claimed: Claimed, /) -> None:
        """Give the event up without another attempt."""
        ...


class Pool(Protocol):
    """What a request needs of the pool that it is in."""

    def drop(self, request: "EventRequest") -> None:
        """Take back one that waits for a slot."""
        ...


class EventRequest:
    """An event, a delivery or a synchronous invocation that this worker holds."""

    __slots__ = (
        "__weakref__", "acknowledged", "claimed", "function", "hostname", "id", "is_urgent", "name", "run", "send",
        "task", "time_start",
    )  # fmt: skip

    def __init__(
        self,
        task: Task,
        claimed: Claimed,
        hostname: str,
        send: Callable[..., object] | None,
    ) -> None:
        """Hold a message.

        Args:
            task: begins attempts, and gives events up.
            claimed: what the message says.
            hostname: of the Celery worker.
            send: sends Celery's events, if somebody wants them.
        """
        self.id = claimed.invocation.request_id
        self.task = task
        self.name = task.name
        self.claimed = claimed
        self.function = claimed.invocation.function
        self.is_urgent = claimed.invocation.is_synchronous
        self.hostname = hostname
        self.send = send
        self.run: Run | None = None
        self.time_start: float | None = None
        self.acknowledged = False  # the message goes when its outcome is settled

    @property
    def worker_pid(self) -> int | None:
        """The handler's process."""
        return self.run.pid if self.run else None

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: ARG002 - the signature is Celery's
        """What `celery inspect` shows."""
        invocation = self.claimed.invocation
        return {
            "id": self.id,
            "name": self.name,
            "args": [self.function],
            "kwargs": {"attempt": invocation.attempt, "source": invocation.source},
            "type": self.name,
            "hostname": self.hostname,
            "time_start": self.time_start,
            "acknowledged": self.acknowledged,
            "delivery_info": {"exchange": "", "routing_key": "", "redelivered": self.claimed.history.workers_lost > 0},
            "worker_pid": self.worker_pid,
        }

    def tell(self, event: str, **fields: Any) -> None:
        """Send an event of Celery's, for `celery events` and Flower."""
        if self.send is not None:
            self.send(event, uuid=self.id, **fields)

    def tell_of_arrival(self) -> None:
        """Send the event that says that this worker has it."""
        invocation = self.claimed.invocation
        self.tell(
            "task-received",
            name=self.name,
            args=repr((self.function,)),
            kwargs=repr({"attempt": invocation.attempt, "source": invocation.source}),
            root_id=invocation.root,
            retries=invocation.attempt - 1,
        )

    def tell_how_it_ended(self, outcome: Outcome | None, seconds: float) -> None:
        """Send the event that says what became of the attempt. None: nothing was run."""
        match outcome:
            case Succeeded():
                self.tell("task-succeeded", result=None, runtime=seconds)
            case FunctionError(error_type=kind, error_message=message):
                self.tell("task-failed", exception=f"{kind}: {message}", traceback="")
            case Throttled() | Lost():
                self.tell("task-retried", exception=repr(outcome), traceback="")
            case None:
                self.tell("task-rejected", requeue=False)

    def give_up(self) -> None:
        """End it unrun, because it was revoked."""
        if self.send is not None:
            self.tell("task-revoked", terminated=False, signum=None, expired=False)
        self.task.revoke(self.claimed)

    def terminate(self, pool: Pool, signal: int | str | None = None) -> None:  # noqa: ARG002 - a handler's process group is always killed
        """End it, as `revoke(terminate=True)` asks: running or waiting."""
        if self.run is not None:
            self.run.kill()
        else:
            pool.drop(self)

    def cancel(self, pool: Pool, signal: int | str | None = None, emit_retry: bool = True) -> None:
        """The worker is to end at once. Nothing to do: its handlers end with it, and what it holds goes back then."""

    def __repr__(self) -> str:
        return f"<EventRequest {self.name} {self.function} {self.id}>"
