"""`thrice dev`: deploy, then deploy again whenever a file is saved, and show what the functions log meanwhile.

Files are looked at five times a second. A change is deployed as soon as it is seen; events that are running end on the
code they began with. Python that cannot be parsed is shown and not deployed: the code that runs stays.
"""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from config.settings import Settings
from console.clients import Clients
from console.deploy.build import watched
from console.deploy.deployment import DeploymentFailed, Prepared, Wanted, read_plan, root_of, template_of
from console.deploy.handler import PYTHON_RUNTIME, broken
from console.deploy.package import NoPackage
from console.deploy.problem import CannotDeploy
from console.deploy.steps import Step
from console.deploying import away, deploy
from console.following import Tail, emit, line
from worker.clock import SystemClock

#: How often files and logs are looked at, in seconds.
LOOK = 0.2

#: A file's time, size and number: what changes when it is saved.
Stamps = Mapping[str, tuple[int, int, int]]


class Development:
    """A loop of looking, deploying and showing logs."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self._settings = settings
        self._wanted = wanted
        self._clients = Clients(settings)
        self._console = Console(highlight=False, soft_wrap=True)
        self._tails: dict[str, Tail] = {}
        self._steps: tuple[Step, ...] = ()  # of the last plan that could be read: they say which files matter
        self._stamps: Stamps = {}
        self._runtimes: set[str] = set()  # of the functions that were deployed last
        self._undeployed: set[str] = set()  # files that were saved since the last deployment

    def run(self, stop: Event) -> int:
        """Deploy, and look until `stop` is set; return the exit status: 1 if the first deployment fails."""
        self._plan()
        self._stamps = self._look()
        if not self._deploy():
            return 1
        self._console.print("Watching. Save a file to deploy it; Ctrl-C ends.", style="bold")
        while not stop.wait(LOOK):
            stamps = self._look()
            if stamps != self._stamps:
                stamps = self._settled(stamps, stop)
                changed = sorted(name for name, stamp in stamps.items() if self._stamps.get(name) != stamp)
                self._stamps = stamps
                self._redeploy(changed)
            self._show_logs()
        return 0

    def _redeploy(self, changed: list[str]) -> None:
        names = ", ".join(Path(name).name for name in changed[:3]) or "a file is gone"
        self._console.print(f"\n{names}{' …' if len(changed) > 3 else ''}", style="bold", markup=False)
        self._plan()
        self._stamps = {**self._look(), **self._stamps}  # files that the plan names anew have not changed
        self._undeployed |= set(changed)
        problems = self._broken(sorted(self._undeployed))
        if problems:
            self._console.print("\n".join(problems), style="red", markup=False)
            self._console.print("Not deployed: the code that runs stays.", style="yellow")
            return
        if self._deploy(only_changes=True):
            self._undeployed.clear()

    def _plan(self) -> None:
        """Note which files matter. What cannot be read is told by the deployment."""
        with contextlib.suppress(CannotDeploy):
            self._steps = read_plan(self._wanted, self._settings).steps

    def _broken(self, changed: list[str]) -> list[str]:
        """What is wrong with the changed files; only where this Python is the one that would run them."""
        if PYTHON_RUNTIME not in self._runtimes:
            return []
        sources = {}
        for name in changed:
            path = Path(name)
            if path.suffix == ".py" and path.is_file():
                sources[path.name] = path.read_bytes()
        return broken(sources)

    def _deploy(self, *, only_changes: bool = False) -> bool:
        started = time.monotonic()
        try:
            prepared = deploy(self._settings, self._clients, self._wanted, self._console, only_changes=only_changes)
        except (CannotDeploy, DeploymentFailed) as error:
            self._console.print(f"thrice: {error}", style="red", markup=False)
            return False
        except (BotoCoreError, ClientError) as error:
            self._console.print(f"thrice: {away(self._settings, error)}", style="red", markup=False)
            return False
        self._console.print(f"Deployed in {(time.monotonic() - started) * 1_000:.0f} ms.", style="green")
        self._follow(prepared)
        return True

    def _follow(self, prepared: Prepared) -> None:
        self._runtimes = {str(step.members.get("Runtime")) for step in prepared.plan.functions}
        now_ms = int(SystemClock().now().timestamp() * 1_000)
        for step in prepared.plan.functions:
            self._tails.setdefault(step.name, Tail(self._clients.logs, step.name, now_ms))

    def _show_logs(self) -> None:
        for name, tail in self._tails.items():
            try:
                events = tail.more()
            except (BotoCoreError, ClientError):
                return  # the system is away or starting again; the next look reads on from here
            for event in events:
                emit(self._console, line(event, name))

    def _settled(self, stamps: Stamps, stop: Event) -> Stamps:
        """The stamps when nothing changes any more: an editor may write a file in several steps, and several files."""
        while not stop.wait(LOOK / 4):
            again = self._look()
            if again == stamps:
                break
            stamps = again
        return stamps

    def _look(self) -> Stamps:
        """The stamps of all files that a deployment is made of."""
        files: dict[str, Path] = {}
        template = template_of(self._wanted.path)
        if template is not None:
            files[str(template)] = template
        try:
            files |= watched(root_of(self._wanted), self._steps)
        except NoPackage:
            files |= {name: Path(name) for name in self._stamps}  # a folder is away just now
        return {name: stamp for name, path in files.items() if (stamp := _stamp(path)) is not None}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
