"""Keeps the parts of the system running: starts each, starts it again when it dies, and stops them in order.

A part that dies comes back after a pause that doubles from half a second to half a minute, and falls back once the part
has stayed up. What the parts print goes to a log file each; what happens to them is told in one line each.

Who is asked to stop has time to finish. A worker whose handlers need longer is then told to hand back what it holds, so
that nobody has to find its leases later; only who does not do that either is killed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worker.clock import Clock

#: The pause before a part that died is started again, in seconds: first, and longest.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0

#: A part that was up for so many seconds has recovered: its next pause is the first again.
RECOVERED = 60.0

#: How long a part may take to stop, in seconds: after it was asked, and after it was told to leave everything.
GRACE = 10.0

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
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def start(self, part: Part) -> None:
        """Start `part`, and keep it running from now on."""
        self._parts.append(part)
        await self._spawn(part)
        part.keeper = asyncio.create_task(self._keep(part))

    async def stop(self) -> None:
        """Stop the parts, stage by stage; each is asked, given time, and killed if it takes longer."""
        self._is_stopping = True
        for part in self._parts:
            if part.keeper is not None:
                part.keeper.cancel()
        for stage in sorted({part.stage for part in self._parts}, reverse=True):
            await asyncio.gather(*(self._end(part) for part in self._parts if part.stage == stage))

    def kill(self) -> None:
        """End everything at once."""
        self._is_stopping = True
        for part in self._parts:
            _signal_group(part, signal.SIGKILL)

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
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            await self._spawn(part)

    async def _end(self, part: Part) -> None:
        if part.process is None or part.process.returncode is not None:
            return
        part.process.terminate()
        if part.signal_to_leave is None:
            if await _has_ended(part.process, GRACE):
                return
        else:
            if await _has_ended(part.process, self._grace):
                return
            self._say(
                f"{part.name} is still busy after {self._grace:g} s; what it runs is handed back, and runs again."
            )
            part.process.send_signal(part.signal_to_leave)
            if await _has_ended(part.process, GRACE):
                return
        self._say(f"{part.name} does not end and is killed; nothing accepted is lost by that.")
        _signal_group(part, signal.SIGKILL)
        await part.process.wait()


async def _has_ended(process: asyncio.subprocess.Process, seconds: float) -> bool:
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _signal_group(part: Part, number: signal.Signals) -> None:
    if part.process is not None and part.process.returncode is None:
        os.killpg(part.process.pid, number)


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
