"""The load of a night: numbered events at moments that are fixed in advance, whatever becomes of those before.

A sender that waits for its answer holds up no other, up to a bound; each request is sent once. Beside it an object is
written every half second, and one writer knows which contents each may have.
"""

import heapq
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.soak.books import UNANSWERED, Sending
from tests.soak.functions import Function
from tests.soak.system import BUCKET, System

#: How many requests may be under way.
SENDERS = 64

#: How often an object is written, in seconds; how many different ones there are, and how long each is in bytes.
EACH_OBJECT = 0.5
OBJECTS = 20
OBJECT_SIZE = 40_000


class Load:
    """Sends from `start` to `stop`."""

    def __init__(self, system: System, rate: float) -> None:
        """`rate`: events in a second, of all functions that have a share."""
        self._client = system.client("lambda")
        self._senders = ThreadPoolExecutor(SENDERS)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._sendings: dict[str, list[Sending]] = {function.name: [] for function in system.functions}
        self._functions = {function.name: function for function in system.functions}
        self._every = {
            function.name: function.every or 1 / (rate * function.share)
            for function in system.functions
            if function.every or function.share
        }
        self._numbers = dict.fromkeys(self._functions, 0)
        self._thread = threading.Thread(target=self._send_on, daemon=True)
        self.began = 0.0

    def start(self) -> None:
        """Begin."""
        self.began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and wait for the answers."""
        self._over.set()
        self._thread.join()
        self._senders.shutdown()

    def sendings(self, function: str) -> Sequence[Sending]:
        """What was answered so far."""
        with self._lock:
            return tuple(self._sendings[function])

    def counts(self) -> tuple[int, int]:
        """How many requests were accepted, and how many were not."""
        with self._lock:
            statuses = [one.status for sendings in self._sendings.values() for one in sendings]
        accepted = statuses.count(202)
        return accepted, len(statuses) - accepted

    def send(self, name: str) -> Sending:
        """Send the next event of a function at once."""
        return self._send(self._functions[name], self._next(name), time.monotonic())

    def _send_on(self) -> None:
        due = [
            (self.began + every * (0.5 + index / 13), name) for index, (name, every) in enumerate(self._every.items())
        ]
        heapq.heapify(due)
        while not self._over.wait(max(0.0, due[0][0] - time.monotonic())):
            moment, name = due[0]
            heapq.heapreplace(due, (moment + self._every[name], name))
            self._senders.submit(self._send, self._functions[name], self._next(name), moment)

    def _next(self, name: str) -> int:
        with self._lock:
            self._numbers[name] += 1
            return self._numbers[name]

    def _send(self, function: Function, number: int, due: float) -> Sending:
        payload = json.dumps({"number": number, "takes": 0, **function.event})
        status, request_id = _invoke(self._client, function.name, payload)
        sending = Sending(number, due - self.began, time.monotonic() - self.began, status, request_id)
        with self._lock:
            self._sendings[function.name].append(sending)
        return sending


def _invoke(client: Any, function: str, payload: str) -> tuple[int, str]:
    """Send one event; the status of the answer and the request id, where there is one."""
    try:
        answer = client.invoke(FunctionName=function, InvocationType="Event", Payload=payload)
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"]), ""
    except BotoCoreError:
        return UNANSWERED, ""
    return int(answer["StatusCode"]), str(answer["ResponseMetadata"]["RequestId"])


class Writer:
    """Writes objects from `start` to `stop`, one after the other."""

    def __init__(self, system: System) -> None:
        self._client = system.client("s3")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write_on, daemon=True)
        self.written: dict[str, set[int]] = {}  # key -> contents that it may have; what is always so, if it is one
        self.refused = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Write no more."""
        self._over.set()
        self._thread.join()

    def found(self) -> dict[str, int | None]:
        """The content that each object has."""
        return {key: self._read(key) for key in self.written}

    def _write_on(self) -> None:
        number = 0
        while not self._over.wait(EACH_OBJECT):
            number += 1
            key = f"object-{number % OBJECTS}"
            try:
                self._client.put_object(Bucket=BUCKET, Key=key, Body=b"%d\n" % number + bytes(OBJECT_SIZE))
            except (BotoCoreError, ClientError):
                self.refused += 1
                if key in self.written:  # one that was never stored need not be there
                    self.written[key].add(number)
            else:
                self.written[key] = {number}

    def _read(self, key: str) -> int | None:
        try:
            body = self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except (BotoCoreError, ClientError):
            return None
        number, _, rest = body.partition(b"\n")
        return int(number) if rest == bytes(OBJECT_SIZE) else None
