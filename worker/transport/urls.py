"""Which broker URLs stand for this transport."""

from kombu.transport import TRANSPORT_ALIASES

_NAMES = {
    "redis": "worker.transport.transport:Transport",
    "rediss": "worker.transport.transport:Transport",
    "sentinel": "worker.transport.transport:SentinelTransport",
}


def use_for_redis_urls() -> None:
    """Let this process's broker URLs of Redis (`redis`, `redis+socket`, `rediss`, `sentinel`) stand for this transport.

    Without it, Celery's setting `broker_transport` can name `worker.transport.transport:Transport`, for URLs that are
    not `redis+socket`.
    """
    TRANSPORT_ALIASES.update(_NAMES)
