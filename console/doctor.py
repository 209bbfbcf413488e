"""`thrice doctor`: what this machine has of what thrice needs or can use, and what to do about the rest.

Everything is found by trying: a port is bound, a file is written, a wall is built, an interpreter is started. Nothing
is left behind, and a system that runs is not disturbed. A check that is required and fails means that `thrice up`
cannot start; every other one only says what will be missing.
"""

import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from config import redis as config_redis
from config.settings import Settings
from console import preflight
from worker.runtime import confinement, interpreter
from worker.runtime.confinement import Walls
from worker.runtime.interpreter import InterpreterMissing
from worker.runtime.runtimes import RUNTIMES, Family

#: Below this much free space, in bytes, a busy queue may soon have no room.
LITTLE_SPACE = 1 << 30

#: Open files that a gateway and a worker under load may need: each connection and each environment has some.
ENOUGH_FILES = 4_096


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    is_good: bool
    found: str
    advice: str = ""  # what to do if it is not good
    is_required: bool = False


def show(settings: Settings, *, as_json: bool) -> int:
    """Print all findings; return the exit status: 0 if a system can start here, else 1."""
    findings = list(examine(settings))
    can_start = all(finding.is_good for finding in findings if finding.is_required)
    if as_json:
        document = {"can_start": can_start, "findings": [asdict(finding) for finding in findings]}
        print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        Console(soft_wrap=True).print(table(findings))
        print("A system can start here." if can_start else "A system cannot start here: see what is marked 'needed'.")
    return 0 if can_start else 1


def table(findings: list[Finding]) -> Table:
    """The findings, a row each; the advice stands below what it is about."""
    view = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold underline")
    for column in ("", "what", "found"):
        view.add_column(column, overflow="fold")
    for finding in findings:
        mark = "ok" if finding.is_good else "needed" if finding.is_required else "missing"
        view.add_row(mark, finding.name, finding.found)
        if not finding.is_good and finding.advice:
            view.add_row("", "", f"→ {finding.advice}")
    return view


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, in the order in which `thrice up` would need it."""
    yield _folder(settings)
    yield _disk(settings)
    yield _port(settings)
    yield _redis(settings)
    yield _files()
    yield Finding("cores", is_good=True, found=f"{os.cpu_count()}, {settings.workers} workers (THRICE_WORKERS)")
    with tempfile.TemporaryDirectory(prefix="thrice-doctor-") as folder:
        yield from walls(confinement.find(settings.isolation, Path(folder)))
    yield from _interpreters()


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _folder(settings: Settings) -> Finding:
    name, folder = "data folder", _nearest(settings.folder)
    advice = "Set THRICE_DATA_DIR to a folder that you may write to."
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        found = f"{settings.folder}: {folder} cannot be written: {error.strerror}"
        return Finding(name, is_good=False, found=found, advice=advice, is_required=True)
    state = "" if folder == settings.folder else " (will be made)"
    return Finding(name, is_good=True, found=f"{settings.folder}{state}", is_required=True)


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(_nearest(settings.folder)).free
    found = f"{free / (1 << 30):.1f} GiB free"
    return Finding("disk", free >= LITTLE_SPACE, found, "Make room: a queue that cannot be written accepts nothing.")


def _port(settings: Settings) -> Finding:
    name = "port"
    try:
        preflight.listen(settings).close()
    except preflight.CannotStart as error:
        if _is_ours(settings):
            return Finding(name, is_good=True, found=f"{settings.gateway_url}: a thrice is running", is_required=True)
        return Finding(name, is_good=False, found=str(error), advice="Set THRICE_PORT to a free one.", is_required=True)
    return Finding(name, is_good=True, found=f"{settings.host}:{settings.port} is free", is_required=True)


def _is_ours(settings: Settings) -> bool:
    """Whether it is a gateway of ours that has the port."""
    host = settings.gateway_url.rpartition(":")[0].removeprefix("http://").strip("[]")
    try:
        with socket.create_connection((host, settings.port), timeout=1) as asked:
            asked.sendall(
                f"GET /_thrice/health HTTP/1.1\r\nHost: {settings.host}\r\nConnection: close\r\n\r\n".encode()
            )
            return b"canary" in asked.recv(65_536)
    except OSError:
        return False


def _redis(settings: Settings) -> Finding:
    name = "redis"
    if settings.redis_url is None:
        try:
            server = config_redis.find_server()
        except config_redis.RedisUnusable as error:
            return Finding(name, is_good=False, found="no server to start", advice=str(error), is_required=True)
        return Finding(name, is_good=True, found=f"{server.name} ({server.origin}): {server.path}", is_required=True)
    advice = "Start it, or unset THRICE_REDIS_URL: `thrice up` then starts its own."
    client = config_redis.connect(settings)
    try:
        client.ping()
        found = f"yours: {config_redis.check(client)}"
    except (OSError, RedisError, config_redis.RedisUnusable) as error:
        return Finding(name, is_good=False, found=str(error), advice=advice, is_required=True)
    finally:
        client.close()
    return Finding(name, is_good=True, found=found, is_required=True)


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    advice = f"Raise it before you start thrice: ulimit -n {min(ENOUGH_FILES, hard) if hard > 0 else ENOUGH_FILES}"
    return Finding("open files", soft >= ENOUGH_FILES or soft < 0, f"{soft} for each process (ulimit -n)", advice)


def walls(found: Walls) -> Iterator[Finding]:
    """The walls around handlers, and what stands in for those that fall."""
    if found.isolation == "off":
        text = "off (THRICE_ISOLATION): a handler has its process group, its variables and its memory limit, no more"
        yield Finding("isolation", is_good=True, found=text)
        return
    is_strict = found.isolation == "strict"
    if found.namespaces:
        right = {"root": "as root", "user": "by a user namespace"}[found.namespaces]
        who = "a user for each environment" if found.namespaces == "root" else "your own user without its rights"
        yield Finding("walls: files", is_good=True, found=f"a root of its own, {right}", is_required=is_strict)
        yield Finding("walls: processes", is_good=True, found="numbers of its own; daemons end with it; 1,024 at most")
        yield Finding("walls: user", is_good=True, found=f"{who}; no capabilities, no new privileges")
        yield Finding("walls: /tmp", is_good=True, found="its own, as large as EphemeralStorage")
    else:
        advice = (
            "Run the workers as root, or allow user namespaces (sysctl user.max_user_namespaces, "
            "kernel.apparmor_restrict_unprivileged_userns; in a container: its seccomp profile). See docs/isolation.md."
        )
        text = f"no namespaces: {found.no_namespaces}"
        yield Finding("walls: files", is_good=False, found=text, advice=advice, is_required=is_strict)
        yield Finding("walls: processes", is_good=False, found="daemons that leave the process group outlive it")
        yield Finding("walls: user", is_good=True, found="the worker's own; no new privileges")
        yield Finding("walls: /tmp", is_good=False, found="a folder of its own; EphemeralStorage limits each file")
    if found.landlock:
        yield Finding("walls: Landlock", is_good=True, found=f"version {found.landlock}")
    else:
        advice = "Linux 5.19 or newer with `landlock` among its security modules (kernel parameter lsm=)."
        yield Finding("walls: Landlock", is_good=False, found=found.no_landlock, advice=advice)


def _interpreters() -> Iterator[Finding]:
    """What each runtime would run on. They are looked for side by side: each is started to see what it is."""
    runtimes = [runtime for runtime, what in RUNTIMES.items() if what.family is not Family.PROVIDED]
    with ThreadPoolExecutor() as pool:
        yield from pool.map(_interpreter, runtimes)


def _interpreter(runtime: str) -> Finding:
    name = f"runtime {runtime}"
    try:
        found = interpreter.find(runtime)
    except InterpreterMissing:
        return Finding(name, is_good=False, found="no such interpreter", advice="Install it if you need it.")
    return Finding(name, is_good=True, found=f"{'.'.join(map(str, found.version))}: {found.path}")
