"""One system for all scenarios of the short form, made whole again before each of them."""

import os
import random
from collections.abc import Callable, Iterator

import pytest

from tests.chaos.proxy import Proxy
from tests.chaos.system import System

#: How many kills the long form makes; 0 leaves it out.
KILLS = int(os.environ.get("CHAOS_KILLS", "0"))

#: What every random choice follows from.
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))

collect_ignore = [] if KILLS else ["test_long.py"]


def pytest_report_header() -> str:
    """How to repeat this very run."""
    return f"chaos: CHAOS_SEED={SEED}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Never beside another test of a whole system: two cores are soon full."""
    for item in items:
        if "tests/chaos/" in item.path.as_posix():
            item.add_marker(pytest.mark.xdist_group("system"))


@pytest.fixture(scope="session")
def running_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that runs."""
    system = System.start(tmp_path_factory.mktemp("chaos"))
    yield system
    system.stop()


@pytest.fixture
def system(running_system: System) -> System:
    """A system that works, whatever the scenario before has done to it."""
    running_system.make_whole()
    return running_system


@pytest.fixture(scope="session")
def proxied_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that reaches Redis through a proxy."""
    system = System.start(tmp_path_factory.mktemp("proxied"), is_proxied=True)
    yield system
    system.stop()


@pytest.fixture
def proxy(proxied_system: System) -> Iterator[Proxy]:
    """Its proxy, which lets everything pass before and after the test."""
    assert proxied_system.proxy is not None
    yield proxied_system.proxy
    proxied_system.proxy.arm()
    proxied_system.proxy.let_go()


@pytest.fixture
def proxied(proxied_system: System, proxy: Proxy) -> System:
    """The same system, in working order."""
    proxied_system.make_whole()
    return proxied_system


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Random choices that the seed and the test's name decide. A failure shows the seed."""
    request.node.add_report_section("setup", "seed", f"CHAOS_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def tell(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Shows a line at once: a long run is not to look like a stuck one."""
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    assert terminal is not None

    def line(text: str) -> None:
        with capsys.disabled():
            terminal.write_line(f"  {text}")

    return line
