"""`thrice clock`: shows and moves the virtual clock of the running system. The gateway does it; this asks and tells."""

import sys
from typing import Any

import orjson

from config.settings import Settings
from console.asking import GatewayAway, ask
from worker.duration import NoDuration, seconds, spelled

_KINDS = {
    "event": "an attempt at an event of {name}, request id {id}",
    "schedule": "the schedule of rule {name}",
    "message": "message {id} in queue {name}",
}


def show(settings: Settings, *, as_json: bool) -> int:
    """Print what the clock shows; return the exit status: 2 if the gateway is away."""
    try:
        _, clock = ask(settings, "clock")
    except GatewayAway as away:
        return _fail(str(away), 2)
    print(orjson.dumps(clock, option=orjson.OPT_INDENT_2).decode() if as_json else told(clock))
    return 0


def move(settings: Settings, wish: dict[str, Any]) -> int:
    """Move the clock; return the exit status: 1 if that is refused, 2 if it is misspelled or the gateway is away."""
    try:
        if "advance" in wish:
            seconds(wish["advance"])
        status, answer = ask(settings, "clock", post=wish)
    except (GatewayAway, NoDuration) as problem:
        return _fail(str(problem), 2)
    if "error" in answer:
        return _fail(answer["error"], 2 if status == 400 else 1)
    if "due" in answer:
        due = answer["due"]
        print(f"due now: {_KINDS[due['kind']].format_map(due)}")
    print(told(answer))
    return 0


def told(clock: dict[str, Any]) -> str:
    """The clock in a line."""
    offset = clock["offset_ms"] / 1000
    if not offset:
        ahead = "the real time"
    else:
        ahead = f"{spelled(abs(offset))} {'ahead of' if offset > 0 else 'behind'} the real time"
    state = "stands still, " if clock["frozen"] else ""
    hint = "" if clock["virtual"] else "; it cannot be moved (THRICE_CLOCK=system)"
    return f"{clock['now']}  {state}{ahead}{hint}"


def _fail(message: str, status: int) -> int:
    print(f"thrice: {message}", file=sys.stderr)
    return status
