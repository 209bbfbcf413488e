"""The rules of PublishBatch. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from config import limits
from producers.errors import ApiError
from producers.sns.message import Message
from worker.message_document import size_of

#: Most entries of one batch. Source: Amazon SNS API Reference, PublishBatch.
MAX_ENTRIES = 10

_ID = re.compile(r"[\w-]{1,80}", re.ASCII)


def check_entries(entries: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a batch as a whole.

    Raises:
        ApiError: it is empty or too long, or its ids are not allowed or not distinct.
    """
    ids = [entry["Id"] for entry in entries]
    if not entries:
        raise ApiError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    if len(entries) > MAX_ENTRIES:
        raise ApiError("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
    if not all(_ID.fullmatch(name) for name in ids):
        raise ApiError(
            "InvalidBatchEntryId", "The Id of a batch entry in a batch request doesn't abide by the specification."
        )
    if len(set(ids)) < len(ids):
        raise ApiError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")


def check_size(messages: Sequence[Message]) -> None:
    """Refuse messages that are too long together, each with its longest text.

    Raises:
        ApiError: they are.
    """
    total = sum(max(size_of(text, message.attributes) for text in message.texts.values()) for message in messages)
    if total > limits.MAX_SNS_MESSAGE:
        raise ApiError("BatchRequestTooLong", "The length of all the messages put together is more than the limit.")
