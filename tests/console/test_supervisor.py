"""What keeps the parts running, with parts that do nothing, and a folder of logs that takes nothing more."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson

from console.supervisor import PARTS, Part, Supervisor
from worker.clock import SystemClock


async def until(predicate: Callable[[], bool]) -> None:
    """Wait until it is so, on the loop that the supervisor needs, too."""
    async with asyncio.timeout(30):
        while not predicate():  # noqa: ASYNC110 - processes tell nobody
            await asyncio.sleep(0.01)


def kill(part: Part) -> int:
    """SIGKILL the process of a part; the id that it had."""
    assert part.process is not None
    pid = part.process.pid
    os.kill(pid, signal.SIGKILL)
    return pid


def run(folder: Path, said: list[str], die: Callable[[Supervisor, Part], Awaitable[None]]) -> None:
    """Have a part that sleeps kept running while `die` goes on."""

    async def supervise() -> None:
        supervisor = Supervisor(folder, os.environ, SystemClock(), said.append)
        part = Part("idle", ["/bin/sleep", "600"])
        await supervisor.start(part)
        try:
            await die(supervisor, part)
        finally:
            await supervisor.stop()

    asyncio.run(supervise())


def test_parts_are_started_again_while_their_note_cannot_be_written(tmp_path: Path):
    """What dies comes back as often as it dies, and the note is written as soon as it can be."""
    said: list[str] = []

    async def die_twice(_: Supervisor, part: Part) -> None:
        (tmp_path / ".parts.json").mkdir()  # whoever writes there is refused, as on a disk that is full
        for _ in range(2):
            pid = kill(part)
            await until(lambda pid=pid: part.process is not None and part.process.pid != pid)
        (tmp_path / ".parts.json").rmdir()
        pid = part.process.pid if part.process else 0
        await until(lambda: orjson.loads((tmp_path / PARTS).read_bytes())["processes"] == {"idle": pid})

    run(tmp_path, said, die_twice)

    assert sum("idle ended (killed by SIGKILL)" in line for line in said) == 2
    assert sum("parts.json cannot be written (Is a directory)" in line for line in said) == 1


def test_part_that_cannot_be_started_is_tried_again(tmp_path: Path):
    """Its log cannot be opened: that is told, and it starts when it can be."""
    said: list[str] = []

    async def die_once(supervisor: Supervisor, part: Part) -> None:
        log = supervisor.log_of(part)
        log.unlink()
        log.mkdir()
        pid = kill(part)
        await until(lambda: any("idle cannot be started (Is a directory)" in line for line in said))
        log.rmdir()
        await until(lambda: part.process is not None and part.process.pid != pid)

    run(tmp_path, said, die_once)

    assert sum("idle ended (killed by SIGKILL)" in line for line in said) == 1
