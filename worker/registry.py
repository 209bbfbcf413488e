"""The functions that there are: their configurations, versions and resource policies, and the life of their code.

A change is made optimistically: read the configuration, decide, and have a script replace it if it is still the one
that was read; else begin again. So of two changes at the same time neither is lost. New code is stored in the same
transaction as the configuration that names it, and code that no function names any more expires.

Functions whose names begin with `thrice:` are internal. They can be looked up by name, but are never listed; the API
cannot name them, since no function name of AWS's has a colon.
"""

from collections.abc import Callable, Sequence

from redis import Redis
from redis.client import Pipeline

from worker.function import INTERNAL_PREFIX, FunctionConfiguration
from worker.keys import Keys
from worker.scripts import source


class FunctionExists(Exception):
    """Raised when a function of this name is there already. The text is the name."""


class FunctionMissing(Exception):
    """Raised when there is no function of this name. The text is the name."""


class FunctionRegistry:
    """Keeps the functions in Redis. Any thread may ask.

    Every method lets redis-py's `RedisError` through; then nothing has changed, or the change is whole.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._create = redis.register_script(source("function_create"))
        self._update = redis.register_script(source("function_update"))
        self._delete = redis.register_script(source("function_delete"))
        self._replace_policy = redis.register_script(source("policy_replace"))

    def exists(self, name: str) -> bool:
        """Whether there is a function of this name."""
        return bool(self._redis.hexists(self._keys.functions, name))

    def get(self, name: str) -> FunctionConfiguration | None:
        """The function as it is now, or None."""
        stored = self._redis.hget(self._keys.functions, name)
        return None if stored is None else FunctionConfiguration.model_validate_json(stored)

    def list(self) -> Sequence[FunctionConfiguration]:
        """All functions but the internal ones, by name."""
        functions = map(FunctionConfiguration.model_validate_json, self._redis.hvals(self._keys.functions))
        listed = (function for function in functions if not function.name.startswith(INTERNAL_PREFIX))
        return sorted(listed, key=lambda function: function.name)

    def names(self) -> Sequence[str]:
        """The names of all functions but the internal ones, in order."""
        names = (_bytes(name).decode() for name in self._redis.hkeys(self._keys.functions))
        return sorted(name for name in names if not name.startswith(INTERNAL_PREFIX))

    def version(self, name: str, number: str) -> FunctionConfiguration | None:
        """A published version, or None. What can change of it (its alias, its event-invoke config) is not in it."""
        stored = self._redis.hget(self._keys.versions, _version_field(name, number))
        return None if stored is None else FunctionConfiguration.model_validate_json(stored)

    def versions(self, function: FunctionConfiguration) -> Sequence[FunctionConfiguration]:
        """The published versions of a function, in the order of their numbers."""
        if not function.published:
            return []
        numbers = sorted(function.published, key=int)
        stored = self._redis.hmget(self._keys.versions, [_version_field(function.name, number) for number in numbers])
        return [FunctionConfiguration.model_validate_json(document) for document in stored if document is not None]

    def create(
        self,
        function: FunctionConfiguration,
        store_code: Callable[[Pipeline], object],
        *,
        published: FunctionConfiguration | None = None,
    ) -> None:
        """Put a new function into the table, together with the code that `store_code` adds to the pipeline.

        `published` is its first version, where it is to have one.

        Raises:
            FunctionExists: there is one of that name, which stays as it is.
        """
        with self._redis.pipeline(transaction=True) as pipe:
            store_code(pipe)
            self._create(
                keys=[self._keys.functions, self._keys.versions],
                args=[
                    str(self._keys),
                    function.name,
                    _stored(function),
                    *_publication(published),
                    *function.packages(),
                ],
                client=pipe,
            )
            is_created = pipe.execute()[-1]
        if not is_created:
            raise FunctionExists(function.name)

    def update(
        self,
        name: str,
        change: Callable[[FunctionConfiguration], FunctionConfiguration],
        store_code: Callable[[Pipeline], object] | None = None,
        *,
        publish: Callable[[FunctionConfiguration], FunctionConfiguration | None] = lambda _: None,
        delete_version: str | None = None,
    ) -> FunctionConfiguration:
        """Replace the function's configuration by what `change` makes of it, and return that.

        `change` is called again with the newer configuration whenever somebody else was faster; what it raises goes
        through, and nothing is changed.

        Args:
            name: of the function.
            change: see above.
            store_code: adds to a pipeline what stores new code.
            publish: is asked for the version that is to be published with the changed configuration, if any.
            delete_version: number of a version that is to be deleted with it.

        Raises:
            FunctionMissing: there is no such function.
        """
        while True:  # ends: whoever makes us begin again has got his own change through
            before = self._read(name)
            old = FunctionConfiguration.model_validate_json(before)
            new = change(old)
            gone = None if delete_version is None else self.version(name, delete_version)
            unneeded = {*old.packages(), *(gone.packages() if gone else ())} - {*new.packages()}
            with self._redis.pipeline(transaction=True) as pipe:
                if store_code is not None:
                    store_code(pipe)
                self._update(
                    keys=[self._keys.functions, self._keys.versions],
                    args=[
                        str(self._keys),
                        name,
                        before,
                        _stored(new),
                        *_publication(publish(new)),
                        _version_field(name, delete_version) if delete_version else b"",
                        len(unneeded),
                        *unneeded,
                        *(set(new.packages()) - set(old.packages())),
                    ],
                    client=pipe,
                )
                is_replaced = pipe.execute()[-1]
            if is_replaced:
                return new

    def delete(self, name: str) -> None:
        """Take the function out of the table, with its versions, aliases and policies.

        Its code expires if no other function uses it. Its log stays, as on AWS.

        Raises:
            FunctionMissing: there is no such function.
        """
        is_deleted = False
        while not is_deleted:
            before = self._read(name)
            function = FunctionConfiguration.model_validate_json(before)
            versions = [_version_field(name, number) for number in function.published]
            policies = [
                name,
                *(_version_field(name, qualifier) for qualifier in (*function.aliases, *function.published)),
            ]
            is_deleted = bool(
                self._delete(
                    keys=[self._keys.functions, self._keys.versions, self._keys.policies],
                    args=[str(self._keys), name, before, len(versions), *versions, *policies],
                )
            )

    def policy(self, name: str, qualifier: str | None = None) -> bytes | None:
        """The resource policy of a function, or of an alias or version of it, as it was stored; or None."""
        stored = self._redis.hget(self._keys.policies, _policy_field(name, qualifier))
        return None if stored is None else _bytes(stored)

    def update_policy(
        self, name: str, change: Callable[[bytes | None], bytes | None], qualifier: str | None = None
    ) -> None:
        """Replace a policy by what `change` makes of it; None stands for no policy.

        `change` is called again as in `update`.

        Raises:
            FunctionMissing: there is no such function.
        """
        is_replaced = False
        while not is_replaced:
            if not self.exists(name):
                raise FunctionMissing(name)
            before = self.policy(name, qualifier)
            after = change(before)
            is_replaced = bool(
                self._replace_policy(
                    keys=[self._keys.functions, self._keys.policies],
                    args=[name, _policy_field(name, qualifier), before or b"", after or b""],
                )
            )

    def _read(self, name: str) -> bytes:
        stored = self._redis.hget(self._keys.functions, name)
        if stored is None:
            raise FunctionMissing(name)
        return _bytes(stored)


def _version_field(name: str, version: str) -> str:
    return f"{name}:{version}"


def _policy_field(name: str, qualifier: str | None) -> str:
    return name if qualifier is None else f"{name}:{qualifier}"


def _publication(version: FunctionConfiguration | None) -> tuple[str, str]:
    return ("", "") if version is None else (_version_field(version.name, version.version), _stored(version))


def _stored(function: FunctionConfiguration) -> str:
    """The document, without what is as if it were not there."""
    return function.model_dump_json(exclude_defaults=True)


def _bytes(reply: bytes | str) -> bytes:
    """A reply of Redis; it is text only for a client that decodes, and ours does not."""
    assert isinstance(reply, bytes)
    return reply
