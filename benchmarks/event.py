"""The event that every measurement sends: about 300 bytes, as a small order would be."""

import json
from typing import Any

#: Bytes of the event as compact JSON.
SIZE = 309

_ORDER: dict[str, Any] = {
    "order": 4711,
    "customer": "c-1029",
    "items": [{"sku": f"sku-{number:04}", "count": number} for number in range(7)],
}


def event(number: int = 0) -> dict[str, Any]:
    """The event as Python sees it; `number` tells one from another and does not change its size."""
    numbered = {**_ORDER, "number": f"{number:09}", "note": ""}
    return {**numbered, "note": "x" * (SIZE - len(_compact(numbered)))}


def payload(number: int = 0) -> bytes:
    """The event as compact JSON of SIZE bytes."""
    return _compact(event(number)).encode()


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
