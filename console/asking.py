"""Asks the running gateway for one of thrice's own pages."""

import urllib.error
import urllib.request
from typing import Any

import orjson

from config.settings import Settings


class GatewayAway(Exception):
    """Raised when the gateway does not answer. The text says where it was looked for, and what to do."""


def ask(
    settings: Settings, path: str, *, post: dict[str, Any] | None = None, timeout: float = 10.0
) -> tuple[int, dict[str, Any]]:
    """GET, or POST as JSON, a page below `/_thrice/`; return its status and its JSON. `timeout` is in seconds.

    Raises:
        GatewayAway: there is no answer within `timeout`, or it is not a page of thrice.
    """
    url = f"{settings.gateway_url}/_thrice/{path}"
    body = None if post is None else orjson.dumps(post)
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 - ours
            return answer.status, dict(orjson.loads(answer.read()))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _document(url, error.read())
    except OSError as error:
        raise GatewayAway(
            f"The gateway does not answer at {settings.gateway_url}: {getattr(error, 'reason', error)}. "
            "Is `thrice up` running with this THRICE_HOST and THRICE_PORT?"
        ) from None


def _document(url: str, text: bytes) -> dict[str, Any]:
    try:
        return dict(orjson.loads(text))
    except orjson.JSONDecodeError:
        raise GatewayAway(
            f"What answers at {url} is not thrice. Set THRICE_HOST and THRICE_PORT to where that is."
        ) from None
