"""Two systems on one server: each in a database of its own, as the number in its URL says."""

import subprocess
from contextlib import ExitStack
from pathlib import Path

from tests.system.running import BIN, RunningSystem
from tests.transport.processes import server
from tests.waiting import wait_until

#: A handler that answers for one of the two.
SOURCE = "def handler(event, context):\n    return {name!r}\n"

EVENTS = 5


def test_systems_in_two_databases_of_a_server_know_nothing_of_each_other(folder: Path) -> None:
    """The same name is two functions; ledgers, workers and remote control are those of one system alone."""
    with ExitStack() as stack:
        (folder / "redis").mkdir()
        broker = stack.enter_context(server(folder / "redis"))
        systems = []
        for database, name in enumerate(("one", "two")):
            (folder / name).mkdir()
            url = f"{broker.url}?virtual_host={database}"
            systems.append(RunningSystem.start(folder / name, THRICE_REDIS_URL=url, THRICE_WORKERS="1"))
            stack.callback(systems[-1].stop)
            systems[-1].create_function("f", SOURCE.format(name=name))
        one, two = systems

        for _ in range(EVENTS):
            one.client("lambda").invoke(FunctionName="f", InvocationType="Event")
        answer = two.client("lambda").invoke(FunctionName="f")["Payload"].read()
        wait_until(lambda: succeeded(one) == EVENTS, "the events of one have succeeded")

        assert answer == b'"two"'
        assert succeeded(two) == 0
        assert [workers_that_answer(system) for system in systems] == [1, 1]


def succeeded(system: RunningSystem) -> int:
    """How many events of its function have succeeded."""
    return int(system.ledger()["functions"].get("f", {}).get("succeeded", 0))


def workers_that_answer(system: RunningSystem) -> int:
    """How many workers its remote control reaches."""
    command = [str(BIN / "celery"), "-A", "worker", "inspect", "ping"]
    answer = subprocess.run(command, env=system.variables, capture_output=True, text=True, check=True, timeout=60)
    return answer.stdout.count("pong")
