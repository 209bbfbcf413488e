"""How each kind of disturbance is done and undone. One thread for each that lasts.

Whatever is done is undone by the same hand, as soon as it can be. What a worker held when it was killed or stopped is
looked up, so that the verdict knows which events may have run again.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from tests.soak.books import Performed
from tests.soak.functions import CANARY, QUEUE_AT_TIMES
from tests.soak.load import Load
from tests.soak.schedule import Disturbance, Kind
from tests.soak.system import System, pause
from tests.waiting import wait_until

#: So long the leases of a worker that died are there to be looked at, in seconds: they end after 10, less a heartbeat.
LEASES_STAY = 6.0

#: How much a Redis that is full has left, in bytes.
LEFT = 20_000

#: How long a canary may take, in seconds, before it counts as one that never came.
CANARY_TAKES = 90.0


@dataclass
class Disturber:
    """Who does it all."""

    system: System
    load: Load
    held: set[str] = field(default_factory=set)  # request ids under the leases of workers that were killed or stopped
    unknown_leases: int = 0

    def perform(self, disturbance: Disturbance) -> Performed:
        """Do it, let it last, undo it; measure how long it takes until all works again."""
        began = self._now()
        recovery, trouble = None, list[str]()
        try:
            with _DOINGS[disturbance.kind](self, disturbance, trouble):
                if disturbance.kind is not Kind.RESTART:
                    pause(disturbance.lasts)
            ended = self._now()
            if disturbance.is_measured:
                recovery = self._recovery()
        except (AssertionError, OSError, RedisError) as error:
            return Performed(disturbance, began, self._now(), trouble=f"{type(error).__name__}: {error}")
        return Performed(disturbance, began, ended, "; ".join(trouble), recovery)

    def _now(self) -> float:
        return time.monotonic() - self.load.began

    def _recovery(self) -> float:
        """Seconds from now until a canary has run that is sent as soon as it is accepted."""
        since = time.monotonic()
        deadline = since + CANARY_TAKES
        while time.monotonic() < deadline:
            sending = self.load.send(CANARY)
            if sending.status == 202:
                with suppress(AssertionError):
                    self._wait_for_canary(sending.number)
                break
            pause(0.05)
        return time.monotonic() - since

    def _wait_for_canary(self, number: int) -> None:
        wait_until(lambda: self.system.journal.has_ended(CANARY, number), f"canary {number} has run", CANARY_TAKES)

    def note_held(self, pid: int) -> None:
        """Look up what the worker process `pid` holds, which will renew its leases no more."""
        deadline = time.monotonic() + LEASES_STAY
        while time.monotonic() < deadline:
            try:
                self.held |= {placed.request_id for placed in self.system.look().held_by(pid)}
            except RedisError:
                pause(0.1)
            else:
                return
        self.unknown_leases += 1


Doing = Callable[[Disturber, Disturbance, list[str]], AbstractContextManager[None]]


def _kill(part: str) -> Doing:
    @contextmanager
    def kill(self: Disturber, _: Disturbance, __: list[str]) -> Iterator[None]:
        self.system.kill(part)
        yield

    return kill


@contextmanager
def _kill_worker(self: Disturber, disturbance: Disturbance, _: list[str]) -> Iterator[None]:
    pid = self.system.kill(f"worker-{disturbance.worker}")
    self.note_held(pid)
    yield


def _stop(part: str) -> Doing:
    @contextmanager
    def stop(self: Disturber, _: Disturbance, __: list[str]) -> Iterator[None]:
        with _standing_still(self.system.pid(part)):
            yield

    return stop


@contextmanager
def _stop_worker(self: Disturber, disturbance: Disturbance, _: list[str]) -> Iterator[None]:
    pid = self.system.pid(f"worker-{disturbance.worker}")
    with _standing_still(pid):
        self.note_held(pid)
        yield


@contextmanager
def _standing_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def _fill_disk(self: Disturber, _: Disturbance, __: list[str]) -> Iterator[None]:
    disk = self.system.disk
    assert disk is not None, "it is planned only where there is a disk"
    try:
        with _again_and_again(disk.fill):  # what others free meanwhile is filled, too
            yield
    finally:
        disk.free()


@contextmanager
def _again_and_again(action: Callable[[], None]) -> Iterator[None]:
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.2):
            with suppress(RedisError):
                action()

    hand = threading.Thread(target=go_on, daemon=True)
    hand.start()
    try:
        yield
    finally:
        over.set()
        hand.join()


@contextmanager
def _fill_redis(self: Disturber, _: Disturbance, __: list[str]) -> Iterator[None]:
    redis = self.system.redis

    def fill() -> None:
        memory = redis.info("memory")  # what is used goes up and down by itself: the limit only goes down
        least = int(memory["used_memory"]) + LEFT
        if not 0 < int(memory["maxmemory"]) <= least:
            redis.config_set("maxmemory", str(least))

    self.system.insist(fill, "Redis is full")
    try:
        with _again_and_again(fill):
            yield
    finally:
        self.system.insist(lambda: redis.config_set("maxmemory", "0"), "Redis has room again")


@contextmanager
def _delete_queue(self: Disturber, _: Disturbance, __: list[str]) -> Iterator[None]:
    sqs = self.system.client("sqs")

    def delete() -> None:
        for url in sqs.list_queues(QueueNamePrefix=QUEUE_AT_TIMES).get("QueueUrls", ()):
            sqs.delete_queue(QueueUrl=url)

    self.system.insist(delete, "the queue is deleted")
    try:
        yield
    finally:
        self.system.insist(self.system.create_queue_at_times, "the queue is there again")


@contextmanager
def _delete_topic(self: Disturber, _: Disturbance, __: list[str]) -> Iterator[None]:
    sns = self.system.client("sns")
    topic = self.system.insist(self.system.create_topic_at_times, "the topic's ARN is known")  # creating it again
    self.system.insist(lambda: sns.delete_topic(TopicArn=topic), "the topic is deleted")
    try:
        yield
    finally:
        self.system.insist(self.system.create_topic_at_times, "the topic is there again")


@contextmanager
def _restart(self: Disturber, _: Disturbance, trouble: list[str]) -> Iterator[None]:
    why = self.system.restart()
    if why:
        trouble.append(why)
    yield


_DOINGS: Mapping[Kind, Doing] = {
    Kind.KILL_WORKER: _kill_worker,
    Kind.KILL_GATEWAY: _kill("gateway-1"),
    Kind.KILL_SCHEDULER: _kill("scheduler"),
    Kind.KILL_REDIS: _kill("redis"),
    Kind.STOP_WORKER: _stop_worker,
    Kind.STOP_WORKER_LONG: _stop_worker,
    Kind.STOP_GATEWAY: _stop("gateway-1"),
    Kind.STOP_SCHEDULER: _stop("scheduler"),
    Kind.STOP_REDIS: _stop("redis"),
    Kind.FILL_DISK: _fill_disk,
    Kind.FILL_REDIS: _fill_redis,
    Kind.DELETE_QUEUE: _delete_queue,
    Kind.DELETE_TOPIC: _delete_topic,
    Kind.RESTART: _restart,
}
