"""`thrice demo`: the main job on real input, in a system of its own.

The system gets a temporary folder and a free port, so that nothing of the user's is touched. Everything is done as a
user would do it, with boto3; at the end the ledger must balance, and every result and dead letter must be there.
"""

import asyncio
import contextlib
import socket
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from config.settings import Settings, SettingsError, load
from console.demo_steps import DemoFailed, Demonstration
from console.preflight import CannotStart
from console.up import Ready, running, stop_signals

#: Instead of 0, 60 and 120 s: so that three attempts fit into a demonstration.
COUNTDOWNS = "0,1,2"

#: The exit status of a command that Ctrl-C ended, by the shell's custom.
INTERRUPTED = 130

EXAMPLES = Path(__file__).parents[1] / "examples"


def main() -> int:
    """Run the demonstration; return the exit status."""
    console = Console(highlight=False, soft_wrap=True)
    if not EXAMPLES.is_dir():
        console.print(f"thrice: the demonstration needs the folder {EXAMPLES}, which is in the source tree.")
        return 1
    with tempfile.TemporaryDirectory(prefix="thrice-demo-") as folder:
        try:
            settings = load(data_dir=Path(folder), port=_free_port(), retry_countdowns=COUNTDOWNS, redis_url=None)
            return asyncio.run(_run(settings, console))
        except (CannotStart, DemoFailed, SettingsError) as error:
            console.print(f"\nthrice: {error}", markup=False, style="red")
            return 1


async def _run(settings: Settings, console: Console) -> int:
    console.print("The main job of thrice, on real input, in a system of its own (temporary folder, free port).")
    console.print(
        "For the demonstration attempts follow after [bold]0, 1 and 2 s[/bold]; "
        "the default is 0, 60 and 120 s (THRICE_RETRY_COUNTDOWNS).\n"
    )
    stop = stop_signals()
    async with running(settings, lambda line: console.print(f"thrice: {line}", markup=False), stop) as ready:
        if ready is None:
            return INTERRUPTED
        return await _demonstrate(settings, console, ready, stop)


async def _demonstrate(settings: Settings, console: Console, ready: Ready, stop: asyncio.Event) -> int:
    console.print(f"Ready after {ready.took:.1f} s at {ready.url}: {ready.redis}, {ready.workers} workers.\n")
    given_up = threading.Event()
    demonstration = Demonstration(settings, console, EXAMPLES, given_up)
    work = asyncio.create_task(asyncio.to_thread(demonstration.run))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        given_up.set()
        with contextlib.suppress(DemoFailed):
            await work
        return INTERRUPTED
    stopped.cancel()
    return work.result()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
