"""The gateway as a process: `python -m producers.gateway [DESCRIPTOR]`. One port for all services.

The descriptor is that of a socket that listens already, which gateways may share; without one it listens itself.

Beside the requests its event loop sends the canary, and once an hour it removes what interrupted uploads left behind.
"""

import asyncio
import contextlib
import logging
import socket
import sys

import uvicorn
import uvloop
from redis.exceptions import RedisError

from config import settings as config_settings
from config.credentials import read_credentials
from producers import services
from producers.canary import Canary
from producers.gateway.app import Gateway
from producers.gateway.full_disk import FullDisk
from producers.internal.app import Internal
from worker.collector import spare_the_collector

#: How often files without a record are looked for, in seconds.
TIDY = 3_600.0

_log = logging.getLogger("thrice.gateway")


async def serve(settings: config_settings.Settings, door: socket.socket | None = None) -> None:
    """Answer requests until SIGTERM or SIGINT, at a door that is open already or at one of its own."""
    built = services.build(settings)
    canary = Canary(built.seams, built.queue, built.async_redis)
    credentials = read_credentials(settings)
    beside: list[asyncio.Task[None]] = []

    def start() -> None:
        spare_the_collector()
        beside.extend((asyncio.create_task(canary.run()), asyncio.create_task(_tidy(built))))

    async def stop() -> None:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await built.aclose()

    gateway = Gateway(
        built.by_name,
        settings=settings,
        clock=built.seams.clock,
        credentials={credentials.access_key: credentials.secret_key},
        internal=Internal.of(built, canary, settings),
        full_disk=_full_disk(built, settings),
        on_startup=[start],
        on_shutdown=[stop],
    )
    server = uvicorn.Server(
        uvicorn.Config(
            gateway,
            host=settings.host,
            port=settings.port,
            http="httptools",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises what ended it once more
        await server.serve(None if door is None else [door])


def _full_disk(built: services.Services, settings: config_settings.Settings) -> FullDisk | None:
    """That of the embedded server. Where the disk of another one is, nobody here can see."""
    if settings.redis_url is not None:
        return None
    nothing = built.seams.keys.call("")
    return FullDisk(settings.folder, lambda: built.async_redis.unlink(nothing))


async def _tidy(built: services.Services) -> None:
    while True:
        try:
            removed = await asyncio.to_thread(built.tidy)
        except (OSError, RedisError) as error:
            _log.warning("Files without a record could not be looked for: %s", error)
        else:
            if removed:
                _log.info("Removed %d files that interrupted uploads had left behind", removed)
        await asyncio.sleep(TIDY)


def main(descriptor: int | None = None) -> None:
    """Run the gateway by the settings of the environment. `descriptor` is that of a socket that listens."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = config_settings.load()
    except config_settings.SettingsError as error:
        sys.exit(str(error))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, None if descriptor is None else socket.socket(fileno=descriptor)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
