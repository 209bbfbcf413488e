"""The messages of our SQS queues: what `producers/sqs` answers with, and where settlement puts what it sends to queues.

A message is **visible** from a moment on (later than now: delayed), or **in flight** until a moment, or gone. Every
step is one script, so that no two receivers ever get the same message at the same time and a crash leaves it in one
place. A receipt handle names the queue, the message and the receive that it came from; only the latest receive of a
message may delete it. A message that was received too often is moved to the queue's own dead-letter queue by the script
of the receive that finds it.

Scripts that send to a queue as part of something greater include `scripts/send_message.lua`; they pass
`Keys.queues`, `Keys.queue_prefix` and the parts of a `MessageDocument`.
"""

import base64
import binascii
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
from redis import Redis
from redis.client import Pipeline

from worker.keys import Keys
from worker.message_document import MessageDocument
from worker.scripts import source

#: How long a message can be hidden after one receive, in seconds. Source: ChangeMessageVisibility.
MAX_VISIBILITY_TIMEOUT = 43_200


class QueueMissing(Exception):
    """Raised when there is no such queue. The text is its name."""


class InvalidReceiptHandle(Exception):
    """Raised when a text is no receipt handle of this queue. The text is the handle."""


class Sent(StrEnum):
    """What became of a message that was sent."""

    SENT = "sent"
    MISSING = "missing"  # there is no such queue
    TOO_LONG = "too long"  # longer than the queue's MaximumMessageSize


class VisibilityChange(StrEnum):
    """What became of a wish to change a message's visibility."""

    CHANGED = "changed"
    MISSING = "missing"  # there is no such queue
    UNKNOWN = "unknown"  # there is no such message, or it was received again since
    VISIBLE = "visible"  # its timeout has ended
    TOO_LONG = "too long"  # it would be hidden for longer than MAX_VISIBILITY_TIMEOUT after its receive


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message in the hands of one receiver."""

    message_id: str
    receipt_handle: str
    document: dict[str, Any]  # as `message_document` made it
    sent_ms: int
    receive_count: int  # over all queues that it was in
    first_received_ms: int
    source_arn: str | None  # of the queue from which it came here as a dead letter


@dataclass(frozen=True, slots=True)
class Received:
    """The answer to one receive."""

    messages: list[ReceivedMessage]
    next_due_ms: int | None  # in so many ms the next message is due that is here; None: there is none
    wait: int  # the queue's ReceiveMessageWaitTimeSeconds


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """How many messages a queue holds."""

    visible: int
    in_flight: int
    delayed: int


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """Keys and arguments of a script."""

    keys: list[str]
    args: list[Any]


class MessageStore:
    """The messages of all queues. `arn_prefix` is what the ARNs of queues begin with, up to the name."""

    def __init__(self, redis: Redis, keys: Keys, arn_prefix: str) -> None:
        self._redis = redis
        self._keys = keys
        self._arn_prefix = arn_prefix
        self._scripts = {
            name: redis.register_script(source(name))
            for name in (
                "send_messages",
                "receive_messages",
                "change_visibility",
                "delete_message",
                "count_messages",
                "purge_queue",
                "delete_queue",
            )
        }

    def send(self, queue: str, messages: Sequence[MessageDocument], delays: Sequence[int | None] = ()) -> list[Sent]:
        """Send `messages`, and say for each what became of it. `delays` are seconds, None for the queue's own."""
        call = self._sending(queue, messages, delays)
        answers = self._scripts["send_messages"](call.keys, call.args)
        return [Sent(answer.decode()) for answer in answers]

    def add(self, pipe: Pipeline, queue: str, message: MessageDocument) -> None:
        """Add to `pipe` the command that sends `message`. It does nothing if the queue is gone by then."""
        call = self._sending(queue, [message], ())
        self._scripts["send_messages"](call.keys, call.args, client=pipe)

    def _sending(self, queue: str, messages: Sequence[MessageDocument], delays: Sequence[int | None]) -> ScriptCall:
        arguments: list[Any] = [self._keys.queue_prefix, queue]
        for message, delay in zip(messages, delays or [None] * len(messages), strict=True):
            arguments += [message.message_id, message.json, message.size, "" if delay is None else delay]
        return ScriptCall([self._keys.queues, self._keys.clock], arguments)

    def receive(self, queue: str, maximum: int = 1, visibility_timeout: int | None = None) -> Received:
        """Take up to `maximum` messages and hide them for `visibility_timeout` seconds, None for the queue's own.

        Raises:
            QueueMissing: there is no such queue.
        """
        call = self.receiving(queue, maximum, visibility_timeout)
        return self.received(queue, call, self._scripts["receive_messages"](call.keys, call.args))

    def receiving(self, queue: str, maximum: int, visibility_timeout: int | None) -> ScriptCall:
        """The call of the script `receive_messages`, for one who runs it on another client."""
        timeout = "" if visibility_timeout is None else visibility_timeout
        token = secrets.token_hex(8)
        return ScriptCall(
            [self._keys.queues, self._keys.clock],
            [self._keys.queue_prefix, queue, maximum, timeout, token, self._arn_prefix],
        )

    def received(self, queue: str, call: ScriptCall, answer: list[Any] | None) -> Received:
        """The answer of the script `receive_messages` to `call`.

        Raises:
            QueueMissing: there is no such queue.
        """
        if answer is None:
            raise QueueMissing(queue)
        token = call.args[4]
        messages = [
            ReceivedMessage(
                message_id=answer[i].decode(),
                receipt_handle=_receipt_handle(queue, answer[i].decode(), token),
                document=orjson.loads(answer[i + 1]),
                sent_ms=answer[i + 2],
                receive_count=answer[i + 3],
                first_received_ms=answer[i + 4],
                source_arn=answer[i + 5].decode() or None,
            )
            for i in range(2, len(answer), 6)
        ]
        return Received(messages, None if answer[0] < 0 else answer[0], answer[1])

    def change_visibility(self, queue: str, receipt_handle: str, timeout: int) -> VisibilityChange:
        """Let a message become visible in `timeout` seconds from now.

        Raises:
            InvalidReceiptHandle: the handle is none of this queue.
        """
        message_id, token = _read_receipt_handle(queue, receipt_handle)
        answer = self._scripts["change_visibility"](
            keys=[self._keys.queues, self._keys.clock],
            args=[self._keys.queue_prefix, queue, message_id, token, timeout, MAX_VISIBILITY_TIMEOUT],
        )
        return VisibilityChange(answer.decode())

    def delete(self, queue: str, receipt_handle: str) -> None:
        """Delete a message. One that is gone, or was received again since, is left as it is.

        Raises:
            InvalidReceiptHandle: the handle is none of this queue.
            QueueMissing: there is no such queue.
        """
        message_id, token = _read_receipt_handle(queue, receipt_handle)
        answer = self._scripts["delete_message"](
            keys=[self._keys.queues], args=[self._keys.queue_prefix, queue, message_id, token]
        )
        if answer == b"missing":
            raise QueueMissing(queue)

    def count(self, queue: str) -> MessageCounts:
        """Count the messages of a queue.

        Raises:
            QueueMissing: there is no such queue.
        """
        answer = self._scripts["count_messages"](
            keys=[self._keys.queues, self._keys.clock], args=[self._keys.queue_prefix, queue]
        )
        if answer is None:
            raise QueueMissing(queue)
        return MessageCounts(*answer)

    def purge(self, queue: str) -> bool:
        """Delete all messages of a queue. False, and nothing done, if that was done less than 60 s ago.

        Raises:
            QueueMissing: there is no such queue.
        """
        answer = self._scripts["purge_queue"](
            keys=[self._keys.queues, self._keys.clock], args=[self._keys.queue_prefix, queue]
        )
        if answer == b"missing":
            raise QueueMissing(queue)
        return bool(answer == b"purged")

    def delete_queue(self, queue: str) -> None:
        """Delete a queue with its messages.

        Raises:
            QueueMissing: there is no such queue.
        """
        answer = self._scripts["delete_queue"](keys=[self._keys.queues], args=[self._keys.queue_prefix, queue])
        if answer == b"missing":
            raise QueueMissing(queue)


def _receipt_handle(queue: str, message_id: str, token: str) -> str:
    return base64.b64encode(f"{queue}|{message_id}|{token}".encode()).decode()


def _read_receipt_handle(queue: str, receipt_handle: str) -> tuple[str, str]:
    """The message id and the token in a handle."""
    try:
        parts = base64.b64decode(receipt_handle, validate=True).decode("ascii").split("|")
    except (binascii.Error, ValueError):
        raise InvalidReceiptHandle(receipt_handle) from None
    if len(parts) != 3 or parts[0] != queue:
        raise InvalidReceiptHandle(receipt_handle)
    return parts[1], parts[2]
