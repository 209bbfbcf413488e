"""The record of one event, as a person reads it: where it stands, and how each of its attempts went. Pure."""

from collections.abc import Mapping
from typing import Any

import orjson

from worker.clock import from_ms, iso_ms

_TIMES = ("accepted_at", "due_at", "ended_at")
_NUMBERS = ("attempts_made", "backoffs", "workers_lost", "open", "caused", "failed")
_TEXTS = ("function", "state", "source", "condition", "root")
_ENDED = ("succeeded", "dead_lettered", "dropped")


def event_document(request_id: str, record: Mapping[Any, Any], worker: str, now_ms: float) -> dict[str, Any]:
    """The hash `Keys.event(request_id)` as JSON shows it, of an event that `worker` holds ("": nobody)."""
    fields = {_text(name): _text(value) for name, value in record.items()}
    document: dict[str, Any] = {"request_id": request_id}
    document |= {name: fields[name] for name in _TEXTS if name in fields}
    document |= {name: iso_ms(from_ms(float(fields[name]))) for name in _TIMES if name in fields}
    document |= {name: int(fields[name]) for name in _NUMBERS if name in fields}
    document["state"] = _state(fields, worker, now_ms)
    if worker:
        document["worker"] = worker
    document["attempts"] = orjson.loads(f"[{fields.get('attempts', '')}]")
    if "deliveries" in fields:
        document["deliveries"] = orjson.loads(f"[{fields['deliveries']}]")
    for name, shown in (("payload", "payload"), ("last_response", "last_error")):
        if name in fields:
            document[shown] = orjson.Fragment(fields[name].encode())
    return document


def _state(fields: Mapping[str, str], worker: str, now_ms: float) -> str:
    """Where it stands. The record is written when the event is taken in and when an attempt is settled, not between."""
    written = fields.get("state", "")
    if written in _ENDED:
        return written
    if worker:
        return "running"
    return "ready" if float(fields.get("due_at", 0)) <= now_ms else "waiting"


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
