"""A Lambda service on an empty Redis."""

import asyncio
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.client import Pipeline

from config import redis as config_redis
from config.settings import Settings
from producers.lambda_.api import Lambda
from producers.seams import Seams, TargetMissing
from tests.conftest import FakeClock
from tests.lambda_.system import RecordingQueue, System
from worker.keys import Keys


def deliver_nowhere(pipe: Pipeline, target_arn: str, payload: bytes, **_: object) -> None:
    """There is no target at all."""
    raise TargetMissing(target_arn)


@pytest.fixture
def seams(settings: Settings, redis: Redis, keys: Keys, clock: FakeClock) -> Seams:
    """The world of a service that causes no events."""
    return Seams(settings=settings, redis=redis, keys=keys, clock=clock, deliver=deliver_nowhere)


@pytest.fixture
def system(settings: Settings, seams: Seams) -> Iterator[System]:
    """The service, with a queue that records."""
    with asyncio.Runner() as runner:
        async_redis = config_redis.connect_async(settings)
        queue = RecordingQueue(seams)
        yield System(Lambda(seams, queue, async_redis), queue, runner)
        runner.run(async_redis.aclose())
