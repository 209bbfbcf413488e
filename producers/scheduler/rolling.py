"""Adds up metrics every so often, beside the schedules: see `worker/metric_store.py`."""

from collections.abc import Callable
from time import monotonic

from worker.metric_store import MetricStore

#: How often, in seconds. A function that runs for long counts among the concurrent ones of each minute.
EVERY = 20.0


class Rolling:
    """Belongs to one scheduler. Several may do the same at once: each minute is added up once."""

    def __init__(self, store: MetricStore, monotonic: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._next = 0.0

    def round(self) -> None:
        """Add up what is over, if it is time.

        Raises:
            RedisError: Redis does not answer. The next round tries again.
        """
        if self._monotonic() >= self._next:
            self._store.roll()
            self._next = self._monotonic() + EVERY
