"""The slowest script that a server has run since the last look: what everybody else had to wait for."""

from typing import Any

from redis import Redis

#: Commands that take longer are remembered, in microseconds, and so many of them.
_SLOW_US = 500
_LENGTH = 10_000


class SlowLog:
    """The slow log of one server."""

    def __init__(self, redis: Redis) -> None:
        """Remember from now on."""
        self._redis = redis
        redis.config_set("slowlog-log-slower-than", _SLOW_US)
        redis.config_set("slowlog-max-len", _LENGTH)
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._redis.slowlog_reset()

    def slowest_ms(self) -> float:
        """The longest time of a script; 0 if none took half a millisecond."""
        entries: Any = self._redis.slowlog_get(_LENGTH)
        scripts = (entry["duration"] / 1e3 for entry in entries if entry["command"].startswith(b"EVALSHA"))
        return max(scripts, default=0.0)
