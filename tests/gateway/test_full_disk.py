"""A disk that becomes full: what was answered as done is still there after a SIGKILL of Redis."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from config import redis as config_redis
from config.settings import Settings, load
from producers.gateway.full_disk import FullDisk
from tests.embedded import server
from tests.soak.disk import Disk, NotMounted
from worker.errors import StoreUnavailable
from worker.identity import new_request_id
from worker.invocation import Invocation
from worker.keys import Keys
from worker.queue import EventQueue


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small one, for the data folder."""
    try:
        disk = Disk.mount(tmp_path / "data")
    except NotMounted as error:
        pytest.skip(f"a disk of its own cannot be mounted here: {error}")
    yield disk
    disk.unmount()


async def accept_until_refused(settings: Settings, redis: Redis) -> list[str]:
    """Take in events until one is refused; the request ids of those that a caller was told of."""
    keys, accepted = Keys(), list[str]()
    async with config_redis.connect_async(settings) as client:
        queue = EventQueue(redis, keys, async_redis=client)
        full_disk = FullDisk(settings.folder, lambda: client.unlink(keys.call("")))
        with suppress(StoreUnavailable, RedisError):
            while True:
                request_id = new_request_id()
                await queue.enqueue(Invocation(request_id, "f", "arn:f", b"{}", datetime.now(UTC)))
                await full_disk.check()
                accepted.append(request_id)
    return accepted


def test_what_was_accepted_when_the_disk_became_full_outlives_a_sigkill(disk: Disk):
    """Events are taken in, and more of them when there is no room: each that was not refused is there afterwards."""
    settings = load(data_dir=disk.path)
    with server(settings) as (_, client):
        client.hset(Keys().functions, "f", "{}")
        disk.fill()
        os.truncate(disk.ballast, disk.ballast.stat().st_size - (1 << 18))  # room for some events
        accepted = asyncio.run(accept_until_refused(settings, client))
    disk.free()

    with server(settings) as (_, client):
        kept = [request_id for request_id in accepted if client.exists(Keys().event(request_id))]

    assert kept == accepted
    assert accepted


def test_nobody_is_asked_while_there_is_room(tmp_path: Path):
    """The check costs a caller nothing then."""
    asked: list[int] = []

    async def ask() -> None:
        asked.append(1)

    asyncio.run(FullDisk(tmp_path, ask).check())

    assert asked == []
