"""The registry: what is put in comes out, two changes at a time are both kept, and unused code goes."""

import threading
from typing import Any

import pytest
from redis import Redis
from redis.client import Pipeline

from worker.function import FunctionConfiguration
from worker.keys import Keys
from worker.registry import FunctionExists, FunctionMissing, FunctionRegistry

CODE, OTHER = "aa" * 32, "bb" * 32


@pytest.fixture
def registry(redis: Redis, keys: Keys) -> FunctionRegistry:
    """An empty registry."""
    return FunctionRegistry(redis, keys)


def function(name: str = "f", sha256: str = CODE, **fields: Any) -> FunctionConfiguration:
    """A function with what is required."""
    required = {"runtime": "python3.12", "handler": "app.handler", "role": "r", "code_size": 1, "last_modified": "x"}
    return FunctionConfiguration(
        name=name, arn=f"arn:{name}", code_sha256=sha256, revision_id="1", **(required | fields)
    )


def storing(keys: Keys, sha256: str = CODE) -> Any:
    """What stores the code of that name."""

    def store(pipe: Pipeline) -> None:
        pipe.set(keys.code(sha256), sha256)

    return store


def kept_code(redis: Redis, keys: Keys) -> dict[str, str]:
    """Of each code whether it stays or expires."""
    names = {name: redis.ttl(keys.code(name)) for name in (CODE, OTHER)}
    return {name: "stays" if ttl == -1 else "expires" for name, ttl in names.items() if ttl != -2}


def test_what_is_created_is_found_until_it_is_deleted(registry: FunctionRegistry, redis: Redis, keys: Keys) -> None:
    """A function is listed and can be looked up; after delete there is neither it nor its policy, and its code goes."""
    registry.create(function(), storing(keys))
    registry.update_policy("f", lambda _: b"policy")
    before = (registry.exists("f"), registry.get("f"), registry.list(), registry.names(), registry.policy("f"))

    registry.delete("f")

    assert (True, function(), [function()], ["f"], b"policy") == before
    assert (
        registry.exists("f"), registry.get("f"), registry.list(), registry.names(), registry.policy("f"),
    ) == (False, None, [], [], None)  # fmt: skip
    assert kept_code(redis, keys) == {CODE: "expires"}


def test_a_name_is_taken_once(registry: FunctionRegistry, redis: Redis, keys: Keys) -> None:
    """The second function of a name is refused, the first stays, and no code is left behind."""
    registry.create(function(), storing(keys))

    with pytest.raises(FunctionExists):
        registry.create(function(sha256=OTHER), storing(keys, OTHER))

    assert function() == registry.get("f")
    assert kept_code(redis, keys) == {CODE: "stays", OTHER: "expires"}


def test_what_is_not_there_cannot_be_changed(registry: FunctionRegistry) -> None:
    """Update, delete and policies of an unknown function are refused."""
    for change in (
        lambda: registry.update("f", lambda before: before),
        lambda: registry.delete("f"),
        lambda: registry.update_policy("f", lambda _: b"policy"),
    ):
        with pytest.raises(FunctionMissing):
            change()
    assert (registry.get("f"), registry.policy("f")) == (None, None)


def test_code_that_another_function_uses_stays(registry: FunctionRegistry, redis: Redis, keys: Keys) -> None:
    """Code goes with the last function that uses it, and comes back to stay when it is stored again."""
    registry.create(function("f"), storing(keys))
    registry.create(function("g"), storing(keys))

    registry.delete("f")
    assert kept_code(redis, keys) == {CODE: "stays"}

    registry.update("g", lambda g: g.model_copy(update={"code_sha256": OTHER}), storing(keys, OTHER))
    assert kept_code(redis, keys) == {CODE: "expires", OTHER: "stays"}

    registry.create(function("h"), storing(keys))
    assert kept_code(redis, keys) == {CODE: "stays", OTHER: "stays"}


def test_internal_functions_are_not_listed(registry: FunctionRegistry, keys: Keys) -> None:
    """A function of ours can be looked up by its name, and by nothing else."""
    internal = function("thrice:canary")
    registry.create(internal, storing(keys))

    assert (internal, [], []) == (registry.get("thrice:canary"), registry.list(), registry.names())


def test_changes_at_the_same_time_are_all_kept(registry: FunctionRegistry, keys: Keys) -> None:
    """Eight threads that each count up twenty times have counted to a hundred and sixty."""
    registry.create(function(timeout=0), storing(keys))

    def count() -> None:
        for _ in range(20):
            registry.update("f", lambda before: before.model_copy(update={"timeout": before.timeout + 1}))
            registry.update_policy("f", lambda before: (before or b"") + b".")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (function(timeout=160), b"." * 160) == (registry.get("f"), registry.policy("f"))


def test_a_change_that_raises_changes_nothing(registry: FunctionRegistry, keys: Keys) -> None:
    """What the caller's check raises goes through, and the function is as before."""
    registry.create(function(), storing(keys))

    def refuse(_: FunctionConfiguration) -> FunctionConfiguration:
        raise LookupError

    with pytest.raises(LookupError):
        registry.update("f", refuse)

    assert function() == registry.get("f")


def publish(registry: FunctionRegistry, number: str, **fields: Any) -> FunctionConfiguration:
    """Publish what `$LATEST` is, as that version."""

    def change(latest: FunctionConfiguration) -> FunctionConfiguration:
        published = latest.published | {number: f"r{number}"}
        return latest.model_copy(update={"published": published, "last_version": int(number), **fields})

    return registry.update(
        "f", change, publish=lambda new: function(version=number).model_copy(update={"revision_id": f"r{number}"})
        if new.published
        else None,
    )  # fmt: skip


def test_published_version_is_found_as_it_was(registry: FunctionRegistry, redis: Redis, keys: Keys) -> None:
    """It does not change with `$LATEST`, keeps its code, and goes by itself or with its function."""
    registry.create(function(), storing(keys))
    latest = publish(registry, "1")
    registry.update("f", lambda now: now.model_copy(update={"code_sha256": OTHER}), storing(keys, OTHER))

    version = registry.version("f", "1")

    assert version is not None
    assert (version.version, version.code_sha256, version.revision_id) == ("1", CODE, "r1")
    assert registry.versions(latest) == [version]
    assert kept_code(redis, keys) == {CODE: "stays", OTHER: "stays"}

    registry.update("f", lambda now: now.model_copy(update={"published": {}}), delete_version="1")

    assert registry.version("f", "1") is None
    assert kept_code(redis, keys) == {CODE: "expires", OTHER: "stays"}


def test_function_goes_with_versions_and_policies(registry: FunctionRegistry, redis: Redis, keys: Keys) -> None:
    """After delete nothing of it is left: no version, no policy of a version or alias, and no code."""
    registry.create(function(), storing(keys))
    publish(registry, "1", code_sha256=OTHER)
    registry.update_policy("f", lambda _: b"policy", "1")

    registry.delete("f")

    assert (registry.version("f", "1"), registry.policy("f", "1")) == (None, None)
    assert redis.exists(keys.versions, keys.policies, keys.functions) == 0
    assert kept_code(redis, keys) == {CODE: "expires"}


def test_layer_keeps_its_package(registry: FunctionRegistry, redis: Redis, keys: Keys) -> None:
    """A package that a layer of some function is made of stays, also when it is nobody's code any more."""
    registry.create(function(), storing(keys))
    layer = {"arn": "arn:layer:1", "code_sha256": CODE, "code_size": 1}
    registry.create(function("g", OTHER, layers=(layer,)), storing(keys, OTHER))

    registry.delete("f")

    assert kept_code(redis, keys) == {CODE: "stays", OTHER: "stays"}
