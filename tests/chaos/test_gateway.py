"""The gateway is killed while it is accepting events."""

import random

from tests.chaos.load import Load
from tests.chaos.system import System
from tests.chaos.verdict import assert_all_is_well


def test_every_202_of_a_killed_gateway_is_kept(system: System, chance: random.Random):
    """Callers without an answer know nothing; those with a 202 were promised that their event runs."""
    function, journal = system.deploy()
    with Load(system, function) as load:
        for kill in range(1, 4):
            accepted = len(load.accepted)
            system.wait_until(lambda accepted=accepted: len(load.accepted) > accepted + 20, f"it accepts, {kill}")
            load.go_on(chance.uniform(0.0, 0.3))
            system.kill(system.gateway)

    assert load.unsure
    assert_all_is_well(system, function, journal, load.sent)
