"""The way of messages to a channel, where it ends in the middle of something."""

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any

from redis import ConnectionPool, UnixDomainSocketConnection

from tests.transport.processes import Server
from worker.transport.calls import Calls, Delivery
from worker.transport.commands import connection_of
from worker.transport.intake import Intake
from worker.transport.keys import Namespace
from worker.transport.lease import Lease
from worker.transport.options import Options
from worker.transport.window import Window

QUEUE = "{i}:q"
CALLS = Calls(Namespace("{i}"))

#: A message that a worker was lost with.
SUSPECT = '{"x-dc":1,"body":""}'


def test_an_intake_that_closes_while_it_begins_a_suspect_does_not_keep_it(broker: Server) -> None:
    """Redis is being told that a suspect begins, and the channel closes: nobody holds it, so that it goes back."""
    delivered: list[Delivery] = []
    CALLS.publish(QUEUE, "", [SUSPECT]).run(broker.client)

    async def main() -> list[str]:
        pool = ConnectionPool(connection_class=UnixDomainSocketConnection, path=str(broker.socket))
        lease = Lease(Options(namespace="{i}"), CALLS, pool)
        channel: Any = SimpleNamespace(lease=lease, room=lambda: None)
        consumer = SimpleNamespace(deliver=delivered.append)
        intake = Intake(lease, Window(channel), consumer, partial(connection_of, pool), asyncio.get_running_loop())
        intake.consume([(QUEUE, False)])
        async with asyncio.timeout(60):
            while not lease.held:  # noqa: ASYNC110 - it is to be seen before its reply comes
                await asyncio.sleep(0)
        intake.close()
        held = lease.held
        lease.close()
        pool.disconnect()
        return held

    assert asyncio.run(main()) == []
    assert delivered == []
    assert CALLS.size(QUEUE).run(broker.client) == 1
