"""All that a Redis server holds, read in one step, so that a fuzz can compare it with its model after every one."""

from pathlib import Path
from typing import Any

from redis import Redis

from worker.transport.lua import Library
from worker.transport.script import Script

_READ_ALL = Script.of(Library(Path(__file__).parent), "contents")


class Contents:
    """The keys of a server at one moment. A key that does not exist reads as empty."""

    def __init__(self, keys: list[bytes], left: list[int], values: list[Any]) -> None:
        names = [key.decode() for key in keys]
        self.left = dict(zip(names, left, strict=True))  # ms until a key expires; -1: never
        self._values = dict(zip(names, values, strict=True))

    @classmethod
    def of(cls, redis: Redis) -> "Contents":
        """What `redis` holds now."""
        found = _READ_ALL.run(redis, [], [])
        return cls(found[::3], found[1::3], found[2::3])

    def names(self, beginning: str = "") -> set[str]:
        """The keys that begin so."""
        return {name for name in self._values if name.startswith(beginning)}

    def string(self, key: str) -> bytes | None:
        """A STRING, None if there is none."""
        value: bytes | None = self._values.get(key)
        return value

    def list(self, key: str) -> list[bytes]:
        """A LIST, from the left."""
        return list(self._values.get(key, ()))

    def hash(self, key: str) -> dict[bytes, bytes]:
        """A HASH."""
        pairs = self._values.get(key, ())
        return dict(zip(pairs[::2], pairs[1::2], strict=True))

    def set(self, key: str) -> set[bytes]:
        """A SET."""
        return set(self._values.get(key, ()))

    def zset(self, key: str) -> dict[bytes, float]:
        """A ZSET: member -> score."""
        pairs = self._values.get(key, ())
        return {member: float(score) for member, score in zip(pairs[::2], pairs[1::2], strict=True)}
