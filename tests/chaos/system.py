"""The system under test: an embedded server, a gateway and workers, each of which a test may kill, freeze and start.

What ends without having been told to is noted in `unasked_exits`, and started again by `revive`, as `thrice up` would.
"""

import json
import os
import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from redis import Redis
from redis.exceptions import RedisError

from config import redis as config_redis
from config.credentials import read_credentials
from config.settings import Settings, load
from console import preflight
from console.up import worker_command
from tests.chaos import structures
from tests.chaos.journal import SOURCE, Journal
from tests.chaos.networks import ADDRESS, HUB, PORT, Networks
from tests.chaos.parts import Part
from tests.chaos.proxy import Proxy
from tests.chaos.structures import Snapshot
from tests.system.running import REGION, ROLE, free_port, zipped
from tests.waiting import wait_until
from worker import virtual_clock
from worker.keys import Keys
from worker.ledger import Account, Ledger
from worker.runtime.interpreter import own_runtime

T = TypeVar("T")

#: What boto3 raises when the gateway, or Redis behind it, is away.
UNANSWERED = (BotoCoreError, ClientError)

#: How many events one worker runs at a time here.
CONCURRENCY = 8


#: How long records of what has ended are kept, in seconds: a long run would have too many to look at.
RETENTION = 60


@dataclass
class System:
    """A running system in a folder of its own."""

    folder: Path
    settings: Settings
    keys: Keys
    redis: Redis
    server: Part
    gateway: Part
    workers: list[Part]
    #: What is between Redis and the parts, in a system that was started so.
    proxy: Proxy | None = None
    unasked_exits: list[str] = field(default_factory=list)
    #: Sockets that its gateway was given, closed at the end.
    _listening: tuple[int, ...] = field(default=(), repr=False)
    _killed: set[int] = field(default_factory=set, repr=False)
    _ended: set[int] = field(default_factory=set, repr=False)
    _deployed: int = field(default=0, repr=False)

    @classmethod
    def start(
        cls, folder: Path, *, workers: int = 2, is_proxied: bool = False, networks: Networks | None = None
    ) -> "System":
        """Start all parts and wait until they work.

        With a proxy, gateway and workers reach Redis through it. With `networks`, each worker is in the one of its name
        and reaches Redis over it; the gateway answers at an address of this machine all the same.
        """
        settings = load(
            data_dir=folder / "data",
            port=free_port(),
            concurrency=CONCURRENCY,
            workers=workers,
            event_retention=RETENTION,
            isolation="off",  # handlers write into the test's journal, and kill their own worker
        )
        read_credentials(settings)
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("THRICE_", "AWS_"))},
            **settings.as_environment(),
            "PYTHONSAFEPATH": "1",
        }

        way = folder / "proxy"
        if is_proxied:
            variables["THRICE_REDIS_URL"] = config_redis.url(settings).replace(
                str(config_redis.socket_path(settings)), str(way)
            )

        door: list[str] = []
        listening: tuple[int, ...] = ()
        of_server: list[str] = []
        if networks is not None:
            password = urlsplit(config_redis.url(settings)).password
            variables["THRICE_REDIS_URL"] = f"redis://:{password}@{ADDRESS}:{PORT}"
            of_server = ["--port", str(PORT), "--bind", ADDRESS]
            listening = (preflight.listen(settings).detach(),)
            door = [str(listening[0])]

        def part(name: str, *command: str, inherits: tuple[int, ...] = ()) -> Part:
            place = [] if networks is None else networks.inside(name if name in names else HUB)
            return Part(name, [*place, *command], variables, folder / f"{name}.log", inherits)

        python = (sys.executable, "-m")
        names = [f"worker-{number}" for number in range(1, workers + 1)]
        system = cls(
            folder=folder,
            settings=settings,
            keys=Keys(),
            redis=config_redis.connect(settings),
            server=part("redis", *config_redis.server_command(config_redis.find_server(), settings), *of_server),
            gateway=part("gateway", *python, "producers.gateway", *door, inherits=listening),
            workers=[part(name, *python, *worker_command(name)) for name in names],
            _listening=listening,
        )
        if is_proxied:
            system.proxy = Proxy(way, config_redis.socket_path(settings), system.kill_process)
        system.make_whole()
        return system

    def stop(self) -> None:
        """End all parts, the workers and the gateway in order."""
        for part in self.parts():
            part.send(signal.SIGCONT)
        for part in (*self.workers, self.gateway):
            part.send(signal.SIGTERM)
        for part in (*self.workers, self.gateway):
            part.end(signal.SIGTERM)
        self.redis.close()
        self.server.end(signal.SIGTERM)
        if self.proxy is not None:
            self.proxy.close()
        for descriptor in self._listening:
            os.close(descriptor)

    def parts(self) -> Iterator[Part]:
        """All of them, the server first."""
        yield from (self.server, self.gateway, *self.workers)

    def make_whole(self) -> None:
        """Whatever was done to it before: every part runs, Redis takes writes, the gateway answers, workers live."""
        self.revive()
        for part in self.parts():
            part.send(signal.SIGCONT)
        self.wait_until(self._takes_writes, "Redis takes writes")
        self.wait_until(self._is_healthy, "the gateway is healthy")
        for worker in self.workers:
            self.wait_for(worker)
        self.unasked_exits.clear()

    def _takes_writes(self) -> bool:
        self.redis.replicaof("NO", "ONE")
        self.redis.config_set("maxmemory", "0")
        return True

    def _is_healthy(self) -> bool:
        functions = self.client("lambda").list_functions()
        return "Functions" in functions

    def wait_for(self, worker: Part) -> None:
        """Wait until a worker has said that it lives."""
        self.wait_until(lambda: self.look().is_living(worker.pid), f"{worker.name} lives")

    def kill(self, part: Part, number: signal.Signals = signal.SIGKILL) -> int:
        """End a part by a signal; return the id that its process had."""
        self._killed.add(part.pid)
        part.end(number)
        return part.pid

    def kill_process(self, pid: int) -> None:
        """End the process of a part by SIGKILL; it is known to be ours to kill before it has ended."""
        self._killed.add(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def revive(self) -> None:
        """Start what has ended; note what was not killed by us."""
        for part in self.parts():
            if not part.is_running:
                if part.process is not None:
                    self._ended.add(part.pid)
                if part.process is not None and part.pid not in self._killed:
                    self.unasked_exits.append(f"{part.name} (process {part.pid}) ended with {part.process.poll()}")
                part.start()

    def wait_until(self, predicate: Callable[[], T], description: str, timeout: float = 90.0) -> T:
        """Wait as `thrice up` would: what ends is started again; that Redis or the gateway is away is no answer."""

        def answer() -> T | None:
            self.revive()
            try:
                return predicate()
            except (RedisError, OSError, *UNANSWERED):
                return None

        found = wait_until(answer, description, timeout)
        assert found is not None
        return found

    def look(self) -> Snapshot:
        """What lies where, at this moment."""
        return structures.take(self.redis, self.keys)

    def account(self, function: str) -> Account:
        """The ledger's numbers of one function."""
        return Ledger.of(self.redis.hgetall(self.keys.ledger)).functions.get(function, Account())

    def advance(self, seconds: float) -> None:
        """Let time pass at once for everything that waits."""
        virtual_clock.advance(self.redis, self.keys, seconds)

    def end_leases_of_the_dead(self) -> None:
        """Let the leases of dead workers end now, where waiting for them is not what is tested."""
        structures.end_leases(self.redis, self.keys, self._ended - {part.pid for part in self.parts()})

    def client(self, service: str) -> Any:
        """An unmodified boto3 client that says at once what the gateway answers, and has a connection per sender."""
        credentials = read_credentials(self.settings)
        return boto3.client(
            service,
            endpoint_url=self.settings.gateway_url,
            region_name=REGION,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30, max_pool_connections=16),
        )

    def deploy(self, **fields: Any) -> tuple[str, Journal]:
        """A new function that runs journal.SOURCE; return its name, and where it writes."""
        self._deployed += 1
        name = f"f{self._deployed}"
        journal = Journal.create(self.folder / f"{name}.journal")
        self.client("lambda").create_function(
            FunctionName=name, Runtime=own_runtime(), Role=ROLE, Handler="app.handler",
            Code={"ZipFile": zipped(SOURCE)},
            **{"Timeout": 60, "Environment": {"Variables": journal.variables}, **fields},
        )  # fmt: skip
        return name, journal

    def create_queue(self, name: str) -> tuple[str, str]:
        """Create an SQS queue; return its URL and its ARN."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def take_dead_letters(self, url: str) -> list[int]:
        """Empty an SQS queue; return the numbers of the events in it, in order."""
        sqs = self.client("sqs")
        numbers = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                numbers.append(int(json.loads(message["Body"])["number"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(numbers)

    def attempts_made(self, function: str) -> list[int]:
        """How many attempts each event of a function has made, as its record tells a person."""
        made = []
        for request_id, record in self.look().records.items():
            if record.function == function:
                url = f"{self.settings.gateway_url}/_thrice/events/{request_id}"
                with urllib.request.urlopen(url, timeout=30) as answer:
                    made.append(int(json.load(answer)["attempts_made"]))
        return made
