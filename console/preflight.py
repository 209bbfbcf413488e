"""What must be so before anything is started: the data folder is ours alone, the port is free, Redis keeps events."""

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import TextIO

from redis import Redis
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError

from config import redis as config_redis
from config.settings import Settings
from worker import virtual_clock
from worker.duration import spelled
from worker.keys import LAYOUT, Keys
from worker.runtime import confinement

#: How long Redis may take to load its data, in seconds.
LOADING = 60.0

#: How many callers may wait to be let in.
BACKLOG = 2_048

#: How long the parts of an earlier run that was killed may take to end, in seconds.
ENDING = 15.0


class CannotStart(Exception):
    """Raised when the system cannot be started here. The text says why, and what to do."""


@contextlib.asynccontextmanager
async def held_folder(settings: Settings, say: Callable[[str], None]) -> AsyncIterator[int]:
    """Hold the data folder for this process alone; gives the lock's descriptor.

    The lock goes when this process and those that inherited the descriptor have ended, however they end. A server of an
    earlier run that was killed may still be writing its data: it is waited for.

    Raises:
        CannotStart: another `thrice up` has the folder, or it cannot be written.
    """
    try:
        settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(settings.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(
            f"The data folder {settings.folder} cannot be used: {error.strerror}. "
            "Set THRICE_DATA_DIR to a folder that you may write to."
        ) from None
    with os.fdopen(descriptor, "r+") as file:
        await _lock(file, settings, say)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


async def _lock(file: TextIO, settings: Settings, say: Callable[[str], None]) -> None:
    holder = file.read().strip()
    file.seek(0)
    for turn in range(int(ENDING * 10)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _is_alive(holder):
                break
        else:
            return
        if turn == 0:
            say("waiting until the Redis of the last run, which was killed, has ended")
        await asyncio.sleep(0.1)
    raise CannotStart(
        f"The data folder {settings.folder} is in use by another `thrice up` (process {holder}). "
        "Stop that one first, or set THRICE_DATA_DIR to another folder."
    )


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def listen(settings: Settings) -> socket.socket:
    """Take the port that the gateway answers on, before there is a gateway.

    It stays ours when a gateway dies or is replaced: who connects meanwhile waits for the next one, and is not refused.

    Raises:
        CannotStart: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with contextlib.ExitStack() as unless_taken:
        door = unless_taken.enter_context(socket.socket(family, socket.SOCK_STREAM))
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((settings.host, settings.port))
            door.listen(BACKLOG)
        except OSError as error:
            raise CannotStart(
                f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
                "Another program may be using the port; set THRICE_PORT to a free one, or THRICE_HOST to an address "
                "of this machine."
            ) from None
        unless_taken.pop_all()
    return door


def check_isolation(settings: Settings) -> None:
    """Refuse to start where handlers would have to be started without the walls that the operator insists on.

    Raises:
        CannotStart: isolation is strict, and the machine allows no namespaces.
    """
    if settings.isolation != "strict":
        return  # the workers will see for themselves
    refusal = confinement.find(settings.isolation, settings.folder / "runtime").refusal()
    if refusal is not None:
        raise CannotStart(refusal)


def reset_clock(redis: Redis, settings: Settings, say: Callable[[str], None]) -> None:
    """Take away a virtual clock that the last run left, unless this one is to have one too."""
    keys = Keys()
    if settings.clock == "virtual" or not redis.exists(keys.clock):
        return
    left = virtual_clock.read(redis, keys)
    redis.delete(keys.clock)
    stood = "stood still, " if left.is_frozen else ""
    say(
        f"the clock of the last run (THRICE_CLOCK=virtual) {stood}was {_ahead(left.offset_ms)}; it is the machine's "
        "own again. What was to be due by it waits for the real time. To keep it, start with THRICE_CLOCK=virtual."
    )


def _ahead(offset_ms: int) -> str:
    return f"{spelled(abs(offset_ms) / 1000)} {'ahead of' if offset_ms >= 0 else 'behind'} the real time"


async def usable_redis(redis: Redis, server: str) -> str:
    """Wait until Redis answers, and refuse one that would lose events or holds another layout; return its name.

    Raises:
        CannotStart: it does not answer in time, or it is refused.
    """
    problem = "it does not answer"
    for _ in range(int(LOADING * 20)):
        try:
            redis.ping()
            break
        except (BusyLoadingError, RedisConnectionError) as error:
            problem = str(error)
            await asyncio.sleep(0.05)
    else:
        raise CannotStart(f"Redis ({server}) is not ready after {LOADING:g} s: {problem}.")
    try:
        name = config_redis.check(redis)
    except config_redis.RedisUnusable as error:
        raise CannotStart(str(error)) from None
    keys = Keys()
    redis.set(keys.layout, LAYOUT, nx=True)
    found = int(redis.get(keys.layout) or 0)
    if found != LAYOUT:
        raise CannotStart(
            f"The data in Redis has layout {found}, and this thrice knows layout {LAYOUT}. "
            "Use the version of thrice that wrote it, or another data folder."
        )
    return f"{name} ({server})"
