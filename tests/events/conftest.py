"""The service `events` whose targets are recorded."""

import pytest
from redis import Redis

from config.settings import Settings
from producers.events.api import Events
from tests.conftest import FakeClock
from tests.events import recording
from worker.keys import Keys


@pytest.fixture
def events(settings: Settings, redis: Redis, keys: Keys, clock: FakeClock) -> Events:
    """The service on an empty Redis."""
    return Events(recording.seams(settings, redis, keys, clock))
