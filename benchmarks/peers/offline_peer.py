"""serverless-offline: Lambda's Invoke over HTTP, with handlers in worker threads of the one process that serves it.

It has no queue, so only what goes over HTTP can be measured of it. Its handler is in Node.js, its own language.
"""

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import boto3

from benchmarks.peers import environment
from benchmarks.peers.system import Mode
from benchmarks.processes import Tree, wait_until
from benchmarks.records import Records
from benchmarks.thrice_system import free_port

_CODE = Path(__file__).with_name("programs") / "serverless_offline"

_NAME = "serverless-offline"

#: How long a start may take, in seconds.
_PATIENCE = 60.0


class Offline:
    """What can be started."""

    def install(self) -> None:
        """Have npm install it, unless it is there."""
        environment.node_modules(_NAME)

    def open(self, folder: Path, mode: Mode) -> "OfflinePeer":
        """Start it in `folder`."""
        return OfflinePeer(folder, mode)


class OfflinePeer:
    """A server that runs."""

    function = "peer-dev-job"

    def __init__(self, folder: Path, mode: Mode) -> None:
        """Start it, and wait until it listens.

        Raises:
            NotInstalled: it cannot be had on this machine.
        """
        installed = environment.node_modules(_NAME)
        self._folder = folder
        self._mode = mode
        self._port = free_port()
        for file in ("serverless.yml", "handler.js"):
            shutil.copy(_CODE / file, folder)
        (folder / "node_modules").symlink_to(installed / "node_modules")
        self.records = Records.new(folder / "records")
        self._tree = self._start("offline.txt")

    def client(self) -> Any:
        """A client of Lambda for it."""
        return boto3.client(
            "lambda", endpoint_url=f"http://127.0.0.1:{self._port}", region_name="us-east-1",
            aws_access_key_id="any", aws_secret_access_key="any",
        )  # fmt: skip

    def check(self) -> None:
        """See that it runs."""
        self._tree.check()

    def memory(self) -> float:
        """PSS of all its processes, in MB."""
        return self._tree.memory()

    def kill(self) -> None:
        """Kill it: there is only one instance, which is server and worker."""
        self._tree.kill()
        self._tree.root.wait(10)

    def start_again(self) -> None:
        """Start another in its place, on the same port."""
        self._tree = self._start("offline-again.txt")

    def kept(self, _numbers: Collection[int]) -> set[int]:
        """None: it has no store."""
        return set()

    def close(self) -> None:
        """Stop it."""
        self._tree.end(grace=1.0)

    def _start(self, output: str) -> Tree:
        told = {
            "PEER_RECORDS": str(self.records.path), "PEER_SLEEP": str(self._mode.sleep),
            "SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "SLS_INTERACTIVE_SETUP_ENABLE": "0",
        }  # fmt: skip
        ports = ["--lambdaPort", str(self._port), "--httpPort", str(free_port())]
        command = [
            "node",
            "node_modules/serverless/bin/serverless.js",
            "offline",
            "start",
            "--host",
            "127.0.0.1",
            *ports,
        ]
        tree = Tree.start(command, self._folder / output, told, self._folder)
        listens = b"[http for lambda] listening"
        try:
            wait_until(
                lambda: listens in (self._folder / output).read_bytes(), "it listens", _PATIENCE, look=0.1, tree=tree
            )
        except BaseException:
            tree.end(grace=1.0)
            raise
        return tree
