"""A message as consumers see it, made from its envelope without more work than needed.

An envelope that Celery or kombu wrote may hold what plain JSON cannot say (`__type__`); only then kombu's own, slower
reading is used.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from kombu.compression import decompress
from kombu.message import Message as KombuMessage
from kombu.utils.json import dumps, loads

from worker.transport.calls import Delivery
from worker.transport.keys import lane_of


def read_envelope(envelope: bytes) -> dict[str, Any]:
    """The document that an envelope is.

    Raises:
        ValueError: it is none.
    """
    document = loads(envelope.decode()) if b'"__type__"' in envelope else orjson.loads(envelope)
    if not isinstance(document, dict) or not isinstance(document.get("properties"), dict):
        raise ValueError(  # noqa: TRY004 - for who reads envelopes it is as bad as no JSON at all
            "an envelope is a JSON object with 'properties', this is none"
        )
    return document


def write_envelope(document: Mapping[str, Any]) -> bytes:
    """A document as an envelope, written as the stock transport writes it."""
    return str(dumps(document)).encode()


class Message(KombuMessage):  # type: ignore[misc]
    """A delivered message. Whoever works on it keeps the object: a message that nobody has any more is given back."""

    #: The envelope, as it lay in Redis.
    envelope: bytes
    #: How often the message was given to a consumer whose lease then ended (0 at first).
    redeliveries: int
    #: Whether it was handed over although its lane may not run more now.
    is_refused: bool
    #: What the journal says about its lane.
    context: bytes | None
    #: The lane that it comes from, if any.
    lane: str | None
    #: The queue that it comes from.
    queue: str

    def __init__(self, delivery: Delivery, channel: Any) -> None:
        """Read a delivery.

        Raises:
            ValueError: its envelope cannot be read.
        """
        document = read_envelope(delivery.envelope)
        properties = document["properties"]
        self.errors: list[Any] = []
        self.channel = channel
        self.delivery_tag = delivery.tag or properties.get("delivery_tag")
        self.content_type = document.get("content-type")
        self.content_encoding = document.get("content-encoding")
        self.delivery_info = properties.get("delivery_info") or {}
        self.headers = document.get("headers") or {}
        self.properties = properties
        self.accept = None
        self._decoded_cache = None
        self._state = "RECEIVED"
        self.body = _body(document.get("body"), properties.get("body_encoding"), self.headers.get("compression"))
        self.envelope = delivery.envelope
        self.redeliveries = document.get("x-dc", 0)
        self.is_refused = delivery.is_refused
        self.context = delivery.context
        self.lane = lane_of(delivery.target)
        self.queue = delivery.queue
        self._raw = document


def _body(body: Any, encoding: str | None, compression: str | None) -> Any:
    if not isinstance(body, str):
        return body
    content = base64.b64decode(body) if encoding == "base64" else body.encode()
    return decompress(content, compression) if compression else content


def put_off(document: dict[str, Any]) -> tuple[int, bytes] | None:
    """Milliseconds to wait and the envelope to keep, for a document whose `eta` is still to come; else None.

    The envelope says in `x-eta` what it was, and has no `eta` any more: when it comes back its time has come, whatever
    other clocks say.
    """
    headers = document.get("headers") or {}
    eta = headers.get("eta")
    delay = _until(eta) if eta else 0
    if delay <= 0:
        return None
    return delay, write_envelope({**document, "headers": {**headers, "eta": None}, "x-eta": eta})


def _until(eta: Any) -> int:
    """Milliseconds from now until `eta`, by this machine's clock; 0 if it is no time."""
    try:
        moment = eta if isinstance(eta, datetime) else datetime.fromisoformat(eta)
    except (TypeError, ValueError):
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # The transport lies below worker/clock.py, and asks the time only here: to make a time of this machine a delay.
    return int((moment - datetime.now(UTC)).total_seconds() * 1000)  # noqa: TID251
