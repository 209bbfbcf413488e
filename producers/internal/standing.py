"""How far an event is with all that it caused, or how far all events are: what `thrice await` looks at.

A look is one or two commands; whatever a person is told besides, of what is still open or ended badly, is read once,
for the answer.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from redis.asyncio import Redis as AsyncRedis

from worker import event_message
from worker.clock import from_ms, iso_ms
from worker.event_reader import read_events
from worker.keys import Keys
from worker.ledger import Account

#: So many events are told one by one.
SHOWN = 20

_BAD = ("dead_lettered", "dropped")
_TOLD = ("request_id", "function", "state", "condition", "due_at", "attempts_made", "last_error")


@dataclass(frozen=True, slots=True)
class Standing:
    """Numbers at one moment."""

    open: int
    ended: int
    caused: int  # how many others than the root; of all events, how many there were
    failed: int

    @property
    def outcome(self) -> str:
        """In a word."""
        if self.open > 0:
            return "open"
        return "failed" if self.failed else "succeeded"

    def document(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {"outcome": self.outcome} | asdict(self)


class OfEvent:
    """An event and all that it caused; asked about any of them, it is that of the one that caused it all."""

    def __init__(self, redis: "AsyncRedis", keys: Keys, request_id: str) -> None:
        self._redis = redis
        self._keys = keys
        self._request_id = request_id
        self.root: str | None = request_id

    async def look(self) -> Standing | None:
        """The numbers; None: there is no record of such an event."""
        self.root = await self._root()
        record = await self._fields(self._keys.event(self.root), "open", "caused", "failed", "function")
        if record["open"] is not None:
            still_open, caused, failed = (int(record[name] or 0) for name in ("open", "caused", "failed"))
            # A root that is no event (a synchronous invocation) is not counted itself.
            return Standing(still_open, caused + (record["function"] is not None) - still_open, caused, failed)
        if self.root == self._request_id:
            return None
        # The record of the root has expired: so all had ended, and what is left tells of itself alone.
        self.root = self._request_id
        alone = await self._fields(self._keys.event(self._request_id), "state")
        return Standing(0, 1, 0, int(alone["state"].decode() in _BAD)) if alone["state"] else None

    async def details(self, standing: Standing) -> dict[str, Any]:
        """What is still open, and what ended badly: of each up to SHOWN."""
        root = cast("str", self.root)
        details: dict[str, Any] = {"request_id": self._request_id, "root": root}
        if standing.failed:
            failures = (await self._fields(self._keys.event(root), "failures"))["failures"]
            ids = failures.decode().split() if failures else [root]
            details["failures"] = await _told(self._redis, self._keys, ids)
        if standing.open:
            members = await self._redis.srandmember(self._keys.event_open(root), SHOWN)
            ids = [name.decode() for name in cast("list[bytes]", members)]
            told = await _told(self._redis, self._keys, [root, *ids])
            details["events"] = [event for event in told if event["state"] in ("ready", "waiting", "running")]
        return details

    async def _root(self) -> str:
        root = (await self._fields(self._keys.event(self._request_id), "root"))["root"]
        return root.decode() if root else self._request_id

    async def _fields(self, key: str, *names: str) -> Mapping[str, bytes | None]:
        values = cast("list[bytes | None]", await self._redis.hmget(key, names))
        return dict(zip(names, values, strict=True))


class OfAll:
    """All events of users, and the deliveries that they have caused: by the ledger."""

    root = None

    def __init__(self, redis: "AsyncRedis", keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def look(self) -> Standing:
        """The numbers. `caused` is how many there were in all."""
        account = await self._account()
        failed = account.dead_lettered + sum(account.dropped.values())
        return Standing(account.in_hand, account.accepted - account.in_hand, account.accepted, failed)

    async def details(self, standing: Standing) -> dict[str, Any]:
        """Where what is open stands, when the next of it is due, and the latest dead letters."""
        account = await self._account()
        details: dict[str, Any] = {"ready": account.ready, "waiting": account.waiting, "running": account.running}
        if standing.failed:
            details["dropped"] = account.dropped
            dead = cast("list[bytes]", await self._redis.zrevrange(self._keys.dead, 0, SHOWN - 1))
            details["failures"] = await _told(self._redis, self._keys, [request_id.decode() for request_id in dead])
        if standing.open:
            delayed = self._keys.delayed(self._keys.invocations)
            first = cast("list[tuple[bytes, float]]", await self._redis.zrange(delayed, 0, 0, withscores=True))
            details["next_due"] = iso_ms(from_ms(first[0][1])) if first else None
        return details

    async def _account(self) -> Account:
        fields = cast("dict[bytes, bytes]", await self._redis.hgetall(self._keys.ledger))
        account = Account()
        for name, count in fields.items():
            function, _, column = name.decode().partition("|")
            if function != event_message.CANARY_FUNCTION:
                account.add(column, int(count))
        return account


async def _told(redis: "AsyncRedis", keys: Keys, request_ids: list[str]) -> list[dict[str, Any]]:
    """What there is to tell; an event whose record has expired is left out."""
    return [_shortened(document) for document in await read_events(redis, keys, request_ids)]


def _shortened(document: dict[str, Any]) -> dict[str, Any]:
    told = {name: document[name] for name in _TOLD if name in document}
    if told["state"] != "waiting":
        told.pop("due_at", None)
    return told
