"""What lies where in Redis, read in one script, so that a busy system can be looked at without tearing the picture.

This is the only file of the harness that knows the layout: which key holds ready events, which waiting ones, which the
leases. Everything else sees a `Snapshot`. Its words are those of the ledger: an event in hand is ready, waiting or held
(which the ledger calls running).
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from worker.keys import Keys
from worker.ledger import Ledger

#: How long leases hold without a heartbeat, in seconds: what the transport does when nobody tells it otherwise.
LEASE_SECONDS = 10.0

#: What a message is moved as that is handed over and may not run now.
_REFUSED = "!"

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
    places: Mapping[str, int]  # function -> how many places are taken, by events and not by synchronous calls
    living: Collection[str]  # workers whose leases hold
    gone: Collection[str]  # workers whose leases have ended and were not swept yet
    records: Mapping[str, Record]
    ledger: Ledger

    def unheld(self, function: str) -> int:
        """How many messages of a function nobody holds: they are ready or wait. Canaries come and go beside them."""
        return sum(placed.function == function for placed in (*self.ready, *self.waiting))

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
    held = {
        name.removeprefix(keys.lease("")): [_held(field, envelope) for field, envelope in _pairs(fields).items()]
        for name, fields in content.items()
        if name.startswith(keys.lease(""))
    }
    lane = keys.lane(keys.invocations, "")
    places = Counter({function: int(count) for function, count in _pairs(content.get(keys.concurrency, [])).items()})
    for all_held in held.values():
        places.subtract(placed.function for queue, placed in all_held if queue == keys.calls and placed.has_place)
    workers = _pairs(content.get(keys.consumers, []))
    return Snapshot(
        names=everything.keys(),
        ready=[
            _placed(name.removeprefix(lane), _text(envelope))
            for name, envelopes in content.items()
            if name.startswith(lane)
            for envelope in envelopes
        ],
        waiting=[_waiting(member) for member in _pairs(content.get(keys.delayed(keys.invocations), []))],
        held={
            worker: [placed for queue, placed in all_held if queue == keys.invocations]
            for worker, all_held in held.items()
        },
        places=places,
        living=[worker for worker, until in workers.items() if float(until) >= now],
        gone=[worker for worker, until in workers.items() if float(until) < now],
        records=records,
        ledger=Ledger.of(dict(zip(*[iter(content.get(keys.ledger, []))] * 2, strict=True))),
    )


def end_leases(redis: Redis, keys: Keys, dead_pids: Iterable[int]) -> None:
    """Let the leases of processes that are known to be dead end now, where waiting for them is not what is tested."""
    known: Any = redis.zrange(keys.consumers, 0, -1)
    for worker in known:
        if _pid(worker.decode()) in dead_pids:
            redis.zadd(keys.consumers, {worker: 0}, xx=True)


def _held(field: str, envelope: str) -> tuple[str, Placed]:
    """The queue, and what was taken from it: the field is `seq|flag|length of queue|queue:lane:function`."""
    _, flag, length, source = field.split("|", 3)
    queue, target = source[: int(length)], source[int(length) :]
    return queue, _placed(target.removeprefix(":lane:"), envelope, has_place=flag != _REFUSED)


def _waiting(member: str) -> Placed:
    """A delayed message: `:lane:<function>`, a line feed, the envelope."""
    target, _, envelope = member.partition("\n")
    return _placed(target.removeprefix(":lane:"), envelope)


def _placed(function: str, envelope: str, *, has_place: bool = False) -> Placed:
    return Placed(json.loads(envelope)["headers"]["id"], function, has_place)


def _pid(worker: str) -> int:
    """A worker is called `host.pid.random`."""
    return int(worker.rsplit(".", 2)[1])


def _pairs(flat: Sequence[bytes]) -> dict[str, str]:
    """A hash, or a sorted set with its scores, as Redis lists it."""
    return {_text(name): _text(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _text(value: bytes | None) -> str:
    return value.decode("utf-8", "replace") if value is not None else ""
