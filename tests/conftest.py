"""What tests share: a real Redis server of their own, a clock that is moved by hand, and settings in a new folder."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis

from config import redis as config_redis
from config.settings import Settings, load
from tests.embedded import server
from worker import virtual_clock
from worker.keys import Keys


class FakeClock:
    """A clock that moves only by `advance`, and moves the Redis scripts' clock with it."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._offset = timedelta(0)

    def now(self) -> datetime:
        """The moment that the scripts see: the machine's time and what was added by `advance`."""
        return datetime.now(UTC) + self._offset

    def monotonic(self) -> float:
        """Seconds, moved by `advance` as well."""
        return self.now().timestamp()

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once, here and inside Redis."""
        self._offset += timedelta(seconds=seconds)
        virtual_clock.advance(self._redis, self._keys, seconds)


@pytest.fixture(scope="session")
def redis_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose embedded server runs, one for each test process."""
    settings = load(data_dir=tmp_path_factory.mktemp("redis"))
    with server(settings):
        yield settings


@pytest.fixture
def settings(redis_settings: Settings) -> Settings:
    """Settings of a system whose Redis runs and is empty."""
    return redis_settings


@pytest.fixture
def redis(redis_settings: Settings) -> Iterator[Redis]:
    """A client of a real server that is empty when the test begins."""
    client = config_redis.connect(redis_settings)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def keys() -> Keys:
    """The names of the keys."""
    return Keys()


@pytest.fixture
def clock(redis: Redis, keys: Keys) -> FakeClock:
    """A clock that the test moves."""
    return FakeClock(redis, keys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path
