"""The model of docs/scaling.md: its arithmetic, and the page, which shows what the command prints."""

import json

import pytest

from benchmarks import capacity
from benchmarks.capacity import Coefficients, Memory, Site, capacities, first_to_be_full, memory
from benchmarks.scaling_page import PAGE, with_answers

COSTS = Coefficients(
    gateway_us=400, accept_us=10, settle_us=40, worker_us=200, call_us=100, overhead_ms=5,
    queued_bytes=1_000, kept_bytes=500, environment_mb=4,
)  # fmt: skip


def most(site: Site) -> dict[str, float]:
    """What each part carries, in events a second."""
    return {part.name: round(part.most, 1) for part in capacities(site, COSTS)}


def test_a_part_carries_what_it_has_by_what_an_event_needs():
    """Two machines of four cores with three workers each, one Redis, and handlers that take 35 ms and compute for 1."""
    site = Site(machines=2, cores=4, workers=3, concurrency=10, account=100, handler_ms=35, handler_cpu_ms=1)

    assert most(site) == {
        "gateways": 2 / 400e-6,
        "Redis": 1 / 50e-6,
        "workers": 6 / 200e-6,
        "environments": 60 / 0.040,
        "account concurrency": 100 / 0.040,
        "machines": round(8 / 1750e-6, 1),
    }
    assert first_to_be_full(capacities(site, COSTS)).name == "environments"


def test_servers_apart_take_nothing_of_the_machines_and_carry_more_together():
    """Three systems on two servers of their own: Redis carries twice as much, the account thrice, all else the same."""
    together = Site(cores=4, workers=4)
    apart = Site(cores=4, workers=4, systems=3, redis=2, is_redis_apart=True)

    before, after = most(together), most(apart)

    assert after["Redis"] == 2 * before["Redis"]
    assert after["account concurrency"] == 3 * before["account concurrency"]
    assert after["machines"] == round(4 / 700e-6, 1) > before["machines"] == round(4 / 750e-6, 1)
    assert {name: after[name] for name in ("gateways", "workers", "environments")} == {
        name: before[name] for name in ("gateways", "workers", "environments")
    }


def test_a_backlog_that_is_only_worked_off_needs_no_gateway():
    """Events that are in the queue already cost the gateway nothing, and Redis only their claim and settlement."""
    parts = {part.name: part for part in capacities(Site(cores=2, workers=2, is_accepting=False), COSTS)}

    assert parts["gateways"].most == float("inf")
    assert parts["Redis"].most == 1 / 40e-6
    assert parts["machines"].used(1_000) == pytest.approx(0.340)


def test_memory_is_that_of_the_queued_the_ended_and_the_environments():
    """500 events a second for two hours, records that are kept for one, and 2 x 8 x 16 places to run in."""
    site = Site(machines=2, cores=8, workers=8)

    taken = memory(site, COSTS, rate=500, backlog_hours=2, retention_s=3_600)

    assert taken == Memory(queued=3.6, kept=0.9, environments=1.024)


def test_the_costs_of_another_machine_are_read_from_its_benchmark(folder, capsys):
    """`--measured` takes the latest run of `parts`; without one the command says by what to make it."""
    run = {name: getattr(COSTS, name) for name in COSTS.__slots__}
    (folder / "bench.json").write_text(json.dumps({"runs": {"parts": [{"thrice": run}]}}))
    (folder / "other.json").write_text(json.dumps({"runs": {"idle": []}}))

    assert "| 400.0 |" in capacity.answer(["--measured", str(folder / "bench.json"), "--costs"])
    with pytest.raises(SystemExit):
        capacity.answer(["--measured", str(folder / "other.json")])
    assert capacity.COMMAND in capsys.readouterr().err


def test_more_servers_than_systems_are_refused(capsys):
    """A system cannot be spread over servers, and the command says what to do."""
    with pytest.raises(SystemExit):
        capacity.answer(["--redis", "2"])

    assert "have more systems" in capsys.readouterr().err


def test_the_page_shows_what_the_commands_print():
    """Each command of the page is followed by its very output."""
    page = PAGE.read_text()

    assert with_answers(page) == page
    assert page.count("python -m benchmarks.capacity --") >= 4
