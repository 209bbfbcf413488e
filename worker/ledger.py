"""The ledger: accepted = succeeded + dead-lettered + dropped (with a reason) + in hand, per function and in all.

The scripts that move an event move its numbers, so the sum holds at any moment. Pure: it reads what Redis holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Account:
    """The numbers of one function, or of all together."""

    accepted: int = 0
    succeeded: int = 0
    dead_lettered: int = 0
    dropped: dict[str, int] = field(default_factory=dict)  # by reason
    ready: int = 0
    waiting: int = 0
    running: int = 0
    retried: int = 0  # attempts that were followed by another
    dead_letter_errors: int = 0  # dead letters that nobody took
    destination_delivery_failures: int = 0  # records that nobody took

    @property
    def in_hand(self) -> int:
        """Events that have not ended."""
        return self.ready + self.waiting + self.running

    @property
    def is_balanced(self) -> bool:
        """Whether every accepted event is accounted for."""
        return self.accepted == self.succeeded + self.dead_lettered + sum(self.dropped.values()) + self.in_hand

    def add(self, column: str, count: int) -> None:
        """Add a number of the ledger's hash: `column` is what follows `<function>|`."""
        name, _, reason = column.partition(":")
        if name == "dropped":
            self.dropped[reason] = self.dropped.get(reason, 0) + count
        elif hasattr(self, name):
            setattr(self, name, getattr(self, name) + count)

    def document(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "accepted": self.accepted,
            "succeeded": self.succeeded,
            "dead_lettered": self.dead_lettered,
            "dropped": self.dropped,
            "in_hand": {"ready": self.ready, "waiting": self.waiting, "running": self.running},
            "retried": self.retried,
            "dead_letter_errors": self.dead_letter_errors,
            "destination_delivery_failures": self.destination_delivery_failures,
            "balanced": self.is_balanced,
        }


@dataclass(frozen=True, slots=True)
class Ledger:
    """All accounts."""

    total: Account
    functions: Mapping[str, Account]

    @classmethod
    def of(cls, fields: Mapping[Any, Any]) -> "Ledger":
        """Read the hash `Keys.ledger`. Our own functions (`thrice:…`) are no events of users and are left out."""
        total = Account()
        functions: dict[str, Account] = {}
        for function, column, count in _user_entries(fields.items()):
            functions.setdefault(function, Account()).add(column, count)
            total.add(column, count)
        return cls(total, functions)

    def document(self) -> dict[str, Any]:
        """As JSON shows it: the total's numbers, and each function's under `functions`."""
        return self.total.document() | {
            "functions": {name: account.document() for name, account in sorted(self.functions.items())}
        }


def _user_entries(items: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[str, str, int]]:
    for name, count in items:
        function, _, column = name.decode().partition("|")
        if not function.startswith("thrice:"):
            yield function, column, int(count)
