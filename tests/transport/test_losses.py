"""The way of messages to a channel, driven by an asyncio loop, without Celery."""

import asyncio
from pathlib import Path

from redis import ConnectionPool, UnixDomainSocketConnection

from tests.transport.processes import Server
from tests.transport.refusals import busy
from tests.waiting import wait_until
from worker.transport.calls import Calls, Delivery
from worker.transport.commands import connection_of
from worker.transport.intake import Intake
from worker.transport.lease import Lease
from worker.transport.options import Options
from worker.transport.window import Window


class Consumer:
    """Who gets the messages: nobody expects any."""

    def __init__(self, broker: Server) -> None:
        options = Options(namespace="{i}", lease=2.0, heartbeat=0.5)
        path = str(broker.socket)
        pool = ConnectionPool(connection_class=UnixDomainSocketConnection, path=path, socket_timeout=options.lease)
        self.lease = Lease(options, Calls(options.keys()), pool)
        self.window = Window(self)
        self.lost: list[str] = []
        self.window.on_lost = self.lost.extend

    def deliver(self, delivery: Delivery) -> None:
        """See `worker.transport.intake.Consumer`."""

    def room(self) -> None:
        """Nothing is claimed."""


def test_a_loss_is_found_out_though_the_server_refuses_at_first(broker: Server, folder: Path) -> None:
    """Whoever holds what others have is told when the server answers again, not only if it does at once."""

    async def main() -> None:
        consumer, loop = Consumer(broker), asyncio.get_running_loop()
        pool = consumer.lease.pool
        intake = Intake(consumer.lease, consumer.window, consumer, lambda: connection_of(pool), loop)
        await asyncio.to_thread(wait_until, lambda: intake._commands.is_up, "the connection is up")
        message = object
        consumer.lease.hold("1|-|1|q", message)
        with busy(broker, folder):
            intake._lost()
            refused: asyncio.Future[object] = loop.create_future()
            intake._commands.command("PING", done=refused.set_result)
            assert "BUSY" in str(await refused)

        await asyncio.to_thread(wait_until, lambda: consumer.lost, "the consumer is told")
        assert consumer.lost == ["1|-|1|q"]
        intake.close()

    asyncio.run(main())
