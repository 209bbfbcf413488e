"""Numbered events, sent as a user would: signed HTTP to the gateway, asynchronous, never repeated by the client.

A 202 is a promise. Anything from a 5xx to a connection that breaks is none: such an event may or may not have been
stored, and may run.
"""

import itertools
import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from tests.chaos.accounting import Sent
from tests.chaos.system import System

#: How many senders there are, and how long each waits after an answer and after none, in seconds.
SENDERS = 4
PAUSE = 0.02
PAUSE_UNANSWERED = 0.1

#: What the handler is to do with the event of a number; see journal.py.
EventOf = Callable[[int], dict[str, Any]]


def quick(number: int) -> dict[str, Any]:
    """An event that takes 20 ms."""
    return {"number": number, "takes": 0.02}


def failing_at_first(number: int) -> dict[str, Any]:
    """The same, but every other event fails at its first run, so that there is something to retry."""
    return {**quick(number), "fails_once": number % 2 == 1}


def runs_of(number: int) -> int:
    """How often an event that is `failing_at_first` has to run."""
    return 1 + number % 2


class Load:
    """Sends events from several threads, from the beginning of a `with` block to its end."""

    def __init__(self, system: System, function: str, event_of: EventOf = quick) -> None:
        self._function = function
        self._event_of = event_of
        self._client = system.client("lambda")
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._senders = ThreadPoolExecutor(SENDERS)
        self._sending: list[Future[None]] = []
        self.accepted: list[int] = []
        self.unsure: list[int] = []

    def __enter__(self) -> Self:
        self._sending = [self._senders.submit(self._send_on) for _ in range(SENDERS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._senders.shutdown()
        for sender in self._sending:
            sender.result()

    @property
    def sent(self) -> Sent:
        """What has been sent so far."""
        return Sent(tuple(self.accepted), tuple(self.unsure))

    def go_on(self, seconds: float) -> None:
        """Let the load go on for a while."""
        self._over.wait(seconds)

    def _send_on(self) -> None:
        while not self._over.is_set():
            number = next(self._numbers)
            is_accepted = invoke(self._client, self._function, self._event_of(number))
            (self.accepted if is_accepted else self.unsure).append(number)
            self._over.wait(PAUSE if is_accepted else PAUSE_UNANSWERED)


def send(system: System, function: str, events: Iterable[dict[str, Any]]) -> Sent:
    """Send some events at once; each must be accepted."""
    client = system.client("lambda")
    with ThreadPoolExecutor(SENDERS) as senders:
        answers = list(senders.map(lambda event: (event["number"], invoke(client, function, event)), events))
    refused = [number for number, is_accepted in answers if not is_accepted]
    assert not refused, f"events {refused} were not accepted, although nothing is broken"
    return Sent([number for number, _ in answers], ())


def invoke(client: Any, function: str, event: dict[str, Any]) -> bool:
    """Send one event; whether there was a 202.

    Raises:
        ClientError: the gateway says that the request is wrong.
    """
    try:
        answer = client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event))
    except BotoCoreError:
        return False
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
            raise
        return False
    return bool(answer["StatusCode"] == 202)
