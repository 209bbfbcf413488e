"""Something fails at one single step: a reply is lost on its way, or a process dies between two steps.

What a random kill meets once in a thousand times is met here each time. Nothing is lost, each event that fails has one
dead letter, and only what a killed process was running is run again.
"""

import signal

import pytest

from tests.chaos.accounting import Sent
from tests.chaos.journal import Journal
from tests.chaos.load import invoke, send
from tests.chaos.proxy import Fault, Harm, Moment, Proxy, brings_messages, is_some
from tests.chaos.system import CONCURRENCY, System
from tests.chaos.verdict import assert_all_is_well

EVENTS = 24

_BOTH = (Harm.CUT, Harm.KILL)


def claims(moment: Moment, harm: Harm) -> Fault:
    """A fault of a claim that brings something."""
    return Fault("claim", moment, harm, brings_messages)


#: A worker that dies with what it has just been given; what it held is suspect from then on.
LOSS = claims(Moment.DONE, Harm.KILL)


def is_over(system: System, function: str) -> bool:
    """Whether nothing of a function is in hand, and the dead are forgotten, whose leases are not waited for."""
    system.end_leases_of_the_dead()
    snapshot = system.look()
    has_ended = system.account(function).in_hand == 0
    return has_ended and len(snapshot.living) == len(system.workers) and not snapshot.gone


FAULTS = [
    *((claims(moment, harm),) for moment in (Moment.SENT, Moment.DONE) for harm in _BOTH),
    (claims(Moment.READ, Harm.KILL),),
    *((Fault("settle", moment, harm),) for moment in (Moment.SENT, Moment.DONE) for harm in _BOTH),
    *((LOSS, Fault("SADD", moment, harm)) for moment in Moment for harm in _BOTH),
    *((LOSS, Fault("reap", moment, harm, is_some)) for moment in (Moment.SENT, Moment.DONE) for harm in _BOTH),
]


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "; then ".join(map(str, faults)))
def test_fault_at_a_single_step_of_an_event(proxied: System, proxy: Proxy, faults: tuple[Fault, ...]):
    """Claim, delivery, run, settlement and the search for the dead: each can fail at each of its steps."""
    url, arn = proxied.create_queue(f"dead-{FAULTS.index(faults)}")
    function, journal = proxied.deploy(DeadLetterConfig={"TargetArn": arn})
    proxied.client("lambda").put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    proxy.arm(*faults)
    sent = send(proxied, function, ({"number": n, "takes": 0.02, "fails": n % 2 == 1} for n in range(EVENTS)))

    proxied.wait_until(
        lambda: is_over(proxied, function) and proxy.is_disarmed, "the faults have struck, and all is over"
    )

    assert_all_is_well(proxied, function, journal, sent, kills=sum(fault.harm is Harm.KILL for fault in faults))
    assert proxied.take_dead_letters(url) == list(range(1, EVENTS, 2))
    assert proxied.unasked_exits == []


@pytest.mark.parametrize("harm", _BOTH)
@pytest.mark.parametrize("moment", [Moment.SENT, Moment.DONE])
def test_fault_while_an_event_is_taken_in(proxied: System, proxy: Proxy, moment: Moment, harm: Harm):
    """A cut connection is no reason to refuse or to repeat an event; a killed gateway leaves its callers unsure."""
    function, journal = proxied.deploy()
    client = proxied.client("lambda")
    answers = {0: invoke(client, function, {"number": 0})}

    proxy.arm(Fault("enqueue", moment, harm))
    answers[1] = invoke(client, function, {"number": 1})
    proxied.wait_until(lambda: proxy.is_disarmed, "the fault has struck")
    proxied.make_whole()
    answers[2] = invoke(client, function, {"number": 2})

    assert answers == {0: True, 1: harm is Harm.CUT, 2: True}
    accepted = [number for number, is_accepted in answers.items() if is_accepted]
    assert_all_is_well(proxied, function, journal, Sent(accepted, [1]))
    assert journal.times_run()[1] == (0 if (moment, harm) == (Moment.SENT, Harm.KILL) else 1)
    assert proxied.unasked_exits == []


def test_worker_that_is_told_to_end_repeats_nothing(proxied: System):
    """What it has begun it ends and settles; what it has not begun it gives back."""
    function, journal = proxied.deploy()
    sent = end_under_load(proxied, function, journal)

    assert_all_is_well(proxied, function, journal, sent)
    assert proxied.unasked_exits == []


@pytest.mark.parametrize("moment", [Moment.SENT, Moment.DONE])
def test_fault_while_a_worker_gives_back_what_it_has_not_begun(proxied: System, proxy: Proxy, moment: Moment):
    """A worker that is told to end ends, also if it cannot say what it leaves; the others find it."""
    function, journal = proxied.deploy()
    proxy.arm(Fault("release", moment, Harm.CUT))
    sent = end_under_load(proxied, function, journal)

    proxied.wait_until(lambda: is_over(proxied, function), "all is over")

    assert proxy.is_disarmed
    assert_all_is_well(proxied, function, journal, sent)
    assert proxied.unasked_exits == []


def end_under_load(system: System, function: str, journal: Journal) -> Sent:
    """Tell one worker of two to end while both run events, and have more; it does."""
    first, second = system.workers
    sent = send(system, function, ({"number": number, "takes": 0.5} for number in range(4 * CONCURRENCY)))
    system.wait_until(lambda: journal.begun_by(first.pid) and journal.begun_by(second.pid), "both run events")

    system.kill(first, signal.SIGTERM)

    assert first.process is not None
    assert first.process.poll() == 0
    return sent


#: Where a worker dies in attempts 1, 2 and 3.
STEPS = {
    "when it is claimed": LOSS,
    "when it has run": Fault("settle", Moment.SENT, Harm.KILL),
    "when it is settled": Fault("settle", Moment.DONE, Harm.KILL),
}


@pytest.mark.parametrize("step", STEPS)
def test_worker_that_dies_at_each_boundary_of_the_schedule(proxied: System, proxy: Proxy, step: str):
    """At 0, 60 and 180 s a worker dies at the same step: there are three attempts and one dead letter, never 0 or 2."""
    url, arn = proxied.create_queue(f"boundary-{list(STEPS).index(step)}")
    function, journal = proxied.deploy(DeadLetterConfig={"TargetArn": arn})

    def all_have_made(attempts: int) -> bool:
        proxied.end_leases_of_the_dead()
        account = proxied.account(function)
        # That nothing is ready or runs is not enough: right after an advance what is due is still waiting.
        is_quiet = proxy.is_disarmed and account.ready + account.running == 0
        return is_quiet and proxied.attempts_made(function) == [attempts] * CONCURRENCY

    proxy.arm(STEPS[step])
    sent = send(proxied, function, ({"number": number, "fails": True} for number in range(CONCURRENCY)))
    for attempt, countdown in enumerate((60, 120), start=1):
        proxied.wait_until(lambda made=attempt: all_have_made(made), f"attempt {attempt} of every event has been made")
        proxy.arm(STEPS[step])
        proxied.advance(countdown)
    proxied.wait_until(lambda: is_over(proxied, function) and proxy.is_disarmed, "all is over")

    assert_all_is_well(proxied, function, journal, sent, kills=3, wanted=lambda _: 3)
    assert proxied.take_dead_letters(url) == list(range(CONCURRENCY))
    assert proxied.attempts_made(function) == [3] * CONCURRENCY
    assert min(journal.times_run().values()) >= 3
    assert proxied.unasked_exits == []
