"""What all batch operations share: rules about their entries, and an answer that may be partly a refusal. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from producers.errors import ApiError

#: Most entries of one batch. Source: Amazon SQS API Reference, SendMessageBatch.
MAX_ENTRIES = 10

_ID = re.compile(r"[\w-]{1,80}", re.ASCII)

Entry = Mapping[str, Any]


def check_entries(entries: Sequence[Entry], kind: str) -> None:
    """Refuse a batch as a whole. `kind` is what AWS calls its entries.

    Raises:
        ApiError: it is empty or too long, or its ids are not allowed or not distinct.
    """
    if not entries:
        raise ApiError("EmptyBatchRequest", f"There should be at least one {kind} in the request.")
    if len(entries) > MAX_ENTRIES:
        raise ApiError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MAX_ENTRIES}. You have sent {len(entries)}.",
        )
    if not all(_ID.fullmatch(entry["Id"]) for entry in entries):
        raise ApiError(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
            "It can be at most 80 letters long.",
        )
    for name, times in Counter(entry["Id"] for entry in entries).items():
        if times > 1:
            raise ApiError("BatchEntryIdsNotDistinct", f"Id {name} repeated.")


def each(entries: Sequence[Entry], act: Callable[[Entry], Mapping[str, Any]]) -> dict[str, Any]:
    """Act on every entry by itself, and answer for each by its id."""
    successful, failed = [], []
    for entry in entries:
        try:
            successful.append({"Id": entry["Id"], **act(entry)})
        except ApiError as error:
            failed.append(failure(entry, error))
    return answer(successful, failed)


def failure(entry: Entry, error: ApiError) -> dict[str, Any]:
    """What is answered for an entry that was refused."""
    return {"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message}


def answer(successful: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The answer of a batch. A list that would be empty is absent."""
    lists = {"Successful": list(successful), "Failed": list(failed)}
    return {name: entries for name, entries in lists.items() if entries}
