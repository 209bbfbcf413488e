"""Tells the scripts what the account may run at once, and how many slots this worker has.

The claim holds the concurrency of the account (`account_places.lua`); what it needs to know of settings is written when
a worker starts, and when its pool grows. On the way everything that is counted there is counted anew, from the
functions and from what runs, so that a namespace of an older version is right as well.
"""

from typing import Any

from worker import telemetry
from worker.keys import Keys
from worker.scripts import LIBRARY
from worker.settler import Scripts
from worker.transport.loop import Loop
from worker.transport.script import Script

#: The pause before it is tried again that Redis did not take it, in seconds.
PAUSE = 1.0


class Account:
    """Belongs to one worker and its event loop."""

    def __init__(self, scripts: Scripts, keys: Keys, loop: Loop, limit: int) -> None:
        """Have the account run at most `limit` invocations of users' functions at once."""
        self._scripts = scripts
        self._loop = loop
        self._script = Script.of(LIBRARY, "account")
        self._keys = [keys.functions, keys.concurrency, keys.account, keys.reserved, keys.consumers]
        self._limit = limit

    def announce(self, slots: int) -> None:
        """This worker has so many slots from now on. Tried again until Redis has taken it."""

        def done(reply: Any) -> None:
            if isinstance(reply, Exception):
                telemetry.emit(telemetry.StoreAway("announcing the slots of a worker", str(reply)))
                self._loop.call_later(PAUSE, lambda: self.announce(slots))

        self._scripts.call(self._script, self._keys, [self._limit, slots], done)
