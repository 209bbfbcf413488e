"""The plan of a night, which a seed decides."""

from itertools import pairwise

from tests.soak.schedule import LONG, SHORT, Disturbance, Kind, Pace, plan, subject

SEEDS = range(200)


def test_same_seed_plans_the_same_night_and_another_seed_another():
    """A night can be repeated."""
    again = plan(7, 600, Kind, LONG)

    assert plan(7, 600, Kind, LONG) == again
    assert plan(8, 600, Kind, LONG) != again


def test_long_night_has_each_kind_once_before_any_comes_again():
    """Every kind comes in each turn, in another order, and all end in time."""
    for planned in (plan(seed, 600, Kind, LONG) for seed in SEEDS):
        first, second = planned[: len(Kind)], planned[len(Kind) : 2 * len(Kind)]

        assert {one.kind for one in first} == {one.kind for one in second} == set(Kind)
        assert [one.kind for one in first] != [one.kind for one in second]
        assert max(one.ends for one in planned) <= 600
        assert all(earlier.at <= later.at for earlier, later in pairwise(planned))


def test_short_night_has_each_kind_once():
    """However little time there is; and what must outlast a lease does."""
    kinds = set(Kind) - {Kind.RESTART}
    for planned in (plan(seed, 100, kinds, SHORT) for seed in SEEDS):
        assert sorted(one.kind for one in planned) == sorted(kinds)
        assert next(one.lasts for one in planned if one.kind is Kind.STOP_WORKER_LONG) > 10
        assert max(one.ends for one in planned) <= 75


def test_what_is_done_to_one_part_is_never_done_at_once():
    """A part that stands still is not killed meanwhile, and beside a restart there is nothing at all."""
    for planned in (plan(seed, 600, Kind, Pace(rest=(1.0, 2.0), overlap=1.0)) for seed in SEEDS):
        for one in planned:
            beside = [other for other in planned if other is not one and other.at < one.ends and one.at < other.ends]
            assert subject(one.kind) not in {subject(other.kind) for other in beside}, one
            assert Kind.RESTART not in {other.kind for other in beside}, one


def test_some_overlap_and_some_are_measured():
    """Recovery is measured of what nothing else is beside, nor comes a moment later."""
    nights = [plan(seed, 600, Kind, LONG) for seed in SEEDS]

    for planned in nights:
        assert any(one.is_measured for one in planned)
        for one in planned:
            assert one.is_measured is not _is_disturbed(one, planned)
    assert all(any(not one.is_measured for one in planned) for planned in nights)


def _is_disturbed(one: Disturbance, planned: list[Disturbance]) -> bool:
    return any(other is not one and other.at <= one.ends + 1 and one.at <= other.ends for other in planned)


def test_nothing_is_planned_of_no_kind():
    """Where nothing can be done the night is quiet."""
    assert plan(1, 600, (), LONG) == []
