"""What the transport takes for granted of Celery, kombu and redis-py, and none of them documents.

A new version that breaks one of these breaks the transport.
"""

import inspect

import hiredis
import pytest
from celery.worker.consumer import consumer as celery_consumer
from celery.worker.worker import WorkController
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from redis._parsers import BaseParser
from redis.connection import AbstractConnection
from redis.exceptions import NoScriptError, OutOfMemoryError, ReadOnlyError

from worker.transport import versions
from worker.transport.channel import Channel
from worker.transport.transport import Transport
from worker.transport.window import Window


def test_the_installed_versions_are_tested_ones() -> None:
    """The check that the transport makes passes here."""
    versions.check()


def test_a_version_that_was_not_tested_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text says what is installed, what it means and what to install."""
    monkeypatch.setitem(versions.TESTED, "kombu", versions.SpecifierSet("<5"))

    with pytest.raises(versions.VersionUnusable, match=r"kombu 5\.7.* is installed.*Install 'kombu<5'"):
        versions.check()


@pytest.mark.parametrize(
    "name",
    [
        *("_put", "_size", "_purge", "_delete", "_has_queue", "_basic_cancel", "_create_client", "_get_pool", "close"),
        "_connparams",
        *("_disconnect_pools", "basic_consume", "conn_or_acquire", "priority", "_get_message_priority"),
    ],
)
def test_the_stock_channel_has_what_ours_overrides_or_calls(name: str) -> None:
    """A hook that is renamed would not be called any more."""
    assert callable(getattr(redis.Channel, name))


@pytest.mark.parametrize("name", ["_register_LISTEN", "on_poll_start", "on_poll_init", "on_readable", "handle_event"])
def test_the_stock_poller_has_what_ours_overrides_or_calls(name: str) -> None:
    """The same for fanout."""
    assert callable(getattr(redis.MultiChannelPoller, name))


def test_our_window_has_all_that_kombu_asks_of_a_qos() -> None:
    """Every public method of the stock QoS."""
    stock = {name for name, _ in inspect.getmembers(virtual.QoS, callable) if not name.startswith("_")}

    assert stock <= set(dir(Window))


def test_kombu_lets_a_transport_clean_up_after_a_broken_connection() -> None:
    """`Connection.collect` calls `_collect` of the transport instead of talking to the server."""
    assert "self._transport._collect" in inspect.getsource(Connection.collect)
    assert callable(Transport._collect)


def test_celery_restarts_its_consumer_for_the_transports_connection_errors() -> None:
    """All that Redis answers is among them, so that none of it ends a worker."""
    assert "recoverable_errors" in inspect.getsource(celery_consumer.Consumer.start)
    for error in (OutOfMemoryError, ReadOnlyError, NoScriptError):
        assert issubclass(error, Transport.connection_errors)


def test_celery_uses_its_event_loop_with_the_transport() -> None:
    """It asks `implements.asynchronous`."""
    assert "implements.asynchronous" in inspect.getsource(WorkController.should_use_eventloop)
    assert Transport.implements.asynchronous
    assert Transport.Channel is Channel


def test_redis_py_has_what_the_command_connection_takes_from_it() -> None:
    """The socket of a connection, and the words of errors as exceptions."""
    assert "self._sock" in inspect.getsource(AbstractConnection.connect_check_health)
    assert isinstance(BaseParser.parse_error("NOSCRIPT No matching script."), NoScriptError)
    assert isinstance(BaseParser.parse_error("READONLY You can't write."), ReadOnlyError)
    assert hiredis.Reader(notEnoughData=None).gets() is None


def test_kombu_knows_transports_by_aliases() -> None:
    """`use_for_redis_urls` replaces these."""
    assert {"redis", "rediss", "sentinel"} <= set(TRANSPORT_ALIASES)
