"""What an operator may decide about the transport: Celery's `broker_transport_options`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from kombu.utils import symbol_by_name

from worker.transport.keys import Namespace
from worker.transport.lua import TRANSPORT, Library

#: Told of a message that was buried: its queue, its envelope.
Undertaker = Callable[[str, bytes], object]


@dataclass(frozen=True, slots=True)
class Options:
    """The transport's own options. Those of kombu's Redis transport hold as well, but for visibility_timeout."""

    #: What the names of the transport's own keys begin with. In braces, they lie in one slot.
    namespace: str = "thrice"
    #: Seconds after which what a consumer holds is given to others if it has not renewed its lease.
    lease: float = 10.0
    #: Seconds between two renewals.
    heartbeat: float = 2.5
    #: Seconds for which the event loop may stand still before the lease is renewed no more. A task of the solo pool
    #: stands in the loop: with that pool it is longer than the longest task.
    stall: float = 60.0
    #: Bytes of messages after which a claim takes no more.
    claim_bytes: int = 4_000_000
    #: Redeliveries after which a message of no lane is buried.
    redeliveries: int = 5
    #: Seconds without an answer after which a connection is given up.
    socket_timeout: float = 10.0
    #: Dotted path of the `Library` whose scripts are called; the transport's own if empty.
    scripts: str = ""
    #: Dotted path of a function that is told of each buried message, if any.
    dead: str = ""

    @classmethod
    def of(cls, transport_options: Mapping[str, Any]) -> "Options":
        """The options among a connection's.

        Raises:
            ValueError: leases would end between two renewals.
        """
        names = {field.name for field in fields(cls)}
        options = cls(**{name: value for name, value in transport_options.items() if name in names})
        if not 0 < options.heartbeat * 2 <= options.lease:
            raise ValueError(
                f"broker_transport_options: heartbeat is {options.heartbeat:g} s and lease {options.lease:g} s. "
                "A lease must outlive two heartbeats: make it longer."
            )
        return options

    @property
    def lease_ms(self) -> int:
        """The lease in milliseconds."""
        return int(self.lease * 1000)

    @property
    def patience(self) -> float:
        """Seconds that Redis may take to answer who waits for it: a lease outlives one answer that never comes."""
        return min(self.socket_timeout, self.lease / 4)

    def keys(self) -> Namespace:
        """The names of the transport's own keys."""
        return Namespace(self.namespace)

    def library(self) -> Library:
        """The scripts."""
        library: Library = symbol_by_name(self.scripts) if self.scripts else Library(TRANSPORT)
        return library

    def undertaker(self) -> Undertaker | None:
        """Who is told of buried messages."""
        undertaker: Undertaker | None = symbol_by_name(self.dead) if self.dead else None
        return undertaker
