"""The Celery tasks of the worker: an attempt at an event, and a synchronous invocation."""

from worker import event_message
from worker.celery import app, running
from worker.claim import Claimed
from worker.executor import Ended, Run
from worker.retry import Condition, Die
from worker.strategy import EventTask


class Attempt(EventTask):
    """The next attempt at an event."""

    name = event_message.ATTEMPT

    def needs_slot(self, claimed: Claimed) -> bool:
        """Not if it is throttled, too old, or given up for another reason."""
        return running().executor.will_run(claimed)

    def begin(self, claimed: Claimed, ended: Ended) -> Run | None:
        """Make the attempt."""
        return running().executor.attempt(claimed, ended)

    def revoke(self, claimed: Claimed) -> None:
        """Give the event up: a dead letter, if its function has somewhere to send it."""
        running().executor.conclude(claimed, Die(Condition.REVOKED))


class Call(EventTask):
    """A synchronous invocation, whose caller waits."""

    name = event_message.CALL

    def needs_slot(self, claimed: Claimed) -> bool:
        """Not if its caller is to be told at once that nothing runs."""
        return running().executor.will_answer(claimed)

    def begin(self, claimed: Claimed, ended: Ended) -> Run | None:
        """Make the one attempt."""
        return running().executor.call(claimed, ended)

    def revoke(self, claimed: Claimed) -> None:
        """Tell the caller."""
        running().executor.refuse(claimed, "it was revoked before it ran")


app.register_task(Attempt())
app.register_task(Call())
