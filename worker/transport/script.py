"""One Lua script: its source, and the digest by which the server knows it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import NoScriptError

from worker.transport.lua import Library

#: What a script takes as a key or an argument.
Argument = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class Script:
    """A script that can be called."""

    name: str
    source: str
    sha: str

    @classmethod
    def of(cls, library: Library, name: str) -> "Script":
        """The script `name` of a library.

        Raises:
            FileNotFoundError: the library does not have it.
        """
        source = library.source(name)
        return cls(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())

    def run(self, client: Redis, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run it and wait for its reply.

        Raises:
            RedisError: the server refused, or the connection broke and the outcome is unknown.
        """
        try:
            return client.evalsha(self.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return client.eval(self.source, len(keys), *keys, *arguments)

    async def run_async(self, client: "AsyncRedis", keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """The same on an event loop. The source is sent along where the server has forgotten the script.

        It may forget again at once, so loading it first and calling it then, as redis-py does, is not enough.
        """
        try:
            return await client.evalsha(self.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await client.eval(self.source, len(keys), *keys, *arguments)
