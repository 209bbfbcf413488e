"""One `thrice up` as a process, and the clients of a user."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.chaos.parts import descendants, surviving
from tests.waiting import wait_until
from worker.runtime.interpreter import own_runtime

BIN = Path(sys.executable).parent
ROLE = "arn:aws:iam::000000000000:role/any"
REGION = "us-east-1"


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, port: int, **variables: str) -> dict[str, str]:
    """The variables of a system in `folder`, and none that the tests' caller happens to have."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("THRICE_", "AWS_"))}
    own = {"THRICE_DATA_DIR": str(folder / "data"), "THRICE_PORT": str(port), "COLUMNS": "200"}
    return {**clean, "PATH": f"{BIN}:{clean['PATH']}", **own, **variables}


def zipped(source: str, name: str = "app.py") -> bytes:
    """A deployment package of one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, source)
    return buffer.getvalue()


@dataclass
class RunningSystem:
    """A system that runs."""

    folder: Path
    port: int
    process: "subprocess.Popen[str]"
    output: Path
    variables: dict[str, str] = field(repr=False)
    _seen: frozenset[tuple[int, str]] = field(default_factory=frozenset, repr=False)

    @classmethod
    def start(cls, folder: Path, **variables: str) -> "RunningSystem":
        """Start `thrice up` and wait until it says that it is ready."""
        port = int(variables.pop("THRICE_PORT", 0)) or free_port()
        env = environment(folder, port, **variables)
        output = folder / f"up-{port}.txt"
        with output.open("w") as file:
            process = subprocess.Popen(
                [BIN / "thrice", "up"], env=env, cwd=folder, stdout=file, stderr=subprocess.STDOUT, text=True
            )
        system = cls(folder, port, process, output, env)
        wait_until(lambda: "Ready after" in system.printed or process.poll() is not None, "the system is ready", 60)
        assert process.poll() is None, system.printed
        return system

    @property
    def printed(self) -> str:
        """What `thrice up` has printed so far."""
        return self.output.read_text()

    @property
    def url(self) -> str:
        """Where the gateway answers."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop as Ctrl-C or an init system would."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(40)

    def client(self, service: str, **config: Any) -> Any:
        """An unmodified boto3 client."""
        lines = (self.folder / "data" / "credentials").read_text().splitlines()
        credentials = dict(line.split(" = ") for line in lines if " = " in line)
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=credentials["aws_access_key_id"],
            aws_secret_access_key=credentials["aws_secret_access_key"],
            config=Config(**config),
        )

    def create_function(self, name: str, source: str, **fields: Any) -> None:
        """Create a function whose handler is `app.handler`."""
        with closing(self.client("lambda")) as client:
            client.create_function(
                FunctionName=name, Runtime=own_runtime(), Role=ROLE, Handler="app.handler",
                Code={"ZipFile": zipped(source)}, **fields,
            )  # fmt: skip

    def create_queue(self, name: str) -> tuple[str, str]:
        """Create an SQS queue; return its URL and its ARN."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def receive(self, url: str, timeout: float = 20) -> dict[str, Any]:
        """Wait for one message of a queue, and take it."""
        sqs = self.client("sqs")

        def message() -> Any:
            return sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"]).get("Messages")

        return dict(wait_until(message, f"there is a message in {url}", timeout)[0])

    def get(self, path: str) -> tuple[int, Any]:
        """What the gateway answers to GET: status and JSON."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    @property
    def is_healthy(self) -> bool:
        """Whether health says 200; False as well while the gateway is away."""
        try:
            return self.get("/_thrice/health")[0] == 200
        except OSError:
            return False

    def ledger(self) -> dict[str, Any]:
        """The ledger."""
        return dict(self.get("/_thrice/ledger")[1])

    def processes(self) -> dict[int, str]:
        """Every process of this system but `thrice up` itself.

        Those that know its data folder, and all that were ever seen below `thrice up`: handlers know nothing of it.
        """
        marker = str(self.folder / "data").encode()
        self._seen |= descendants(self.process.pid)
        below = set(surviving(self._seen))
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                pid = int(entry.name)
                command = (entry / "cmdline").read_bytes()
                is_ours = pid in below or marker in command or marker in (entry / "environ").read_bytes()
                if is_ours and pid != self.process.pid:
                    found[pid] = command.replace(b"\0", b" ").decode()
        return found

    def part(self, words: str) -> int:
        """The process whose command line has `words`."""
        return next(pid for pid, command in self.processes().items() if words in command)

    def kill(self, words: str) -> int:
        """SIGKILL the process whose command line has `words`; return its former id."""
        pid = self.part(words)
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_everything(self) -> None:
        """SIGKILL `thrice up` and all its processes, as a power button would."""
        victims = [self.process.pid, *self.processes()]
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        wait_until(lambda: not self.processes(), "everything is dead")
