"""The record of one event, as a person reads it: where it stands, and how each of its attempts went. Pure."""

from collections.abc import Mapping
from typing import Any

import orjson

from worker.clock import from_ms, iso_ms

_TIMES = ("accepted_at", "due_at", "ended_at")
_NUMBERS = ("attempts_made", "backoffs", "workers_lost", "open", "caused", "failed")
_TEXTS = ("function", "state", "source", "condition", "worker", "root")


def event_document(request_id: str, record: Mapping[Any, Any]) -> dict[str, Any]:
    """The hash `Keys.event(request_id)` as JSON shows it. The payload is there as long as the event may still run."""
    fields = {_text(name): _text(value) for name, value in record.items()}
    document: dict[str, Any] = {"request_id": request_id}
    document |= {name: fields[name] for name in _TEXTS if name in fields}
    document |= {name: iso_ms(from_ms(float(fields[name]))) for name in _TIMES if name in fields}
    document |= {name: int(fields[name]) for name in _NUMBERS if name in fields}
    document["attempts"] = orjson.loads(f"[{fields.get('attempts', '')}]")
    for name, shown in (("payload", "payload"), ("last_response", "last_error")):
        if name in fields:
            document[shown] = orjson.Fragment(fields[name].encode())
    return document


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
