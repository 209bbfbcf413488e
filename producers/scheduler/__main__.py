"""`python -m producers.scheduler`: fires schedules until it is asked to stop by SIGTERM or SIGINT."""

import logging
import signal
import threading

from config.settings import load
from producers import services
from producers.scheduler.scheduler import Scheduler


def main() -> None:
    """Run one scheduler in this process; a signal ends it between two rounds."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    scheduler = Scheduler(services.build(load()).seams)
    scheduler.run(stop)


if __name__ == "__main__":
    main()
