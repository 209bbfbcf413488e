"""The service with empty folder and empty Redis, and one bucket, `bucket`."""

from pathlib import Path

import pytest
from redis import Redis

from config.settings import load
from tests.conftest import FakeClock
from tests.s3.system import System
from worker.keys import Keys


@pytest.fixture
def system(redis: Redis, keys: Keys, clock: FakeClock, folder: Path) -> System:
    """S3 with a bucket."""
    system = System(load(data_dir=folder), redis, keys, clock)
    system.s3.create_bucket(system.request(), "bucket")
    return system
