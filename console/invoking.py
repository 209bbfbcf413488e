"""`thrice invoke`: an event for a function, from plain JSON.

Without an option the event is accepted and that is all, as on AWS. `--wait` shows each attempt as it ends, and ends
when the event has, with all that it caused. `--sync` calls the function and prints what it returns.
"""

import base64
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from config.settings import Settings
from console.asking import GatewayAway, ask
from console.awaiting import wait
from console.clients import Clients
from console.deploying import away
from console.following import missing
from worker.duration import NoDuration, seconds

#: How often the record of an event is looked at, in seconds.
LOOK = 0.1

#: States in which an event has ended.
_ENDED = ("succeeded", "dead_lettered", "dropped")


class NoPayload(Exception):
    """Raised for what is no JSON. The text says where, and what to type."""


def payload_of(text: str, stdin: Callable[[], bytes]) -> bytes:
    """The payload: the text itself, the file after `@`, or what `stdin` gives for `-`.

    Raises:
        NoPayload: it cannot be read, or is no JSON.
    """
    name = "the payload"
    if text == "-":
        content = stdin()
    elif text.startswith("@"):
        name = text[1:]
        try:
            content = Path(name).read_bytes()
        except OSError as error:
            raise NoPayload(f"{name} cannot be read: {error.strerror}") from None
    else:
        content = text.encode()
    try:
        json.loads(content)
    except json.JSONDecodeError as error:
        line = error.doc.splitlines()[error.lineno - 1] if error.doc.strip() else ""
        mark = f"\n  {line[:200]}\n  {' ' * (error.colno - 1)}^" if error.colno <= 200 else ""
        raise NoPayload(
            f"{name} is no JSON: {error.msg} at line {error.lineno}, column {error.colno}.{mark}\n"
            'Write it as \'{"name": "value"}\', or @file.json, or - for standard input.'
        ) from None
    except UnicodeDecodeError as error:
        raise NoPayload(f"{name} is no JSON: byte {error.start} is not UTF-8.") from None
    return content


def invoke(
    settings: Settings,
    function: str,
    payload: bytes,
    *,
    qualifier: str | None,
    waits: bool,
    is_sync: bool,
    timeout: str,
) -> int:
    """Invoke a function; return the exit status: 0 well, 1 not, 2 it could not be asked, 124 the time was up."""
    try:
        longest = seconds(timeout)
    except NoDuration as problem:
        print(f"thrice: {problem}", file=sys.stderr)
        return 2
    clients = Clients(settings)
    members: dict[str, Any] = {"FunctionName": function, "Payload": payload}
    if qualifier:
        members["Qualifier"] = qualifier
    try:
        if is_sync:
            return _call(clients, members)
        answer = clients.lambda_.invoke(InvocationType="Event", **members)
    except ClientError as error:
        words = None
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            words = missing(clients, function)
        print(f"thrice: {words or away(settings, error)}", file=sys.stderr)
        return 2
    except BotoCoreError as error:
        print(f"thrice: {away(settings, error)}", file=sys.stderr)
        return 2
    request_id = str(answer["ResponseMetadata"]["RequestId"])
    if waits:
        return _follow(settings, request_id, longest)
    print(request_id)
    hint = f"accepted. Next: thrice await {request_id}   or   thrice logs {function} --request {request_id}"
    print(hint, file=sys.stderr)
    return 0


def _call(clients: Clients, members: dict[str, Any]) -> int:
    """Call the function: its result on the output, the end of its log beside it."""
    with Console(stderr=True).status("running"):
        answer = clients.lambda_.invoke(InvocationType="RequestResponse", LogType="Tail", **members)
        result = answer["Payload"].read()
    log = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
    if log:
        print(log.rstrip("\n"), file=sys.stderr)
    print(result.decode("utf-8", "replace"), flush=True)
    if "FunctionError" in answer:
        print(f"thrice: the function failed ({answer['FunctionError']})", file=sys.stderr)
        return 1
    return 0


def _follow(settings: Settings, request_id: str, longest: float) -> int:
    """Print the attempts as they end, then wait for all that the event caused."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"accepted {request_id}")
    pause, shown = Event(), 0
    try:
        ends_at = time.monotonic() + longest
        with Console(stderr=True).status("waiting") as line:
            while time.monotonic() < ends_at:
                status, record = ask(settings, f"events/{request_id}")
                if status != 200:
                    break  # the record has expired already: THRICE_EVENT_RETENTION is short
                attempts = record["attempts"]
                for attempt in attempts[shown:]:
                    console.print(attempt_line(attempt), markup=False)
                shown = len(attempts)
                if record["state"] in _ENDED:
                    break
                line.update(standing(record))
                pause.wait(LOOK)
        left = max(1.0, ends_at - time.monotonic())
        return wait(settings, request_id, f"{left:.3f}s")
    except GatewayAway as problem:
        print(f"thrice: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nThe event goes on. thrice await {request_id} waits for it again.", file=sys.stderr)
        return 130


def attempt_line(attempt: dict[str, Any]) -> str:
    """An attempt that has ended, as a line."""
    error = attempt.get("error_type")
    how = f"{error}: {attempt.get('error_message', '')}" if error else "succeeded"
    took = f" after {attempt['duration_ms']:.1f} ms" if "duration_ms" in attempt else ""
    return f"  attempt {attempt['attempt']}{took}  {how}"


def standing(record: dict[str, Any]) -> str:
    """Where an event stands that has not ended."""
    state = record["state"]
    return f"{state}, due at {record['due_at']}" if state == "waiting" and "due_at" in record else str(state)
