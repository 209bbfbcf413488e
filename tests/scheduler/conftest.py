"""The service `events` to put rules with, and a scheduler, on one Redis whose targets are recorded."""

import pytest
from redis import Redis

from config.settings import Settings
from producers.events.api import Events
from producers.scheduler.scheduler import Scheduler
from producers.seams import Seams
from tests.conftest import FakeClock
from tests.events import recording
from worker.keys import Keys


@pytest.fixture
def seams(settings: Settings, redis: Redis, keys: Keys, clock: FakeClock) -> Seams:
    """The seams with recorded targets."""
    return recording.seams(settings, redis, keys, clock)


@pytest.fixture
def events(seams: Seams) -> Events:
    """The service that rules are put with."""
    return Events(seams)


@pytest.fixture
def scheduler(seams: Seams) -> Scheduler:
    """A scheduler that fires only when the test says so."""
    return Scheduler(seams)
