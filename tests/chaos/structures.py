"""What lies where in Redis, read in one script, so that a busy system can be looked at without tearing the picture.

This is the only file of the harness that knows the layout: which key holds ready events, which waiting ones, which the
leases. Everything else sees a `Snapshot`. Its words are those of the ledger: an event in hand is ready, waiting or held
(which the ledger calls running).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from worker.keys import Keys
from worker.ledger import Ledger
from worker.queue import LEASE

#: How long leases hold without a heartbeat, in seconds.
LEASE_SECONDS = LEASE

#: Reads every key but the large ones. Of a record only what is compared.
#: ARGV  1 prefix of the records
_READ_ALL = """
local found = {}
local readers = {
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  hash = function(key) return redis.call('HGETALL', key) end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  set = function(key) return redis.call('SMEMBERS', key) end,
}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local content = {}
  if string.sub(key, 1, #ARGV[1]) == ARGV[1] then
    content = redis.call('HMGET', key, 'function', 'state')
  elseif readers[kind] then
    content = readers[kind](key)
  end
  found[#found + 1] = {key, redis.call('PTTL', key), content}
end
local time = redis.call('TIME')
return {time[1] * 1000 + math.floor(time[2] / 1000), found}
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """An event, or one of several messages of it, where it was found."""

    request_id: str
    function: str
    has_place: bool = False  # among those that run at the same time, of which a function may reserve a number


@dataclass(frozen=True, slots=True)
class Record:
    """What the record of an event says about it. No state: a synchronous call."""

    function: str
    state: str
    expires: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The structures at one moment."""

    names: Collection[str]  # of all keys
    ready: Sequence[Placed]
    waiting: Sequence[Placed]
    held: Mapping[str, Sequence[Placed]]  # by the worker whose lease it is
    places: Mapping[str, int]  # function -> how many places are taken
    living: Collection[str]  # workers whose leases hold
    gone: Collection[str]  # workers whose leases have ended and were not swept yet
    records: Mapping[str, Record]
    ledger: Ledger

    def held_by(self, pid: int) -> Sequence[Placed]:
        """What the worker process `pid` holds."""
        return [placed for worker, all_held in self.held.items() if _pid(worker) == pid for placed in all_held]

    def is_living(self, pid: int) -> bool:
        """Whether the worker process `pid` has said that it lives, and its leases hold."""
        return pid in {_pid(worker) for worker in self.living}


def take(redis: Redis, keys: Keys) -> Snapshot:
    """Look at everything at one moment.

    Raises:
        RedisError: Redis does not answer.
    """
    answer: Any = redis.eval(_READ_ALL, 0, keys.event(""))
    now, found = answer
    everything = {name.decode(): (ttl, content) for name, ttl, content in found}
    records = {
        name.removeprefix(keys.event("")): Record(_text(content[0]), _text(content[1]), ttl >= 0)
        for name, (ttl, content) in everything.items()
        if name.startswith(keys.event(""))
    }
    content = {name: content for name, (_, content) in everything.items()}
    places = {
        name.removeprefix(keys.running("")): {_text(member) for member in members}
        for name, members in content.items()
        if name.startswith(keys.running(""))
    }
    workers = _pairs(content.get(keys.workers, []))
    return Snapshot(
        names=everything.keys(),
        ready=[_placed(request_id, records) for request_id in _pairs(content.get(keys.ready, []))],
        waiting=[_placed(request_id, records) for request_id in _pairs(content.get(keys.waiting, []))],
        held={
            name.removeprefix(keys.lease("")): [
                _held(request_id, lease.rpartition("|")[0], places) for request_id, lease in _pairs(fields).items()
            ]
            for name, fields in content.items()
            if name.startswith(keys.lease(""))
        },
        places={function: len(members) for function, members in places.items()},
        living=[worker for worker, until in workers.items() if float(until) >= now],
        gone=[worker for worker, until in workers.items() if float(until) < now],
        records=records,
        ledger=Ledger.of(dict(zip(*[iter(content.get(keys.ledger, []))] * 2, strict=True))),
    )


def end_leases(redis: Redis, keys: Keys, dead_pids: Iterable[int]) -> None:
    """Let the leases of processes that are known to be dead end now, where waiting for them is not what is tested."""
    known: Any = redis.zrange(keys.workers, 0, -1)
    for worker in known:
        if _pid(worker.decode()) in dead_pids:
            redis.zadd(keys.workers, {worker: 0}, xx=True)


def _placed(request_id: str, records: Mapping[str, Record]) -> Placed:
    record = records.get(request_id)
    return Placed(request_id, record.function if record else "")


def _held(request_id: str, function: str, places: Mapping[str, Collection[str]]) -> Placed:
    return Placed(request_id, function, has_place=request_id in places.get(function, ()))


def _pid(worker: str) -> int:
    """A worker is called `host.pid.random`."""
    return int(worker.rsplit(".", 2)[1])


def _pairs(flat: Sequence[bytes]) -> dict[str, str]:
    """A hash, or a sorted set with its scores, as Redis lists it."""
    return {_text(name): _text(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _text(value: bytes | None) -> str:
    return value.decode("utf-8", "replace") if value is not None else ""
