"""Redis dies, restarts, hangs, refuses writes, forgets scripts and drops connections, all under load.

No worker may exit for that, and nothing that was accepted may be lost.
"""

import random
import signal
from contextlib import suppress

import pytest
from redis.exceptions import RedisError

from config import redis as config_redis
from tests.chaos.load import Load, failing_at_first, runs_of
from tests.chaos.system import System
from tests.chaos.verdict import assert_all_is_well, let_retries_run, work_goes_on
from tests.system.running import free_port


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_redis_that_ends_under_load_takes_nothing_with_it(
    system: System, chance: random.Random, number: signal.Signals
):
    """It ends in the middle of attempts and retries, and comes back; workers stay, and everything ends well."""
    function, journal = system.deploy()
    pids = [worker.pid for worker in system.workers]
    with Load(system, function, failing_at_first) as load:
        system.wait_until(journal.runs, "the work has begun")
        for _ in range(2):
            load.go_on(chance.uniform(0.3, 1.0))
            system.kill(system.server, number)
            load.go_on(1.5)
            work_goes_on(system, load)

    let_retries_run(system, function)
    assert_all_is_well(system, function, journal, load.sent, kills=2, wanted=runs_of)
    assert system.unasked_exits == []
    assert [worker.pid for worker in system.workers] == pids


def test_cut_connections_are_replaced(system: System, chance: random.Random):
    """Each connection of each part is cut, one after the other; then all answers come two seconds late."""
    function, journal = system.deploy()
    rounds = 2
    with Load(system, function) as load:
        system.wait_until(journal.runs, "the work has begun")
        for _ in range(rounds):
            ours = system.redis.client_id()
            others = [client["id"] for client in system.redis.client_list() if int(client["id"]) != ours]
            for connection in chance.sample(others, len(others)):
                system.redis.client_kill_filter(_id=connection)
                load.go_on(0.02)
        system.redis.client_pause(2000)
        work_goes_on(system, load)

    assert_all_is_well(system, function, journal, load.sent, kills=rounds)
    assert system.unasked_exits == []


def test_redis_that_refuses_is_waited_for(system: System):
    """It is full, a read-only replica, busy with an endless script: there is no 202 meanwhile, and all of it passes."""
    function, journal = system.deploy()
    with Load(system, function, failing_at_first) as load:
        system.wait_until(journal.runs, "the work has begun")
        for refuse, relent in (
            (lambda: system.redis.config_set("maxmemory", "1"), lambda: system.redis.config_set("maxmemory", "0")),
            (lambda: system.redis.replicaof("127.0.0.1", free_port()), lambda: system.redis.replicaof("NO", "ONE")),
            (lambda: keep_busy(system), system.redis.script_kill),
        ):
            unsure = len(load.unsure)
            refuse()
            system.wait_until(lambda unsure=unsure: len(load.unsure) > unsure, "events are refused")
            load.go_on(1.0)
            relent()
            work_goes_on(system, load)

    let_retries_run(system, function)
    assert_all_is_well(system, function, journal, load.sent, kills=1, wanted=runs_of)
    assert system.unasked_exits == []


def test_forgotten_scripts_are_loaded_again(system: System):
    """SCRIPT FLUSH, again and again: nobody notices."""
    function, journal = system.deploy()
    with Load(system, function, failing_at_first) as load:
        system.wait_until(journal.runs, "the work has begun")
        for _ in range(5):
            system.redis.script_flush()
            work_goes_on(system, load)

    let_retries_run(system, function)
    assert_all_is_well(system, function, journal, load.sent, wanted=runs_of)
    assert load.unsure == []
    assert system.unasked_exits == []


def keep_busy(system: System) -> None:
    """Run a script that never ends, so that every other client is told BUSY."""
    system.redis.config_set("busy-reply-threshold", "50")
    endless = config_redis.connect(system.settings, retry=None, socket_timeout=0.2)
    with suppress(RedisError):
        endless.eval("while true do end", 0)
    endless.close()
