"""Connections that look whole and on which nothing comes any more, as when a router has forgotten them."""

from tests.chaos.load import Load
from tests.chaos.proxy import Proxy
from tests.chaos.system import System
from tests.chaos.verdict import assert_all_is_well


def test_worker_whose_connections_died_silently_connects_again(proxied: System, proxy: Proxy):
    """Each of its connections is replaced, also the one that Celery publishes by from the loop; its lease holds."""
    function, journal = proxied.deploy()
    worker = proxied.workers[0]
    with Load(proxied, function) as load:
        proxied.wait_until(lambda: journal.begun_by(worker.pid), f"{worker.name} runs events")
        proxy.hold(worker.pid)
        proxied.wait_until(lambda: proxy.replies(worker.pid, "claim"), f"{worker.name} claims again")

    assert_all_is_well(proxied, function, journal, load.sent)
    assert proxied.unasked_exits == []
