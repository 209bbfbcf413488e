"""The functions of a night: some do their work, some misbehave, and the dead letters of two go nowhere at times.

Each has a rate, and an end that its events must come to. What misbehaves is walled in by limits of its own, and must
not keep the others from running.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.soak.journal import TELL

#: Where dead letters of what misbehaves go, and the two targets that are deleted and made again.
DEAD_LETTERS = "dead-letters"
QUEUE_AT_TIMES = "at-times"
TOPIC_AT_TIMES = "topic-at-times"

#: The function whose events measure recovery.
CANARY = "canary"


def _once(_number: int) -> int:
    return 1


@dataclass(frozen=True, slots=True)
class Function:
    """One of them."""

    name: str
    source: str
    share: float = 0.0  # of the rate of the load
    every: float = 0.0  # or: seconds between two events
    runs: Callable[[int], int] = _once  # how often the event of a number is about to answer, where it succeeds
    state: str = "succeeded"  # of each event, in the end
    target: str = ""  # of dead letters
    event: Mapping[str, Any] = field(default_factory=dict)  # besides the number
    settings: Mapping[str, Any] = field(default_factory=dict)  # fields of CreateFunction
    needs_walls: bool = False  # its limits are those of namespaces

    @property
    def is_numbered(self) -> bool:
        """Whether each run says that it ends, so that it can be counted."""
        return self.state == "succeeded"


_WORK = f"""
import time
{TELL}
def handler(event, context):
    tell('begins', event, context)
    time.sleep(event['takes'])
    before = tell('ends', event, context)
    if event.get('fails_once') and event['number'] % 2 and not before:
        raise ValueError('at first')
"""


def _misbehaving(name: str, body: str, **fields: Any) -> Function:
    source = f"import os, sys, time\n{TELL}\ndef handler(event, context):\n    tell('begins', event, context)\n"
    source += "".join(f"    {line}\n" for line in body.strip().splitlines())
    settings = {"Timeout": 2, "MemorySize": 128} | fields.pop("settings", {})
    usual: dict[str, Any] = {"every": 15.0, "state": "dead_lettered", "target": DEAD_LETTERS}
    return Function(name, source, settings=settings, **usual | fields)


#: As many processes as it may have, or many enough: they sleep, so that who else uses the machine is not held up.
_BOMB = """
for _ in range(400):
    if not os.fork(): time.sleep(600)
while True: time.sleep(1)
"""

FUNCTIONS = (
    Function("steady", _WORK, share=0.75, event={"takes": 0.02}),
    Function("slow", _WORK, share=0.1, event={"takes": 1.5}),
    Function(
        "fails-at-first",
        _WORK,
        share=0.15,
        event={"takes": 0.02, "fails_once": True},
        runs=lambda number: 1 + number % 2,
    ),
    Function(CANARY, _WORK),
    _misbehaving("leaks", "kept = []\nwhile True: kept.append(os.urandom(1 << 20))"),
    _misbehaving("loops", "while True: pass"),
    _misbehaving("exits", "os._exit(3)"),
    _misbehaving("forks", _BOMB, needs_walls=True),
    _misbehaving(
        "fills-its-tmp",
        "with open('/tmp/all', 'wb') as file:\n    while True: file.write(bytes(1 << 20))",
        settings={"Timeout": 10, "EphemeralStorage": {"Size": 512}},
        needs_walls=True,
    ),
    _misbehaving(
        "prints-megabytes",
        "for _ in range(30): print('x' * 99_999)\ntell('ends', event, context)",
        settings={"Timeout": 30},
        state="succeeded",
        target="",
    ),
    _misbehaving("raises-for-a-queue", "raise ValueError('as asked')", target=QUEUE_AT_TIMES, every=1.0),
    _misbehaving("raises-for-a-topic", "raise ValueError('as asked')", target=TOPIC_AT_TIMES, every=1.0),
)
