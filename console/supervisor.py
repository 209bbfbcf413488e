"""Keeps the parts of the system running: starts each, starts it again when it dies, and stops them in order.

A part that dies comes back after a pause that doubles from half a second to half a minute, and falls back once the part
has stayed up; a disk that is full does not keep it away. What the parts print goes to a log file each; what happens to
them is told in one line each.

A part can be renewed: its process is replaced, by the code and the interpreter that are there now. Of one that may run
twice the new process is started first, and the old one ended when the new one works, so that nobody finds it away; the
others end first. How many times that was done, and which processes there are, is in a file, for whoever waits for it.

Who is asked to stop has time to finish. A worker whose handlers need longer is then told to hand back what it holds, so
that nobody has to find its leases later; only who does not do that either is killed.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from worker.clock import Clock

#: The pause before a part that died is started again, in seconds: first, and longest.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0

#: A part that was up for so many seconds has recovered: its next pause is the first again.
RECOVERED = 60.0

#: How long a part may take to stop, in seconds: after it was asked, and after it was told to leave everything.
GRACE = 10.0

#: How long a renewed part may take until it works, in seconds.
PATIENCE = 60.0

#: The file below the folder of the logs that says which processes there are.
PARTS = "parts.json"

#: A log that is larger than this many bytes when its part starts is put aside as `….log.1`.
LARGEST_LOG = 20_000_000

_LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(slots=True)
class Part:
    """One process of the system."""

    name: str
    command: list[str]
    signal_on_orphaning: signal.Signals = signal.SIGKILL  # what it gets when we are gone
    inherits: tuple[int, ...] = ()  # descriptors of ours that it keeps open
    stage: int = 0  # parts of one stage are stopped together, the last stage first
    signal_to_leave: signal.Signals | None = None  # tells it to end at once, in order, whatever it is doing
    is_renewable: bool = False
    may_overlap: bool = False  # two of it may run for a moment
    is_working: "Callable[[int], bool] | None" = None  # whether the process of that id does its work; may block
    process: asyncio.subprocess.Process | None = None
    keeper: "asyncio.Task[None] | None" = field(default=None, repr=False)


class Supervisor:
    """Runs parts. `say` is called with each line that a person should see."""

    def __init__(
        self,
        logs: Path,
        environment: Mapping[str, str],
        clock: Clock,
        say: Callable[[str], None],
        *,
        grace: float = GRACE,
    ) -> None:
        self.logs = logs
        self._grace = grace
        self._environment = dict(environment)
        self._clock = clock
        self._say = say
        self._parts: list[Part] = []
        self._is_stopping = False
        self._renewals = 0
        self._noting: asyncio.Task[None] | None = None  # tries to write the note again that could not be written
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def start(self, part: Part) -> None:
        """Start `part`, and keep it running from now on."""
        self._parts.append(part)
        await self._spawn(part)
        part.keeper = asyncio.create_task(self._keep(part))

    async def stop(self) -> None:
        """Stop the parts, stage by stage; each is asked, given time, and killed if it takes longer."""
        self._is_stopping = True
        if self._noting is not None:
            self._noting.cancel()
        for part in self._parts:
            if part.keeper is not None:
                part.keeper.cancel()
        for stage in sorted({part.stage for part in self._parts}, reverse=True):
            await asyncio.gather(*(self._end(part, part.process) for part in self._parts if part.stage == stage))

    async def renew(self) -> None:
        """Replace the processes of all parts that can be renewed, one after the other."""
        for part in self._parts:
            if part.is_renewable and not self._is_stopping:
                await self._renew(part)
        self._renewals += 1
        self._note()

    def break_off(self) -> None:
        """Renew nothing more: the system is about to be stopped."""
        self._is_stopping = True

    async def _renew(self, part: Part) -> None:
        old = part.process
        assert old is not None, "a part that was started has a process"
        assert part.keeper is not None, "a part that was started is kept running"
        part.keeper.cancel()
        try:
            if not part.may_overlap:
                await self._end(part, old)
            await self._spawn(part)
            new = part.process
            assert new is not None, "it was started a moment ago"
            if await self._has_begun_to_work(part, new):
                if part.may_overlap:
                    await self._end(part, old)
                self._say(f"{part.name} is renewed: process {new.pid} in place of {old.pid}")
            elif part.may_overlap:
                part.process = old
                await self._end(part, new)
                self._say(
                    f"{part.name} is not renewed: the new process did not begin to work, so process {old.pid} goes on. "
                    f"Its log: {self.log_of(part)}"
                )
        except OSError as error:
            self._say(f"{part.name} is not renewed: a new process cannot be started ({error.strerror}).")
        finally:
            part.keeper = asyncio.create_task(self._keep(part))

    async def _has_begun_to_work(self, part: Part, process: asyncio.subprocess.Process) -> bool:
        """Wait for it; False if it ended instead, or has not within PATIENCE."""
        if part.is_working is None:
            return process.returncode is None
        deadline = self._clock.monotonic() + PATIENCE
        while process.returncode is None and self._clock.monotonic() < deadline and not self._is_stopping:
            if await asyncio.to_thread(part.is_working, process.pid):
                return True
            await asyncio.sleep(0.05)
        return False

    def kill(self) -> None:
        """End everything at once."""
        self._is_stopping = True
        for part in self._parts:
            _signal_group(part.process, signal.SIGKILL)

    def log_of(self, part: Part) -> Path:
        """Where the part's output goes."""
        return self.logs / f"{part.name}.log"

    async def _spawn(self, part: Part) -> None:
        path = self.log_of(part)
        if path.exists() and path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_suffix(".log.1"))
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), str(int(part.signal_on_orphaning))]
        with path.open("ab") as log:
            part.process = await asyncio.create_subprocess_exec(
                *launcher,
                *part.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment,
                pass_fds=part.inherits,
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone, and we stop the parts in order
            )
        self._note()

    def _note(self) -> None:
        """Write down which processes there are; if that cannot be done now, as soon as it can."""
        try:
            self._write_note()
        except OSError as error:
            if self._noting is None or self._noting.done():
                self._say(
                    f"{self.logs / PARTS} cannot be written ({error.strerror}); it is tried again. All else goes on, "
                    "but `thrice restart` waits for it."
                )
                self._noting = asyncio.create_task(self._note_again())

    async def _note_again(self) -> None:
        while True:
            await asyncio.sleep(FIRST_PAUSE)
            with contextlib.suppress(OSError):
                self._write_note()
                return

    def _write_note(self) -> None:
        """Write the note, whole or not at all.

        Raises:
            OSError: there is no room, or no right.
        """
        processes = {part.name: part.process.pid for part in self._parts if part.process is not None}
        unfinished = self.logs / ".parts.json"
        unfinished.write_bytes(orjson.dumps({"renewals": self._renewals, "processes": processes}))
        unfinished.replace(self.logs / PARTS)

    async def _keep(self, part: Part) -> None:
        pause = FIRST_PAUSE
        while not self._is_stopping:
            assert part.process is not None
            started = self._clock.monotonic()
            code = await part.process.wait()
            if self._is_stopping:
                return
            if self._clock.monotonic() - started > RECOVERED:
                pause = FIRST_PAUSE
            self._say(
                f"{part.name} ended ({_how(code)}); it is started again in {pause:g} s. Its log: {self.log_of(part)}"
            )
            pause = await self._start_again(part, pause)

    async def _start_again(self, part: Part, pause: float) -> float:
        """Start `part` after `pause` seconds, or as soon as it can be; return the pause of the next time."""
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            try:
                await self._spawn(part)
            except OSError as error:
                self._say(f"{part.name} cannot be started ({error.strerror}); it is tried again in {pause:g} s.")
            else:
                return pause

    async def _end(self, part: Part, process: asyncio.subprocess.Process | None) -> None:
        if process is None or process.returncode is not None:
            return
        process.terminate()
        if part.signal_to_leave is None:
            if await _has_ended(process, GRACE):
                return
        else:
            if await _has_ended(process, self._grace):
                return
            self._say(
                f"{part.name} is still busy after {self._grace:g} s; what it runs is handed back, and runs again."
            )
            process.send_signal(part.signal_to_leave)
            if await _has_ended(process, GRACE):
                return
        self._say(f"{part.name} does not end and is killed; nothing accepted is lost by that.")
        _signal_group(process, signal.SIGKILL)
        await process.wait()


async def _has_ended(process: asyncio.subprocess.Process, seconds: float) -> bool:
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _signal_group(process: asyncio.subprocess.Process | None, number: signal.Signals) -> None:
    if process is not None and process.returncode is None:
        os.killpg(process.pid, number)


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
