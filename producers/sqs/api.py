"""What a client may call of SQS, and what sends to its queues from inside.

A queue is a record of attributes in one hash; its messages are the `MessageStore`'s. There are standard queues only: a
FIFO queue is refused by name. Receiving is the one operation that waits, and runs on the event loop.
"""
# ruff: noqa: ARG002 - every operation is handed the request

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson
from redis.client import Pipeline

from config import limits
from producers.errors import ApiError
from producers.seams import Request, Seams, TargetMissing
from producers.sqs import attributes as queue_attributes
from producers.sqs import batch, message
from producers.sqs.address import Addresses, check_name, missing
from producers.sqs.long_poll import LongPoll
from producers.sqs.queue import Queue
from worker.lineage import inherited
from worker.message_document import Attributes, MessageDocument, message_document
from worker.message_store import (
    MAX_VISIBILITY_TIMEOUT,
    InvalidReceiptHandle,
    MessageStore,
    QueueMissing,
    Sent,
    VisibilityChange,
)
from worker.scripts import source

#: Most queues in one page. Source: Amazon SQS API Reference, ListQueues.
MAX_LISTED = 1_000

AttributeValues = dict[str, dict[str, Any]]
Entries = list[dict[str, Any]]


class Sqs:
    """The SQS service."""

    def __init__(self, seams: Seams) -> None:
        self._redis = seams.redis
        self._keys = seams.keys
        self._clock = seams.clock
        self._account = seams.settings.account_id
        self._addresses = Addresses(seams.settings.region, self._account)
        self._store = MessageStore(seams.redis, seams.keys, self._addresses.arn(""))
        self._long_poll = LongPoll(seams.settings, seams.keys, self._store)
        self._change_record = seams.redis.register_script(source("change_record"))

    async def aclose(self) -> None:
        """Close the connections of receivers."""
        await self._long_poll.aclose()

    # --- queues -------------------------------------------------------------------------------------------------

    def create_queue(
        self,
        request: Request,
        QueueName: str,
        Attributes: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Make a queue; the same once more changes nothing."""
        check_name(QueueName)
        given = queue_attributes.check(Attributes or {})
        self._check_dead_letter_queue(QueueName, given)
        now = int(self._clock.now().timestamp())
        wanted = {**queue_attributes.DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
        queue = Queue(QueueName, wanted, tags or {}, created_at=now, modified_at=now)
        if not self._redis.hsetnx(self._keys.queues, QueueName, queue.to_json()):
            existing = self._queue(QueueName)
            for name, value in given.items():
                if existing.attributes.get(name) != value:
                    raise ApiError(
                        "QueueNameExists",
                        "A queue already exists with the same name and a different value for attribute " + name,
                    )
        return {"QueueUrl": self._addresses.url(request.base_url, QueueName)}

    def get_queue_url(
        self, request: Request, QueueName: str, QueueOwnerAWSAccountId: str | None = None
    ) -> dict[str, Any]:
        """Tell the URL of a queue."""
        if QueueOwnerAWSAccountId not in (None, self._account):
            raise missing()
        return {"QueueUrl": self._addresses.url(request.base_url, self._queue(QueueName).name)}

    def list_queues(
        self,
        request: Request,
        QueueNamePrefix: str = "",
        NextToken: str | None = None,
        MaxResults: int | None = None,
    ) -> dict[str, Any]:
        """List queues by name."""
        names = sorted(queue.name for queue in self._all_queues() if queue.name.startswith(QueueNamePrefix))
        return self._page(request, "QueueUrls", names, NextToken, MaxResults)

    def list_dead_letter_source_queues(
        self, request: Request, QueueUrl: str, NextToken: str | None = None, MaxResults: int | None = None
    ) -> dict[str, Any]:
        """List the queues whose RedrivePolicy names this one."""
        arn = self._addresses.arn(self._queue(self._addresses.name_in_url(QueueUrl)).name)
        sources = sorted(
            queue.name
            for queue in self._all_queues()
            if queue_attributes.dead_letter_arn(queue.attributes.get("RedrivePolicy")) == arn
        )
        return {"queueUrls": [], **self._page(request, "queueUrls", sources, NextToken, MaxResults)}

    def get_queue_attributes(
        self,
        request: Request,
        QueueUrl: str,
        AttributeNames: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Tell what was asked for of a queue."""
        for name in AttributeNames:
            if name != "All" and name not in queue_attributes.READABLE:
                raise ApiError("InvalidAttributeName", f"Unknown Attribute {name}.")
        queue = self._queue(self._addresses.name_in_url(QueueUrl))
        try:
            known = queue.shown(self._addresses.arn(queue.name), self._store.count(queue.name))
        except QueueMissing:
            raise missing() from None
        asked = {name: value for name, value in known.items() if "All" in AttributeNames or name in AttributeNames}
        return {"Attributes": asked} if asked else {}

    def set_queue_attributes(
        self,
        request: Request,
        QueueUrl: str,
        Attributes: dict[str, str],
    ) -> None:
        """Change attributes of a queue; what is not named stays. An empty policy is taken away."""
        name = self._addresses.name_in_url(QueueUrl)
        changes = queue_attributes.check(Attributes)
        self._check_dead_letter_queue(name, changes)
        self._change(name, {"attributes": changes, "modified_at": int(self._clock.now().timestamp())})

    def delete_queue(self, request: Request, QueueUrl: str) -> None:
        """Delete a queue with its messages, at once."""
        try:
            self._store.delete_queue(self._addresses.name_in_url(QueueUrl))
        except QueueMissing:
            raise missing() from None

    def purge_queue(self, request: Request, QueueUrl: str) -> None:
        """Delete all messages of a queue, at once."""
        name = self._addresses.name_in_url(QueueUrl)
        try:
            if not self._store.purge(name):
                raise ApiError(
                    "PurgeQueueInProgress",
                    f"Only one PurgeQueue operation on {name} is allowed every 60 seconds.",
                    403,
                )
        except QueueMissing:
            raise missing() from None

    def list_queue_tags(self, request: Request, QueueUrl: str) -> dict[str, Any]:
        """Tell the tags of a queue."""
        tags = dict(self._queue(self._addresses.name_in_url(QueueUrl)).tags)
        return {"Tags": tags} if tags else {}

    def tag_queue(
        self,
        request: Request,
        QueueUrl: str,
        Tags: dict[str, str],
    ) -> None:
        """Add tags to a queue, and change those that are there."""
        self._change(self._addresses.name_in_url(QueueUrl), {"tags": Tags})

    def untag_queue(
        self,
        request: Request,
        QueueUrl: str,
        TagKeys: list[str],
    ) -> None:
        """Take tags away from a queue."""
        self._change(self._addresses.name_in_url(QueueUrl), {"tags": dict.fromkeys(TagKeys)})

    # --- messages -----------------------------------------------------------------------------------------------

    def send_message(
        self,
        request: Request,
        QueueUrl: str,
        MessageBody: str,
        DelaySeconds: int | None = None,
        MessageAttributes: AttributeValues | None = None,
        MessageSystemAttributes: AttributeValues | None = None,
    ) -> dict[str, Any]:
        """Send one message."""
        name = self._addresses.name_in_url(QueueUrl)
        document = self._compose(request, MessageBody, DelaySeconds, MessageAttributes, MessageSystemAttributes)
        outcome = self._store.send(name, [document], [DelaySeconds])[0]
        self._check_sent(name, outcome)
        return _sent(document)

    def send_message_batch(self, request: Request, QueueUrl: str, Entries: Entries) -> dict[str, Any]:
        """Send up to ten messages, in one script; those that are refused do not stop the others."""
        name = self._addresses.name_in_url(QueueUrl)
        batch.check_entries(Entries, "SendMessageBatchRequestEntry")
        composed: list[tuple[dict[str, Any], MessageDocument]] = []
        failed = []
        for entry in Entries:
            try:
                composed.append((entry, self._compose_entry(request, **entry)))
            except ApiError as error:
                failed.append(batch.failure(entry, error))
        total = sum(document.size for _, document in composed)
        if total > limits.MAX_SQS_MESSAGE:
            raise ApiError(
                "BatchRequestTooLong",
                f"Batch requests cannot be longer than {limits.MAX_SQS_MESSAGE} bytes. You have sent {total} bytes.",
            )
        successful = []
        delays = [entry.get("DelaySeconds") for entry, _ in composed]
        outcomes = self._store.send(name, [document for _, document in composed], delays) if composed else []
        for (entry, document), outcome in zip(composed, outcomes, strict=True):
            if outcome is Sent.TOO_LONG:
                failed.append(batch.failure(entry, _too_long(self._queue(name))))
            else:
                self._check_sent(name, outcome)
                successful.append({"Id": entry["Id"], **_sent(document)})
        return batch.answer(successful, failed)

    async def receive_message(
        self,
        request: Request,
        QueueUrl: str,
        AttributeNames: Sequence[str] = (),
        MessageSystemAttributeNames: Sequence[str] = (),
        MessageAttributeNames: Sequence[str] = (),
        MaxNumberOfMessages: int = 1,
        VisibilityTimeout: int | None = None,
        WaitTimeSeconds: int | None = None,
    ) -> dict[str, Any]:
        """Receive messages, waiting for the first of them for as long as the caller or the queue says."""
        name = self._addresses.name_in_url(QueueUrl)
        _check_range("MaxNumberOfMessages", MaxNumberOfMessages, 1, 10)
        _check_range("VisibilityTimeout", VisibilityTimeout, 0, MAX_VISIBILITY_TIMEOUT)
        _check_range("WaitTimeSeconds", WaitTimeSeconds, 0, 20)
        system_names = {*AttributeNames, *MessageSystemAttributeNames}
        message.check_system_attribute_names(system_names)
        try:
            received = await self._long_poll.receive(name, MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds)
        except QueueMissing:
            raise missing() from None
        shown = [message.shown(each, system_names, MessageAttributeNames) for each in received.messages]
        return {"Messages": shown} if shown else {}

    def change_message_visibility(
        self,
        request: Request,
        QueueUrl: str,
        ReceiptHandle: str,
        VisibilityTimeout: int,
    ) -> None:
        """Let a received message become visible earlier or later."""
        name = self._addresses.name_in_url(QueueUrl)
        _check_range("VisibilityTimeout", VisibilityTimeout, 0, MAX_VISIBILITY_TIMEOUT)
        try:
            change = self._store.change_visibility(name, ReceiptHandle, VisibilityTimeout)
        except InvalidReceiptHandle:
            raise _invalid_handle(ReceiptHandle) from None
        match change:
            case VisibilityChange.MISSING:
                raise missing()
            case VisibilityChange.UNKNOWN:
                raise ApiError(
                    "InvalidParameterValue",
                    f"Value {ReceiptHandle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or "
                    "is not available for visibility timeout change.",
                )
            case VisibilityChange.VISIBLE:
                raise ApiError("MessageNotInflight", "The message referred to isn't in flight.")
            case VisibilityChange.TOO_LONG:
                raise ApiError(
                    "InvalidParameterValue",
                    f"Value {VisibilityTimeout} for parameter VisibilityTimeout is invalid. Reason: Total "
                    f"VisibilityTimeout for the message is beyond the limit [{MAX_VISIBILITY_TIMEOUT} seconds].",
                )

    def change_message_visibility_batch(self, request: Request, QueueUrl: str, Entries: Entries) -> dict[str, Any]:
        """Change the visibility of up to ten messages."""
        batch.check_entries(Entries, "ChangeMessageVisibilityBatchRequestEntry")
        self._queue(self._addresses.name_in_url(QueueUrl))

        def change(entry: batch.Entry) -> dict[str, Any]:
            handle, timeout = entry["ReceiptHandle"], entry.get("VisibilityTimeout", 0)
            self.change_message_visibility(request, QueueUrl, handle, timeout)
            return {}

        return batch.each(Entries, change)

    def delete_message(self, request: Request, QueueUrl: str, ReceiptHandle: str) -> None:
        """Delete a received message. The receipt must be the latest; an older one is accepted and deletes nothing."""
        try:
            self._store.delete(self._addresses.name_in_url(QueueUrl), ReceiptHandle)
        except InvalidReceiptHandle:
            raise _invalid_handle(ReceiptHandle) from None
        except QueueMissing:
            raise missing() from None

    def delete_message_batch(self, request: Request, QueueUrl: str, Entries: Entries) -> dict[str, Any]:
        """Delete up to ten messages."""
        batch.check_entries(Entries, "DeleteMessageBatchRequestEntry")
        self._queue(self._addresses.name_in_url(QueueUrl))

        def delete(entry: batch.Entry) -> dict[str, Any]:
            self.delete_message(request, QueueUrl, entry["ReceiptHandle"])
            return {}

        return batch.each(Entries, delete)

    def deliver(
        self,
        pipe: Pipeline,
        target_arn: str,
        payload: bytes,
        *,
        source: str,
        trace_header: str | None = None,
        attributes: Attributes | None = None,
    ) -> None:
        """Add to `pipe` the sending of `payload` as a message; see `producers.seams.Deliver`."""
        name = self._addresses.name_in_arn(target_arn)
        queue = self._find(name) if name else None
        if queue is None:
            raise TargetMissing(target_arn)
        if attributes and len(attributes) > message.MAX_ATTRIBUTES:
            raise TargetMissing(f"{target_arn} takes messages of {message.MAX_ATTRIBUTES} attributes at the most")
        document = message_document(payload.decode(), attributes, sender=source, trace_header=trace_header)
        maximum = int(queue.attributes["MaximumMessageSize"])
        if document.size > maximum:
            raise TargetMissing(f"{target_arn} takes messages of {maximum} bytes; this one has {document.size}")
        self._store.add(pipe, queue.name, document)

    # --- what the operations share ------------------------------------------------------------------------------

    def _compose_entry(
        self,
        request: Request,
        Id: str,
        MessageBody: str,
        DelaySeconds: int | None = None,
        MessageAttributes: AttributeValues | None = None,
        MessageSystemAttributes: AttributeValues | None = None,
        **others: Any,
    ) -> MessageDocument:
        if others:
            raise ApiError("InvalidParameterValue", f"{min(others)} cannot be obeyed by a standard queue.")
        return self._compose(request, MessageBody, DelaySeconds, MessageAttributes, MessageSystemAttributes)

    def _compose(
        self,
        request: Request,
        body: str,
        delay: int | None,
        attributes: AttributeValues | None,
        system_attributes: AttributeValues | None,
    ) -> MessageDocument:
        message.check_body(body)
        if delay is not None and not 0 <= delay <= 900:
            raise ApiError(
                "InvalidParameterValue",
                f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
            )
        return message_document(
            body,
            message.check_attributes(attributes or {}),
            sender=self._account,
            trace_header=inherited(message.check_trace_header(system_attributes or {}), request.trace_header),
        )

    def _check_sent(self, name: str, outcome: Sent) -> None:
        if outcome is Sent.MISSING:
            raise missing()
        if outcome is Sent.TOO_LONG:
            raise _too_long(self._queue(name))

    def _check_dead_letter_queue(self, name: str, changes: Mapping[str, str | None]) -> None:
        """See that the queue which a new RedrivePolicy names is there, and lets itself be used."""
        policy = changes.get("RedrivePolicy")
        arn = queue_attributes.dead_letter_arn(policy)
        if arn is None:
            return
        target_name = self._addresses.name_in_arn(arn)
        target = self._find(target_name) if target_name else None
        if target is None:
            reason = "Dead letter target does not exist."
        elif target.name == name:
            reason = "Dead letter target must be another queue."
        elif not queue_attributes.allows(target.attributes.get("RedriveAllowPolicy"), self._addresses.arn(name)):
            reason = f"The RedriveAllowPolicy of {arn} does not permit this queue to use it."
        else:
            return
        raise ApiError(
            "InvalidParameterValue", f"Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}"
        )

    def _find(self, name: str) -> Queue | None:
        record = self._redis.hget(self._keys.queues, name)
        return None if record is None else Queue.from_json(name, record)

    def _queue(self, name: str) -> Queue:
        queue = self._find(name)
        if queue is None:
            raise missing()
        return queue

    def _all_queues(self) -> list[Queue]:
        records = cast("dict[bytes, bytes]", self._redis.hgetall(self._keys.queues))
        return [Queue.from_json(name.decode(), record) for name, record in records.items()]

    def _change(self, name: str, change: Mapping[str, Any]) -> None:
        if not self._change_record([self._keys.queues], [name, orjson.dumps(change)]):
            raise missing()

    def _page(
        self, request: Request, member: str, names: Sequence[str], token: str | None, size: int | None
    ) -> dict[str, Any]:
        _check_range("MaxResults", size, 1, MAX_LISTED)
        if token is not None and size is None:
            raise ApiError("InvalidParameterValue", "MaxResults is a mandatory parameter when you provide NextToken.")
        after = _read_token(token) if token else ""
        rest = [name for name in names if name > after]
        page = rest[: size or MAX_LISTED]
        answer: dict[str, Any] = (
            {member: [self._addresses.url(request.base_url, name) for name in page]} if page else {}
        )
        if size is not None and len(rest) > len(page):
            answer["NextToken"] = base64.b64encode(page[-1].encode()).decode()
        return answer


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise ApiError("InvalidParameterValue", f"Value {token} for parameter NextToken is invalid.") from None


def _check_range(name: str, value: int | None, smallest: int, largest: int) -> None:
    if value is not None and not smallest <= value <= largest:
        raise ApiError(
            "InvalidParameterValue",
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {smallest} and {largest}, "
            "if provided.",
        )


def _sent(document: MessageDocument) -> dict[str, Any]:
    answer = {
        "MessageId": document.message_id,
        "MD5OfMessageBody": document.md5_of_body,
        "MD5OfMessageAttributes": document.md5_of_attributes,
        "MD5OfMessageSystemAttributes": document.md5_of_system_attributes,
    }
    return {name: value for name, value in answer.items() if value is not None}


def _too_long(queue: Queue) -> ApiError:
    return ApiError(
        "InvalidParameterValue",
        "One or more parameters are invalid. Reason: Message must be shorter than "
        f"{queue.attributes['MaximumMessageSize']} bytes.",
    )


def _invalid_handle(handle: str) -> ApiError:
    return ApiError("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')
