"""The gateway as a process: `python -m producers.gateway`. One port for all services, the canary beside it."""

import asyncio
import contextlib
import logging
import sys

import uvicorn
import uvloop

from config import settings as config_settings
from config.credentials import read_credentials
from producers import services
from producers.canary import Canary
from producers.gateway.app import Gateway
from producers.internal import Internal


async def serve(settings: config_settings.Settings) -> None:
    """Answer requests until SIGTERM or SIGINT."""
    built = services.build(settings)
    canary = Canary(built.seams, built.queue, built.async_redis)
    credentials = read_credentials(settings)
    gateway = Gateway(
        built.by_name,
        settings=settings,
        clock=built.seams.clock,
        credentials={credentials.access_key: credentials.secret_key},
        internal=Internal(canary, built.async_redis, built.seams.keys),
    )
    server = uvicorn.Server(
        uvicorn.Config(
            gateway,
            host=settings.host,
            port=settings.port,
            http="httptools",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
    flight = asyncio.create_task(canary.run())
    try:
        await server.serve()
    finally:
        flight.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flight
        await built.async_redis.aclose()
        built.close()


def main() -> None:
    """Run the gateway by the settings of the environment."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = config_settings.load()
    except config_settings.SettingsError as error:
        sys.exit(str(error))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))


if __name__ == "__main__":
    main()
