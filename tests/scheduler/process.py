"""A scheduler process with recorded targets: `python -m tests.scheduler.process DATA_DIR`. SIGTERM ends it."""

import logging
import signal
import sys
import threading

from config import redis as config_redis
from producers.scheduler.scheduler import Scheduler
from tests.events import recording
from worker.clock import SystemClock
from worker.keys import Keys


def main() -> None:
    """Run until the signal comes."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = recording.settings_of(sys.argv[1])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    seams = recording.seams(settings, config_redis.connect(settings), Keys(), SystemClock())
    Scheduler(seams).run(stop)


if __name__ == "__main__":
    main()
