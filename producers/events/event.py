"""The JSON of an event on the bus: what a target receives unless its rule says otherwise. Nothing here does I/O."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

#: Two schedulers that fire the same rule for the same moment give the event the same id.
_SCHEDULED_EVENTS = uuid.uuid5(uuid.NAMESPACE_URL, "arn:aws:events:scheduled-event")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its JSON as it is delivered, and the same taken apart."""

    text: bytes
    fields: dict[str, Any]


class MalformedEvent(ValueError):
    """Raised when the JSON of an event cannot be read as an object. The text says why."""


def put_event(
    *,
    event_id: str,
    detail_type: str,
    source: str,
    account: str,
    time: datetime,
    region: str,
    resources: list[str],
    detail: str,
) -> Event:
    """The event that an entry of PutEvents becomes.

    The detail is carried as it was sent, so that no digit of a number is lost.

    Raises:
        MalformedEvent: `detail` is not a JSON object.
    """
    head = {
        "version": "0",
        "id": event_id,
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": iso_seconds(time),
        "region": region,
        "resources": resources,
    }
    text = orjson.dumps(head | {"detail": orjson.Fragment(detail)})
    return Event(text, head | {"detail": _object(detail)})


def scheduled_event(*, rule_arn: str, due: datetime, account: str, region: str) -> Event:
    """The event of a rule whose schedule has come to `due`; its id depends on nothing but these two."""
    return put_event(
        event_id=str(uuid.uuid5(_SCHEDULED_EVENTS, f"{rule_arn} {due.isoformat()}")),
        detail_type="Scheduled Event",
        source="aws.events",
        account=account,
        time=due,
        region=region,
        resources=[rule_arn],
        detail="{}",
    )


def completed_event(payload: bytes, *, event_id: str, account: str, time: datetime, region: str) -> Event:
    """An event that another service of ours has made, with what it left out: version, id, account, time and region.

    Raises:
        MalformedEvent: `payload` is not a JSON object.
    """
    given = _object(payload)
    defaults = {
        "version": "0",
        "id": event_id,
        "account": account,
        "time": iso_seconds(time),
        "region": region,
        "resources": [],
    }
    missing = {name: value for name, value in defaults.items() if name not in given}
    if not missing:
        return Event(payload, given)
    # What is missing is put in front of the text, which itself stays as it is: no digit of a number is lost.
    rest = payload.strip()[1:].lstrip()
    separator = b"" if rest == b"}" else b","
    return Event(orjson.dumps(missing)[:-1] + separator + rest, missing | given)


def iso_seconds(moment: datetime) -> str:
    """`2026-01-02T03:04:05Z`: how EventBridge writes a moment."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedEvent(f"it is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedEvent("it is not a JSON object")
    return value
