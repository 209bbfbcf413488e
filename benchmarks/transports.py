"""How Celery reaches Redis: its stock transport, tuned as well as it can be, and ours. The one place that knows."""

from dataclasses import dataclass
from typing import Any

#: The best that was found for a stock worker that is to lose as little as it can.
_STOCK_OPTIONS = {
    # Sweep for messages of dead workers every second, so that one is noticed soon.
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "health_check_interval": 30,
}


@dataclass(frozen=True, slots=True)
class Transport:
    """A kombu transport."""

    name: str
    options: dict[str, Any]
    scheme: str  # what stands before "socket://" or "redis://"

    def settings(self, url: str) -> dict[str, Any]:
        """Celery's settings to reach the server at `url`, as `config.redis.celery_url` spells it."""
        # A Unix socket has no keepalive; redis-py refuses the option there.
        keepalive = {} if "socket://" in url else {"socket_keepalive": True}
        return {
            "broker_url": url.replace("redis+socket://", f"{self.scheme}+socket://", 1),
            "broker_transport_options": self.options | keepalive,
        }


STOCK = Transport("stock", _STOCK_OPTIONS, "redis")
OURS = Transport("thrice", {}, "worker.transport.transport:Transport")

BY_NAME = {transport.name: transport for transport in (STOCK, OURS)}
