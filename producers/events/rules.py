"""The rules as Redis holds them: each a JSON text, and beside it the times at which schedules are due.

A change reads the rule, decides, and writes rule and due time in one script, which refuses if somebody else was
faster; then the change is decided again on what is there now.
"""

from collections.abc import Callable
from functools import lru_cache

from producers.events.rule import Rule
from producers.seams import Seams
from worker import scripts
from worker.clock import from_ms


@lru_cache(maxsize=1_024)
def read(text: bytes) -> Rule:
    """The rule that Redis holds as `text`."""
    return Rule.model_validate_json(text)


class Rules:
    """All rules of the default event bus."""

    def __init__(self, seams: Seams) -> None:
        self._redis = seams.redis
        self._keys = seams.keys
        self._read = seams.redis.register_script(scripts.source("rule_read"))
        self._replace = seams.redis.register_script(scripts.source("rule_replace"))

    def get(self, name: str) -> Rule | None:
        """The rule of this name, if there is one."""
        text = self._redis.hget(self._keys.rules, name)
        return None if text is None else read(text)

    def all(self) -> list[Rule]:
        """All rules, by name."""
        stored = self._redis.hgetall(self._keys.rules)
        return [read(stored[name]) for name in sorted(stored)]

    def change(self, name: str, decide: Callable[[Rule | None, int], Rule | None]) -> None:
        """Replace a rule by what `decide` makes of it and of the time in ms; None stands for no rule.

        `decide` may be called more than once, and may raise to leave everything as it is.
        """
        while True:
            text, now_ms = self._read(keys=[self._keys.rules, self._keys.clock], args=[name])
            old = None if text is None else read(text)
            new = decide(old, now_ms)
            arguments = [name, text or b"", b"" if new is None else new.model_dump_json(), _due(old, new, now_ms)]
            if self._replace(keys=[self._keys.rules, self._keys.schedules], args=arguments):
                return


def _due(old: Rule | None, new: Rule | None, now_ms: int) -> int | str:
    """The due time to write. A tick that is due already is not lost when the rule is changed in other respects."""
    if old is not None and new is not None and new.has_schedule_of(old):
        return "keep"
    due = None if new is None else new.next_due_ms(from_ms(now_ms))
    return "" if due is None else due
