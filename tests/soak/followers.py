"""Who looks on as a user would: one follows records until each event has ended, one empties the dead-letter queue."""

import json
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.chaos.accounting import ENDED
from tests.soak.functions import DEAD_LETTERS
from tests.soak.load import Load
from tests.soak.system import AWAY, System

#: How often they look, in seconds.
LOOK = 1.0


class Records:
    """What the record of each event says in the end, of functions whose events do not succeed."""

    def __init__(self, system: System, load: Load) -> None:
        self._system = system
        self._load = load
        self._names = [function.name for function in system.functions if function.state != "succeeded"]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.found: dict[str, Mapping[str, Any]] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def missing(self) -> list[str]:
        """The request ids of what was accepted and has not ended, with all that is sent at its end."""
        accepted = [one.request_id for name in self._names for one in self._load.sendings(name) if one.status == 202]
        return [request_id for request_id in accepted if request_id not in self.found]

    def _follow(self) -> None:
        while not self._over.wait(LOOK):
            for request_id in self.missing():
                try:
                    status, record = self._system.up.get(f"/_thrice/events/{request_id}")
                except (OSError, ValueError, urllib.error.URLError):
                    break
                if status == 200 and _has_ended(record):
                    self.found[request_id] = record
                if self._over.is_set():
                    return


def _has_ended(record: Mapping[str, Any]) -> bool:
    is_pending = any(delivery["outcome"] == "pending" for delivery in record.get("deliveries", ()))
    return record["state"] in ENDED and not is_pending


class DeadLetters:
    """Takes every message out of the queue of dead letters."""

    def __init__(self, system: System) -> None:
        self._client = system.client("sqs")
        self._url = self._client.get_queue_url(QueueName=DEAD_LETTERS)["QueueUrl"]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._messages: dict[str, str] = {}  # message id -> request id: one that we could not delete comes again
        self.last_came = time.monotonic()

    @property
    def taken(self) -> Counter[str]:
        """Request id -> how many messages there were of it."""
        return Counter(dict(self._messages).values())

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more."""
        self._over.set()
        self._thread.join()

    def is_empty(self) -> bool:
        """Whether nothing is left in the queue.

        Raises:
            ClientError, BotoCoreError: nobody can say.
        """
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return all(int(found[name]) == 0 for name in names)

    def _take(self) -> None:
        while not self._over.wait(LOOK / 5):
            try:
                answer = self._client.receive_message(
                    QueueUrl=self._url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=5
                )
                for message in answer.get("Messages", ()):
                    self._messages[message["MessageId"]] = message["MessageAttributes"]["RequestID"]["StringValue"]
                    json.loads(message["Body"])
                    self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            except AWAY:
                self._over.wait(LOOK)
