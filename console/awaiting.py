"""`thrice await`: waits until an event has ended, with everything that it caused, and says how.

The gateway waits; this asks it again every so often, so that a person at a terminal sees how far it is.
"""

import sys
import time
from typing import Any
from urllib.parse import quote

from rich.console import Console

from config.settings import Settings
from console.asking import GatewayAway, ask
from worker.duration import NoDuration, seconds, spelled

SUCCEEDED, FAILED, UNKNOWN, TIMED_OUT = 0, 1, 2, 124

#: How long one question waits at the most, in seconds: at a terminal, and elsewhere.
GLANCE, PATIENCE = 0.5, 20.0


def wait(settings: Settings, request_id: str | None, timeout: str) -> int:
    """Wait for an event, or for all where `request_id` is None, and print how it went; return the exit status."""
    try:
        left_at = time.monotonic() + seconds(timeout)
        status, answer = _until_ended(settings, request_id, left_at)
    except (GatewayAway, NoDuration) as problem:
        print(f"thrice: {problem}", file=sys.stderr)
        return UNKNOWN
    if "error" in answer:
        print(f"thrice: {answer['error']}", file=sys.stderr)
        return UNKNOWN
    if status != 200:
        print("\n".join(still_open(answer, timeout)), file=sys.stderr)
        return TIMED_OUT
    print("\n".join(ended(answer, settings.gateway_url)))
    return SUCCEEDED if answer["outcome"] == "succeeded" else FAILED


def _until_ended(settings: Settings, request_id: str | None, left_at: float) -> tuple[int, dict[str, Any]]:
    """Ask until all has ended or the time is up: the last answer."""
    path = "await?all&" if request_id is None else f"await/{quote(request_id, safe='')}?"
    console = Console(stderr=True)
    longest = GLANCE if console.is_terminal else PATIENCE
    with console.status("waiting") as line:
        while True:
            left = max(0.0, left_at - time.monotonic())
            pause = min(left, longest)
            status, answer = ask(settings, f"{path}timeout={round(pause, 3)}s", timeout=pause + 10)
            if status != 408 or left <= longest:
                return status, answer
            line.update(f"{answer['open']:,} open, {answer['ended']:,} ended, {answer['failed']:,} of them badly")


def ended(answer: dict[str, Any], url: str) -> list[str]:
    """What is said of events that have ended: lines."""
    number = _number(answer)
    if answer["outcome"] == "succeeded":
        return [f"{number} ended, all well"]
    lines = [f"{number} ended, {answer['failed']:,} of them badly:"]
    lines += [_failure(event) for event in answer["failures"]]
    lines += [f"  dropped: {count:,} × {reason}" for reason, count in answer.get("dropped", {}).items()]
    if answer["failures"]:
        lines.append(f"Every attempt of one: curl {url}/_thrice/events/{answer['failures'][0]['request_id']}")
    return lines


def still_open(answer: dict[str, Any], timeout: str) -> list[str]:
    """What is said of events that have not ended when the time is up: lines."""
    lines = [f"thrice: after {spelled(seconds(timeout))} {answer['open']:,} still open, {answer['ended']:,} ended:"]
    lines += [_open(event) for event in answer.get("events", [])]
    if "ready" in answer:
        lines.append(f"  {answer['running']:,} running, {answer['ready']:,} ready, {answer['waiting']:,} waiting")
        if answer["next_due"]:
            lines.append(f"  the next is due at {answer['next_due']}")
    if answer["virtual"]:
        lines.append("The clock is virtual: `thrice clock next` goes to the moment at which the next thing is due.")
    return lines


def _number(answer: dict[str, Any]) -> str:
    if "root" not in answer:
        return f"all {answer['caused']:,} events"
    caused = answer["caused"]
    who = "the event" if answer["root"] == answer["request_id"] else f"event {answer['root']}, where all began,"
    return who.rstrip(",") if not caused else f"{who} and {caused:,} that it caused"


def _failure(event: dict[str, Any]) -> str:
    last = event.get("last_error") or {}
    error = f": {last.get('errorType', 'error')}: {last.get('errorMessage', '')}" if last else ""
    state = event["state"].replace("_", "-")
    made = event.get("attempts_made", 0)
    return (
        f"  {event['function']} {event['request_id']} was {state} ({event.get('condition', '')}) "
        f"after {made} attempt{'' if made == 1 else 's'}{error}"
    )


def _open(event: dict[str, Any]) -> str:
    due = f", due at {event['due_at']}" if "due_at" in event else ""
    return f"  {event['function']} {event['request_id']} is {event['state']}{due}"
