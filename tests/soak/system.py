"""The system of a night: `thrice up` as a process, its parts as processes to be killed, and the clients of a user."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from redis import Redis
from redis.exceptions import RedisError

from config import redis as config_redis
from config.settings import load
from tests.chaos import structures
from tests.chaos.parts import children, descendants, surviving
from tests.chaos.structures import Snapshot
from tests.soak.books import Vital, Vitals
from tests.soak.disk import Disk, NotMounted
from tests.soak.functions import DEAD_LETTERS, FUNCTIONS, QUEUE_AT_TIMES, TOPIC_AT_TIMES, Function
from tests.soak.journal import Journal
from tests.system.running import BIN, RunningSystem
from tests.waiting import wait_until
from worker.keys import Keys
from worker.ledger import Ledger

T = TypeVar("T")

#: What a caller may meet while something is broken.
AWAY = (BotoCoreError, ClientError, RedisError, OSError)

#: Seconds before each attempt. Shorter than those of AWS, so that a night of minutes sees all of them.
COUNTDOWNS = "0,3,6"

#: Seconds for which records are kept of what has ended: a long night would have too many to look at.
RETENTION = 120

#: The bucket of the night.
BUCKET = "night"

#: Part -> words that its command line has.
PARTS = {
    "redis": ("valkey-server", "redis-server"),
    "gateway-1": ("producers.gateway",),
    "scheduler": ("producers.scheduler",),
    "worker-1": ("worker-1@%h",),
    "worker-2": ("worker-2@%h",),
}


@dataclass
class System:
    """One that runs."""

    up: RunningSystem
    disk: Disk | None
    redis: Redis
    journal: Journal
    functions: list[Function] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    killed: Counter[str] = field(default_factory=Counter)
    keys: Keys = field(default_factory=Keys)
    _seen: frozenset[tuple[int, str]] = field(default_factory=frozenset, repr=False)

    @classmethod
    def start(cls, folder: Path) -> "System":
        """Start it with all functions, queues, topics and the bucket. `folder` has a short path, for the sockets."""
        skipped: dict[str, str] = {}
        disk = None
        try:
            disk = Disk.mount(folder / "data")
        except NotMounted as error:
            skipped["fill the disk"] = f"a disk of its own cannot be mounted here: {error}"
        up = RunningSystem.start(
            folder,
            THRICE_WORKERS="2",
            THRICE_GATEWAYS="1",  # so that it is felt when it is away
            THRICE_RETRY_COUNTDOWNS=COUNTDOWNS,
            THRICE_EVENT_RETENTION=str(RETENTION),
        )
        settings = load(data_dir=folder / "data", port=up.port)
        system = cls(up, disk, config_redis.connect(settings), Journal(), skipped=skipped)
        system._deploy()
        return system

    def _deploy(self) -> None:
        lambda_, s3 = self.client("lambda"), self.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        targets = {DEAD_LETTERS: self.up.create_queue(DEAD_LETTERS)[1], QUEUE_AT_TIMES: self.create_queue_at_times()}
        targets[TOPIC_AT_TIMES] = self.create_topic_at_times()
        has_walls = self._has_walls()
        for function in FUNCTIONS:
            if function.needs_walls and not has_walls:
                self.skipped[f"function {function.name}"] = "without namespaces and root nothing stops it here"
                continue
            settings = {"Timeout": 60} | dict(function.settings)
            if function.target:
                settings["DeadLetterConfig"] = {"TargetArn": targets[function.target]}
            self.up.create_function(
                function.name, function.source, Environment={"Variables": self.journal.variables}, **settings
            )
            if function.state == "dead_lettered":
                lambda_.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=1)
            self.functions.append(function)

    def _has_walls(self) -> bool:
        """Whether handlers have a /tmp and process numbers of their own, and their processes are counted."""
        source = (
            "import os\n"
            "def handler(event, context):\n"
            "    return [os.getuid(), os.path.ismount('/tmp'), os.path.exists('/var/task/app.py')]\n"
        )
        self.up.create_function("walls", source)
        lambda_ = self.client("lambda")
        uid, has_tmp, has_task = json.load(lambda_.invoke(FunctionName="walls")["Payload"])
        lambda_.delete_function(FunctionName="walls")
        return bool(uid and has_tmp and has_task)

    def create_queue_at_times(self) -> str:
        """The queue of dead letters that is deleted at times; its ARN."""
        return self.up.create_queue(QUEUE_AT_TIMES)[1]

    def create_topic_at_times(self) -> str:
        """The topic for dead letters that is deleted at times, with a queue behind it; its ARN."""
        sns = self.client("sns")
        topic = str(sns.create_topic(Name=TOPIC_AT_TIMES)["TopicArn"])
        _, queue = self.up.create_queue("behind-the-topic")
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        return topic

    def client(self, service: str) -> Any:
        """A boto3 client that does not try again, so that each answer is seen, and has a connection for each sender."""
        return self.up.client(
            service, retries={"total_max_attempts": 1}, read_timeout=20, connect_timeout=10, max_pool_connections=64
        )

    def pids(self) -> dict[str, int]:
        """The processes of the parts that run, by name."""
        found = {}
        for pid in children(self.up.process.pid):
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
                for name, words in PARTS.items():
                    if any(word in command for word in words):
                        found[name] = pid
        return found

    def pid(self, part: str) -> int:
        """The process of a part; waits for it while `thrice up` is about to start it again."""
        return wait_until(lambda: self.pids().get(part, 0), f"there is a process of {part}", 60)

    def kill(self, part: str) -> int:
        """SIGKILL a part; the id that its process had."""
        pid = self.pid(part)
        self.killed[part] += 1
        os.kill(pid, signal.SIGKILL)
        return pid

    def look(self) -> Snapshot:
        """What lies where.

        Raises:
            RedisError: Redis does not answer.
        """
        return structures.take(self.redis, self.keys)

    def insist(self, action: Callable[[], T], description: str, timeout: float = 90.0) -> T:
        """Do something as soon as it can be done."""
        answers: list[T] = []

        def is_done() -> bool:
            with suppress(*AWAY):
                answers.append(action())
            return bool(answers)

        wait_until(is_done, description, timeout)
        return answers[0]

    def restart(self) -> str:
        """`thrice restart`; why it failed, or nothing."""
        done = subprocess.run(
            [BIN / "thrice", "restart"], env=self.up.variables, capture_output=True, text=True, timeout=200, check=False
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def ledger(self) -> Ledger:
        """The ledger.

        Raises:
            RedisError: Redis does not answer.
        """
        return Ledger.of(self.redis.hgetall(self.keys.ledger))

    def exits(self) -> Counter[str]:
        """Part -> how often `thrice up` says that it ended by itself."""
        return Counter(re.findall(r"^thrice: (\S+) ended \(", self.up.printed, re.MULTILINE))

    def dead_letter_errors(self) -> dict[str, int]:
        """Function -> dead letters that nobody took, as Prometheus would read it."""
        with urllib.request.urlopen(f"{self.up.url}/_thrice/metrics", timeout=20) as answer:
            page = answer.read().decode()
        found = re.findall(r'^thrice_dead_letter_errors_total\{function="([^"]+)"\} (\S+)', page, re.MULTILINE)
        return {name: int(float(count)) for name, count in found}

    def vitals(self) -> Vitals:
        """What the parts take at the moment."""
        parts = {name: Vital(_descriptors(pid), _memory(pid)) for name, pid in self.pids().items()}
        return Vitals(parts, len(descendants(self.up.process.pid)), int(self.redis.info("memory")["used_memory"]))

    def see(self) -> None:
        """Remember every process below `thrice up`."""
        self._seen |= descendants(self.up.process.pid)

    def survivors(self) -> list[str]:
        """The processes that are still there of all that were ever seen."""
        found = []
        for pid in surviving(self._seen):
            with suppress(OSError):
                found.append(f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes().replace(bytes(1), b' ').decode()}")
        return found

    def stop(self) -> None:
        """Stop it as Ctrl-C would."""
        with suppress(OSError):
            self.see()
        self.up.stop()

    def keep_logs(self, folder: Path) -> None:
        """Put what `thrice up` and the parts have said into `folder`."""
        shutil.copytree(self.up.folder / "data" / "logs", folder, dirs_exist_ok=True)
        shutil.copy(self.up.output, folder / "up.txt")

    def close(self) -> None:
        """Leave nothing behind, whatever came before."""
        self.redis.close()
        self.journal.close()
        if self.up.process.poll() is None:
            self.up.kill_everything()
        if self.disk is not None:
            self.disk.unmount()


def pause(seconds: float) -> None:
    """Let time pass: what is disturbed stays so for a while."""
    threading.Event().wait(max(0.0, seconds))


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
