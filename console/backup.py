"""`thrice backup` and `thrice restore`: everything that is kept, in one file, of one moment.

The moment is that of the server's snapshot. Files of objects are linked before and after it, so that all that the
snapshot names are there: a file is never changed, and removed only when no record names it. Then a server is started
with the copy, and what is in it is read, because a backup that nobody has loaded is a hope. Only then is it packed.

A backup has the credentials in it, and every payload and object: it is readable by its owner alone.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from config import redis as config_redis
from config import snapshot
from config.settings import Settings, load
from console import preflight
from console.preflight import CannotStart
from producers.s3.catalog import Catalog
from producers.s3.store import ObjectStore
from producers.s3.uploads import Uploads
from worker.clock import SystemClock, iso_ms
from worker.keys import LAYOUT, Keys
from worker.ledger import Ledger
from worker.registry import FunctionRegistry

#: Version of the form of a backup.
FORM = 1

#: What is not made anew at the next start, besides the server's data and the objects.
_FILES = ("credentials", "redis.password")

_ABOUT = "backup.json"
_SNAPSHOT = "dump.rdb"
_OBJECTS = "objects"


class BackupFailed(Exception):
    """Raised when there is no backup, or nothing was restored. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What was found when a copy was loaded."""

    functions: int
    events_in_hand: int
    dead_letters: int
    objects: int
    missing: int  # files of objects that records name and that are not there
    is_balanced: bool


def backup(settings: Settings, target: Path) -> int:
    """Write a backup to `target`; return the exit status."""
    return _told(lambda console: _backup(settings, target.absolute(), console))


def restore(settings: Settings, source: Path) -> int:
    """Fill the empty data folder from a backup; return the exit status."""
    return _told(lambda console: _restore(settings, source.absolute(), console))


def _told(work: Callable[[Console], None]) -> int:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        work(console)
    except (BackupFailed, CannotStart, config_redis.RedisUnusable, snapshot.SnapshotFailed) as error:
        console.print(f"thrice: {error}", markup=False)
        return 1
    return 0


# --- backup -----------------------------------------------------------------------------------------------------------


def _backup(settings: Settings, target: Path, console: Console) -> None:
    _refuse_foreign_server(settings)
    if target.exists():
        raise BackupFailed(f"{target} exists already, and is left as it is. Name another file, or remove that one.")
    if not (settings.folder / "redis").is_dir():
        raise BackupFailed(f"There is no data in {settings.folder}. Set THRICE_DATA_DIR to the folder of the system.")
    program = config_redis.find_server()
    with contextlib.ExitStack() as stack:
        # Beside the data, because files are linked, which needs no room and no time.
        copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backup-", dir=settings.folder)))
        redis = stack.enter_context(_running_or_started(settings, program, console))
        taken_at = SystemClock().now()
        _copy(settings, redis, copy)
        contents = _load(copy, program)
        if contents.missing:
            raise BackupFailed(
                f"{contents.missing} objects are named by the snapshot and have no file, so there is no backup. Is the "
                "disk or the data folder damaged? `thrice backup` may be tried again at any time."
            )
        about = {"form": FORM, "thrice": version("thrice"), "layout": LAYOUT, "taken_at": iso_ms(taken_at)}
        (copy / _ABOUT).write_text(json.dumps(about | {"contents": asdict(contents)}, indent=2) + "\n")
        _pack(copy, target, console)
    console.print(f"{target}: {decimal(target.stat().st_size)}, loaded and read before it was packed")
    console.print(_told_contents(contents))


def _copy(settings: Settings, redis: Redis, copy: Path) -> None:
    """All that is kept, as it is at the moment of the server's snapshot."""
    objects = settings.folder / _OBJECTS
    _link(objects, copy / _OBJECTS)
    wait = snapshot.take(redis, settings.folder / "redis", threading.Event().wait)
    _link(objects, copy / _OBJECTS)
    (copy / _SNAPSHOT).hardlink_to(wait())
    for name in _FILES:
        if (settings.folder / name).exists():
            shutil.copy2(settings.folder / name, copy / name)


def _link(source: Path, target: Path) -> None:
    """Give every file below `source` that has none yet a second name below `target`."""
    target.mkdir(mode=0o700, exist_ok=True)
    for path in source.glob("*/*"):
        linked = target / path.parent.name / path.name
        linked.parent.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError, FileNotFoundError):  # linked before; removed a moment ago
            linked.hardlink_to(path)


def _load(copy: Path, program: config_redis.ServerProgram) -> Contents:
    """Start a server with the snapshot in the copy, and read what is there."""
    with tempfile.TemporaryDirectory(prefix="load-", dir=copy) as name:
        own = load(data_dir=Path(name))
        snapshot.place(copy / _SNAPSHOT, own.folder / "redis", program)
        with _started(own, program) as redis:
            return _read(redis, ObjectStore(copy))


def _read(redis: Redis, objects: ObjectStore) -> Contents:
    keys = Keys()
    catalog, uploads = Catalog(redis, keys), Uploads(redis, keys)
    files = [
        objects.path(bucket, file)
        for bucket in catalog.buckets()
        for found in (catalog.files(bucket), uploads.files(bucket))
        for file in found
    ]
    ledger = Ledger.of(redis.hgetall(keys.ledger))
    return Contents(
        functions=len(FunctionRegistry(redis, keys).names()),
        events_in_hand=ledger.total.in_hand,
        dead_letters=int(redis.zcard(keys.dead)),
        objects=len(files),
        missing=sum(not file.exists() for file in files),
        is_balanced=ledger.total.is_balanced,
    )


def _pack(copy: Path, target: Path, console: Console) -> None:
    """Pack the copy into `target`, which is there when it is whole, and not before."""
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    unfinished = target.with_name(f".{target.name}.unfinished")
    descriptor = os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file, _progress(console) as progress:
            task = progress.add_task("packing", total=sum(path.stat().st_size for path in files))
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
                for path in files:
                    archive.add(path, str(path.relative_to(copy)))
                    progress.advance(task, path.stat().st_size)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(target)
    except OSError as error:
        raise BackupFailed(f"{target} could not be written: {error.strerror}.") from None
    finally:
        unfinished.unlink(missing_ok=True)


# --- restore ----------------------------------------------------------------------------------------------------------


def _restore(settings: Settings, source: Path, console: Console) -> None:
    _refuse_foreign_server(settings)
    if settings.folder.exists() and any(settings.folder.iterdir()):
        raise BackupFailed(
            f"The data folder {settings.folder} is not empty, and nothing in it is overwritten. Set THRICE_DATA_DIR to "
            "a new folder, or move this one away."
        )
    program = config_redis.find_server()
    settings.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.folder.parent) as name:
        copy = Path(name) / "data"
        _unpack(source, copy, console)
        about = _about(source, copy)
        contents = _load(copy, program)
        if contents.missing or contents != Contents(**about["contents"]):
            raise BackupFailed(
                f"{source} was made of {about['contents']}, and holds {asdict(contents)}: it is damaged."
            )
        snapshot.place(copy / _SNAPSHOT, copy / "redis", program)
        (copy / _SNAPSHOT).unlink()
        (copy / _ABOUT).unlink()
        if settings.folder.exists():
            settings.folder.rmdir()
        copy.rename(settings.folder)
    console.print(f"{settings.folder}: restored as it was at {about['taken_at']}")
    console.print(_told_contents(contents))
    console.print(
        "Start it with `thrice up`. What was in hand then runs again; callers' credentials are those of then."
    )


def _unpack(source: Path, copy: Path, console: Console) -> None:
    copy.mkdir(mode=0o700)
    try:
        with (
            _progress(console) as progress,
            progress.open(source, "rb", description="unpacking") as file,
            tarfile.open(fileobj=file, mode="r:gz") as archive,
        ):
            archive.extractall(copy, filter="data")
    except OSError as error:
        raise BackupFailed(f"{source} could not be read: {error.strerror or error}.") from None
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BackupFailed(f"{source} is no whole backup: {error}.") from None


def _about(source: Path, copy: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((copy / _ABOUT).read_text())
    except (FileNotFoundError, ValueError):
        raise BackupFailed(f"{source} is no backup of thrice: it has no {_ABOUT}.") from None
    if about["form"] != FORM or about["layout"] != LAYOUT:
        raise BackupFailed(
            f"{source} was made by thrice {about['thrice']} (form {about['form']}, layout {about['layout']}); this one "
            f"knows form {FORM} and layout {LAYOUT}. Restore it with that version."
        )
    return about


# --- shared -----------------------------------------------------------------------------------------------------------


def _refuse_foreign_server(settings: Settings) -> None:
    if settings.redis_url is not None:
        raise BackupFailed(
            "With THRICE_REDIS_URL the data is in a server of yours: back that up with its own means, and the data "
            "folder (objects, credentials) right after it."
        )


@contextlib.contextmanager
def _running_or_started(settings: Settings, program: config_redis.ServerProgram, console: Console) -> Iterator[Redis]:
    """The server of the system that runs; else one that is started for this, while nobody else can start the system."""
    redis = config_redis.connect(settings)
    try:
        redis.ping()
    except RedisConnectionError:
        redis.close()
    else:
        yield redis
        redis.close()
        return
    holding = preflight.held_folder(settings, lambda line: console.print(f"thrice: {line}"))
    with asyncio.Runner() as runner:
        runner.run(holding.__aenter__())
        try:
            with _started(settings, program) as own:
                yield own
        finally:
            runner.run(holding.__aexit__(None, None, None))


@contextlib.contextmanager
def _started(settings: Settings, program: config_redis.ServerProgram) -> Iterator[Redis]:
    """A server with the data in the folder of `settings`, for as long as the context lasts."""
    command = config_redis.server_command(program, settings)
    with (settings.folder / "redis" / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    redis = config_redis.connect(settings)
    try:
        _wait_until_loaded(redis, process)
        yield redis
    finally:
        redis.close()
        process.terminate()
        process.wait()


def _wait_until_loaded(redis: Redis, process: "subprocess.Popen[bytes]") -> None:
    pause = threading.Event()
    while True:  # ends: a server that loads answers, or ends
        try:
            redis.ping()
        except (RedisConnectionError, BusyLoadingError):
            if process.poll() is not None:
                raise BackupFailed(f"A server could not load the data (exit status {process.returncode}).") from None
            pause.wait(0.05)
        except RedisError as error:
            raise BackupFailed(f"The server that was to load the data answered: {error}.") from None
        else:
            return


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _told_contents(contents: Contents) -> str:
    ledger = "the ledger balances" if contents.is_balanced else "the ledger does not balance, as it did not then"
    return (
        f"{contents.functions} functions, {contents.events_in_hand} events in hand, {contents.dead_letters} dead "
        f"letters, {contents.objects} objects; {ledger}"
    )
