"""Something fails at one single step: a reply is lost on its way, or a process dies between two steps.

What a random kill meets once in a thousand times is met here each time. Nothing is lost, each event that fails has one
dead letter, and only what a killed process was running is run again.
"""

from collections.abc import Iterator

import pytest

from tests.chaos.journal import Journal
from tests.chaos.load import invoke, send
from tests.chaos.proxy import Fault, Harm, Moment, Proxy, brings_messages, is_some
from tests.chaos.system import System
from tests.chaos.verdict import assert_all_is_well

EVENTS = 24

_BOTH = (Harm.CUT, Harm.KILL)


@pytest.fixture(scope="module")
def proxied_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that reaches Redis through a proxy."""
    system = System.start(tmp_path_factory.mktemp("faults"), is_proxied=True)
    yield system
    system.stop()


@pytest.fixture
def system(proxied_system: System, proxy: Proxy) -> System:
    """The same, in working order."""
    proxied_system.make_whole()
    return proxied_system


@pytest.fixture
def proxy(proxied_system: System) -> Iterator[Proxy]:
    """Its proxy, which lets everything pass before and after the test."""
    assert proxied_system.proxy is not None
    yield proxied_system.proxy
    proxied_system.proxy.arm()
    proxied_system.proxy.let_go()


def claims(moment: Moment, harm: Harm) -> Fault:
    """A fault of a claim that brings something."""
    return Fault("claim", moment, harm, brings_messages if moment is not Moment.SENT else lambda _: True)


def work(system: System, **fields: object) -> tuple[str, str, Journal]:
    """A function without retries and its dead-letter queue: name, URL of the queue, journal."""
    url, arn = system.create_queue(f"dead-{id(fields)}")
    function, journal = system.deploy(DeadLetterConfig={"TargetArn": arn}, **fields)
    system.client("lambda").put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    return function, url, journal


FAULTS = [
    *([claims(moment, harm)] for moment in (Moment.SENT, Moment.DONE) for harm in _BOTH),
    [claims(Moment.READ, Harm.KILL)],
    *([Fault("settle", moment, harm)] for moment in (Moment.SENT, Moment.DONE) for harm in _BOTH),
    *([claims(Moment.DONE, Harm.KILL), Fault("SADD", moment, harm)] for moment in Moment for harm in _BOTH),
    *(
        [claims(Moment.READ, Harm.KILL), Fault("reap", moment, harm, is_some if moment is Moment.DONE else bool)]
        for moment in (Moment.DONE,)
        for harm in _BOTH
    ),
]


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "; then ".join(map(str, faults)))
def test_fault_at_a_single_step_of_an_event(system: System, proxy: Proxy, faults: list[Fault]):
    """Claim, delivery, run, settlement and the search for the dead: each can fail at each of its steps."""
    function, url, journal = work(system)
    proxy.arm(*faults)
    sent = send(system, function, ({"number": n, "takes": 0.02, "fails": n % 2 == 1} for n in range(EVENTS)))

    def has_struck() -> bool:
        system.end_leases_of_the_dead()
        return all(fault.has_struck for fault in faults)

    system.wait_until(has_struck, f"{faults} have struck")
    system.end_leases_of_the_dead()

    assert_all_is_well(system, function, journal, sent, kills=sum(fault.harm is Harm.KILL for fault in faults))
    assert system.take_dead_letters(url) == list(range(1, EVENTS, 2))
    assert system.unasked_exits == []
