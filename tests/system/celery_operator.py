"""What a person who knows Celery has: workers started by Celery's own command, its remote control, and their log.

Handlers note when they begin and end, and wait for a gate that the test opens: what runs and what waits is then for the
test to say, and no test waits for a length of time.
"""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery
from kombu import pools

from config.celery import celery_settings
from tests.chaos.parts import Part
from tests.chaos.system import System
from tests.system.running import ROLE, zipped
from tests.waiting import wait_until
from worker.ledger import Account, Ledger
from worker.runtime.interpreter import own_runtime
from worker.transport.urls import use_for_redis_urls

ROOT = Path(__file__).parents[2]

#: Notes its beginning and its end, with the process it runs in; in between it waits until one of its gates is open.
HANDLER = """
import os, pathlib, time

FOLDER = pathlib.Path(os.environ['NOTES'])

def note(word, event):
    descriptor = os.open(FOLDER / 'notes', os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{word} {event['number']} {os.getpid()}\\n".encode())
    os.close(descriptor)

def handler(event, context):
    note('begin', event)
    gates = [FOLDER / 'open', FOLDER / f"open-{event['number']}", FOLDER / f'open-process-{os.getpid()}']
    while event.get('waits') and not any(gate.exists() for gate in gates):
        time.sleep(0.005)
    if event.get('fails'):
        raise ValueError('as it was told')
    note('end', event)
    return event['number']
"""


@dataclass(frozen=True)
class Function:
    """A function of a test."""

    name: str
    folder: Path
    system: System = field(repr=False)
    client: Any = field(repr=False)

    def invoke(self, number: int, **event: Any) -> str:
        """Have 202 answered, and return the request id."""
        payload = json.dumps({"number": number, **event}).encode()
        answer = self.client.invoke(FunctionName=self.name, InvocationType="Event", Payload=payload)
        assert answer["StatusCode"] == 202
        answer["Payload"].read()
        return str(answer["ResponseMetadata"]["RequestId"])

    def call(self, number: int, **event: Any) -> Any:
        """Invoke synchronously; return what the handler returned, or the error of the function."""
        payload = json.dumps({"number": number, **event}).encode()
        return json.load(self.client.invoke(FunctionName=self.name, Payload=payload)["Payload"])

    def open(self, gate: str = "open") -> None:
        """Let handlers go on: all, those of one event (`open-1`), or that of one process (`open-process-1`)."""
        (self.folder / gate).touch()

    def _noted(self, word: str) -> list[tuple[int, int]]:
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(line.split()[1]), int(line.split()[2])) for line in lines if line.startswith(word)]

    @property
    def begun(self) -> list[tuple[int, int]]:
        """Number of the event and process of each run that has begun."""
        return self._noted("begin")

    @property
    def ended(self) -> list[int]:
        """Numbers of the events whose runs have ended, in order."""
        return sorted(number for number, _ in self._noted("end"))

    @property
    def account(self) -> Account:
        """What the ledger says of it."""
        return self.system.account(self.name)


@dataclass
class Operator:
    """A system whose workers an operator starts and controls."""

    system: System
    app: Celery
    folder: Path
    client: Any = field(repr=False)
    workers: dict[str, Part] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)

    def start(self, name: str, *options: str) -> Part:
        """Start a worker, and wait until it consumes."""
        quiet = ["--without-gossip", "--without-mingle"]
        command = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-n", f"{name}@test", "-l", "INFO", *quiet]
        environment = {**self.system.gateway.environment, "PYTHONPATH": str(ROOT)}
        part = Part(name, [*command, *options], environment, self.folder / f"{name}.log")
        self.workers[name] = part
        part.start()
        wait_until(lambda: " ready." in self.log(name) or not part.is_running, f"{name} is ready", 60)
        assert part.is_running, self.log(name)
        return part

    def log(self, name: str) -> str:
        """What a worker has logged."""
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def create(self, name: str, **fields: Any) -> Function:
        """Create a function."""
        folder = self.folder / name
        folder.mkdir()
        self.client.create_function(
            FunctionName=name, Runtime=own_runtime(), Role=ROLE, Handler="app.handler",
            Code={"ZipFile": zipped(HANDLER)},
            **{"Timeout": 60, "Environment": {"Variables": {"NOTES": str(folder)}}, **fields},
        )  # fmt: skip
        self.functions[name] = Function(name, folder, self.system, self.client)
        return self.functions[name]

    def inspect(self, name: str, method: str, *arguments: Any) -> Any:
        """What one worker answers to `celery inspect`."""
        found = getattr(self.app.control.inspect([f"{name}@test"], timeout=5, limit=1), method)(*arguments)
        assert found is not None, f"{name} did not answer"
        return found[f"{name}@test"]

    def control(self, name: str, command: str, **arguments: Any) -> Any:
        """What one worker answers to `celery control`."""
        found = self.app.control.broadcast(
            command, arguments, destination=[f"{name}@test"], reply=True, timeout=5, limit=1
        )
        assert found, f"{name} did not answer"
        return found[0][f"{name}@test"]

    def ids(self, name: str, method: str) -> set[str]:
        """The ids of what a worker holds."""
        return {request["id"] for request in self.inspect(name, method)}

    def celery(self, *arguments: str) -> str:
        """Run Celery's command on the shell."""
        environment = {**self.system.gateway.environment, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "worker", *arguments],
            env=environment, cwd=self.folder, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    def record(self, request_id: str) -> dict[str, Any]:
        """The record of an event."""
        url = f"{self.system.settings.gateway_url}/_thrice/events/{request_id}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return dict(json.load(answer))

    def ledger(self) -> Ledger:
        """The ledger of the whole system, which balances at any moment."""
        ledger = Ledger.of(self.system.redis.hgetall(self.system.keys.ledger))
        assert ledger.total.is_balanced, ledger
        return ledger

    def wait_for_end(self, function: Function, accepted: int, **ended: Any) -> None:
        """Wait until every event of a function has ended, as `ended` says; all have succeeded if it says nothing."""
        expected = ended or {"succeeded": accepted}

        def has_ended() -> bool:
            account = function.account
            return all(getattr(account, name) == value for name, value in expected.items()) and (
                account.ready, account.waiting, account.running, account.accepted
            ) == (0, 0, 0, accepted)  # fmt: skip

        wait_until(has_ended, f"{accepted} events of {function.name} have ended {expected}", 60)
        self.ledger()

    def evalsha_calls(self) -> int:
        """How many scripts Redis was asked to run."""
        return int(self.system.redis.info("commandstats")["cmdstat_evalsha"]["calls"])

    def finish(self) -> None:
        """Let all handlers end, and end the workers."""
        for function in self.functions.values():
            function.open()
        for part in self.workers.values():
            part.send(signal.SIGCONT)
            part.send(signal.SIGTERM)
        for part in self.workers.values():
            part.end(signal.SIGTERM, timeout=30)
        self.client.close()


@contextmanager
def operator(system: System, folder: Path) -> Iterator[Operator]:
    """An operator of `system`, which is empty and has no worker."""
    system.redis.flushall()
    use_for_redis_urls()
    keys = system.keys
    app = Celery("operator", set_as_current=False)
    app.conf.update(
        celery_settings(
            system.settings, f"{{{keys.namespace}}}", invocations=keys.invocations, calls=keys.calls
        )
    )  # fmt: skip
    one = Operator(system, app, folder, system.client("lambda"))
    try:
        yield one
    finally:
        one.finish()
        app.close()
        pools.reset()
