"""Reading events for people. The record alone does not say who runs an event: the leases do."""

from collections.abc import Sequence
from typing import Any, cast

from redis.asyncio import Redis as AsyncRedis

from worker.event_record import event_document
from worker.keys import Keys
from worker.scripts import source


async def read_events(redis: "AsyncRedis", keys: Keys, request_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The events with these request ids, as JSON shows them. One whose record has expired is left out."""
    script = redis.register_script(source("read_events"))
    now_ms, found = cast(
        "tuple[int, list[Any]]", await script(keys=[keys.consumers, keys.clock], args=[str(keys), *request_ids])
    )
    documents = []
    for request_id, (pairs, worker) in zip(request_ids, found, strict=True):
        record = dict(zip(pairs[::2], pairs[1::2], strict=True))
        if b"function" in record:
            documents.append(event_document(request_id, record, worker.decode(), now_ms))
    return documents
