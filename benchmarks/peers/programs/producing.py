"""The process that publishes: `python -m benchmarks.peers.programs.producing MODULE`, told what to do by its input.

One JSON object a line comes in, one goes out. The clock runs here, around the publishing alone: imports, connecting
(the first events do that) and making the events are over when it starts.

- `{"do": "publish", "first": 0, "count": 100}`: one by one; answers `{"seconds": …}`
- `{"do": "batch", …}`: the same by the library's own call for many
- `{"do": "pace", …, "pause": [0.01, 0.03], "countdown": 0}`: one after the other with random pauses in between, each
  due after `countdown` seconds; answers `{"moments": […]}`, CLOCK_MONOTONIC in ns just before each

`PEER_EVENT` is the event with the number 0. `MODULE` has an asynchronous context manager `producer()`.
"""

import asyncio
import importlib
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True)
class Producer:
    """How a peer publishes. `batch` is None if its library has no call for many events."""

    one_by_one: Callable[[Sequence[Event]], Awaitable[None]]
    later: Callable[[Event, float], Awaitable[None]]
    batch: Callable[[Sequence[Event]], Awaitable[None]] | None = None


def blocking(publish: Callable[[Event], object]) -> Callable[[Sequence[Event]], Awaitable[None]]:
    """Publish one by one with a function that blocks."""

    async def one_by_one(events: Sequence[Event]) -> None:
        for event in events:
            publish(event)

    return one_by_one


def awaiting(publish: Callable[[Event], Awaitable[object]]) -> Callable[[Sequence[Event]], Awaitable[None]]:
    """Publish one by one with a coroutine function."""

    async def one_by_one(events: Sequence[Event]) -> None:
        for event in events:
            await publish(event)

    return one_by_one


async def _serve(producing: AbstractAsyncContextManager[Producer]) -> None:
    pauses = random.Random(1)
    async with producing as producer:
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await _do(producer, json.loads(line), pauses)), flush=True)


async def _do(producer: Producer, told: dict[str, Any], pauses: random.Random) -> dict[str, Any]:
    events = [_event(number) for number in range(told["first"], told["first"] + told["count"])]
    if told["do"] == "pace":
        return {"moments": await _pace(producer, events, told, pauses)}
    publish = producer.one_by_one if told["do"] == "publish" else producer.batch
    assert publish is not None
    since = time.monotonic()
    await publish(events)
    return {"seconds": time.monotonic() - since}


async def _pace(producer: Producer, events: Sequence[Event], told: dict[str, Any], pauses: random.Random) -> list[int]:
    moments = []
    for event in events:
        await asyncio.sleep(pauses.uniform(*told["pause"]))
        moments.append(time.monotonic_ns())
        if told["countdown"]:
            await producer.later(event, told["countdown"])
        else:
            await producer.one_by_one([event])
    return moments


def _event(number: int) -> Event:
    return {**_TEMPLATE, "number": f"{number:09}"}


if __name__ == "__main__":
    _TEMPLATE: Event = json.loads(os.environ["PEER_EVENT"])
    asyncio.run(_serve(importlib.import_module(sys.argv[1]).producer()))
