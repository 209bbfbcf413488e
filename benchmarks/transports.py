"""How Celery reaches Redis: its stock transport, tuned as well as it can be, and ours. The one place that knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kombu.transport import TRANSPORT_ALIASES

#: The best that was found for a stock worker that is to lose as little as it can.
_STOCK_OPTIONS = {
    # Sweep for messages of dead workers every second, so that one is noticed soon.
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "health_check_interval": 30,
}


@dataclass(frozen=True, slots=True)
class Transport:
    """A kombu transport: its name, which is its scheme in URLs too, its class, and its options."""

    name: str
    implementation: str
    options: Mapping[str, Any]

    def settings(self, url: str) -> dict[str, Any]:
        """Celery's settings to reach the server at `url`, as `config.redis.celery_url` spells it."""
        # By URL alone: kombu drops the path of a Unix socket when the setting `broker_transport` names the class. By
        # a scheme of its own: who imports our transport may have given `redis` another meaning.
        TRANSPORT_ALIASES[self.name] = self.implementation
        # A Unix socket has no keepalive; redis-py refuses the option there.
        keepalive = {} if "socket://" in url else {"socket_keepalive": True}
        return {
            "broker_url": f"{self.name}+{url.removeprefix('redis+')}",
            "broker_transport_options": {**self.options, **keepalive},
        }


STOCK = Transport("stock", "kombu.transport.redis:Transport", _STOCK_OPTIONS)
OURS = Transport("thrice", "worker.transport.transport:Transport", {})

BY_NAME = {transport.name: transport for transport in (STOCK, OURS)}
