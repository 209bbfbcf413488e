"""When each request is to be sent, fixed before the first one is: an open loop. Pure.

A client that waits for an answer before it sends the next request measures nothing while the system stands still, and
so hides the very delays that it looks for. Here a request has its moment whatever became of the others, and its latency
counts from that moment. The requests of a run are dealt out to its client processes one by one.
"""

import random
from collections.abc import Iterator
from itertools import takewhile

from console.bench.plan import Plan


def share_of_number(number: int, client: int, clients: int) -> int:
    """How many of `number` requests, or connections, `client` (from 0) of `clients` gets."""
    return number // clients + (1 if client < number % clients else 0)


def arrivals(plan: Plan, client: int, clients: int) -> Iterator[float]:
    """The moments, in seconds since the start and ascending, at which `client` (from 0) of `clients` sends.

    Of a plan with a rate only. Even arrivals of all clients together have the same distance from each other; poisson
    arrivals have distances as of callers who know nothing of each other, and are the same for the same seed.
    """
    assert plan.rate is not None
    moments = _even(plan.rate, client, clients) if plan.arrivals == "even" else _poisson(plan, client, clients)
    if plan.duration is not None:
        end = plan.duration
        moments = takewhile(lambda moment: moment < end, moments)
    if plan.number is not None:
        number = share_of_number(plan.number, client, clients)
        moments = (moment for _, moment in zip(range(number), moments, strict=False))
    return iter(moments)


def _even(rate: float, client: int, clients: int) -> Iterator[float]:
    position = client
    while True:
        yield position / rate
        position += clients


def _poisson(plan: Plan, client: int, clients: int) -> Iterator[float]:
    """Several independent processes of this kind are, taken together, one of it again, with the sum of their rates."""
    assert plan.rate is not None
    source = random.Random(f"{plan.seed}:{client}")  # noqa: S311 - to be repeated, not to be secret
    moment = 0.0
    while True:
        moment += source.expovariate(plan.rate / clients)
        yield moment
