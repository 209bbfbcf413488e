"""Who runs next."""

from worker.slots import MOST_AHEAD, Slots


def fill(slots: Slots[str], *items: str, is_urgent: bool = False) -> None:
    """Let items wait; the function is the first letter."""
    for item in items:
        slots.put(item, item[0], is_urgent=is_urgent)


def take_all(slots: Slots[str]) -> list[str]:
    """Everything that may run now."""
    taken = []
    while (item := slots.take()) is not None:
        taken.append(item)
    return taken


def test_functions_take_turns():
    """However much of one function came first, the others do not wait for it."""
    slots: Slots[str] = Slots(16)
    fill(slots, "a1", "a2", "a3", "b1", "c1")

    assert take_all(slots) == ["a1", "b1", "c1", "a2", "a3"]


def test_no_function_has_all_the_slots():
    """There is a slot for another function while one fills all that it may have."""
    slots: Slots[str] = Slots(8)
    fill(slots, *(f"a{number}" for number in range(20)))

    taken = take_all(slots)
    fill(slots, "b1")

    assert len(taken) == slots.limit == 7
    assert take_all(slots) == ["b1"]


def test_single_slot_is_for_everybody():
    """With one slot there is nothing to keep for others."""
    slots: Slots[str] = Slots(1)
    fill(slots, "a1", "b1")

    assert take_all(slots) == ["a1"]


def test_who_waits_for_an_answer_goes_first():
    """A synchronous invocation does not stand in line behind events."""
    slots: Slots[str] = Slots(2)
    fill(slots, "a1", "b1")
    fill(slots, "c1", is_urgent=True)

    assert take_all(slots) == ["c1", "a1"]


def test_slot_that_is_given_back_is_used_again():
    """The next one of a function runs when one has ended."""
    slots: Slots[str] = Slots(2)
    fill(slots, "a1", "a2")
    taken = [take_all(slots)]

    slots.give_back("a", 1.0)
    taken.append(take_all(slots))

    assert taken == [["a1"], ["a2"]]
    assert (slots.running, slots.waiting) == (1, 0)


def test_one_that_waits_can_be_taken_back():
    """What is discarded does not run; what runs cannot be discarded."""
    slots: Slots[str] = Slots(2)
    fill(slots, "a1", "a2")
    assert take_all(slots) == ["a1"]

    assert (slots.discard("a2", "a"), slots.discard("a1", "a")) == (True, False)
    assert slots.waiting == 0


def test_fewer_slots_let_what_runs_go_on():
    """Nothing more is begun until enough has ended."""
    slots: Slots[str] = Slots(4)
    fill(slots, "a1", "b1", "c1")
    assert len(take_all(slots)) == 3

    slots.resize(2)
    fill(slots, "d1")

    assert take_all(slots) == []
    slots.give_back("a", 1.0)
    slots.give_back("b", 1.0)
    assert take_all(slots) == ["d1"]


def test_clearing_leaves_what_runs():
    """What waited is given back to whoever asks."""
    slots: Slots[str] = Slots(1)
    fill(slots, "a1", "a2", "b1")
    take_all(slots)

    assert sorted(slots.clear()) == ["a2", "b1"]
    assert (slots.running, slots.waiting) == (1, 0)


def test_slow_functions_are_not_taken_ahead():
    """Of a function that takes seconds little more is taken than runs; others can have the rest of the window."""
    slots: Slots[str] = Slots(16)
    fill(slots, *(f"a{number}" for number in range(16)))
    take_all(slots)
    slots.give_back("a", 10.0)

    assert (slots.limit, slots.allowance) == (14, 16)
    assert slots.allowances() == {"a": 1}


def test_fast_functions_are_taken_ahead():
    """Of a function that takes a fraction of a millisecond as many are taken as keep the slots busy for a moment."""
    slots: Slots[str] = Slots(16)
    fill(slots, "a1", "a2")
    take_all(slots)
    slots.give_back("a", 0.0001)

    assert slots.allowances() == {"a": 14 + 16 * MOST_AHEAD - 1}


def test_times_of_a_function_are_averaged():
    """One slow invocation among fast ones does not make a function slow."""
    slots: Slots[str] = Slots(16)
    for seconds in (0.001, 0.001, 0.002):
        fill(slots, "a1")
        take_all(slots)
        slots.give_back("a", seconds)
    fill(slots, "a1")

    assert slots.allowances() == {"a": 14 + 16 * MOST_AHEAD - 1}


def test_more_is_taken_when_little_waits():
    """So there is always something to run, and no claim for each: of what takes a second, when the last one begins."""
    slots: Slots[str] = Slots(2)
    states = [slots.is_low]
    fill(slots, "a1", "a2", "a3", "a4", "a5")
    states.append(slots.is_low)
    take_all(slots)
    states.append(slots.is_low)
    for _ in range(3):
        slots.give_back("a", 1.0)
        take_all(slots)
        states.append(slots.is_low)

    assert states == [True, False, False, False, True, True]


def test_no_more_is_held_than_will_begin_within_a_moment():
    """Of many slow functions only a few wait here: whoever comes next, of another function, is soon among them."""
    slots: Slots[str] = Slots(16)
    rooms = [slots.room]
    fill(slots, *"abcdefghijklmnop")
    take_all(slots)
    slots.give_back("a", 0.1)
    rooms.append(slots.room)
    for _ in range(50):
        fill(slots, "z")
        take_all(slots)
        slots.give_back("z", 0.0001)
    rooms.append(slots.room)

    assert rooms == [32, 5, 1 + 16 * MOST_AHEAD]


def test_worker_is_busy_while_more_than_one_is_held():
    """What runs alone need not wait for others to be settled with."""
    slots: Slots[str] = Slots(2)
    states = [slots.is_busy]
    for item in ("a1", "a2"):
        fill(slots, item)
        take_all(slots)
        states.append(slots.is_busy)

    assert states == [False, False, True]


def test_what_waits_for_too_long_is_given_up_but_for_the_next_few():
    """Of each function two stay, for they may be next; what has not waited long stays as well."""
    slots: Slots[str] = Slots(2)
    fill(slots, *(f"a{number}" for number in range(6)), "b1")
    take_all(slots)

    given_up = slots.surplus(lambda item: item != "a5")

    assert given_up == ["a3", "a4"]
    assert (slots.waiting, slots.running) == (3, 2)


def test_function_at_its_limit_keeps_nobody_out():
    """What waits for a slot of its own function takes no room from others, however long the others take."""
    slots: Slots[int] = Slots(4)
    for number in range(5):
        slots.put(number, "slow", is_urgent=False)
    while slots.take() is not None:
        pass
    slots.put(9, "fast", is_urgent=False)
    assert slots.take() == 9
    slots.give_back("fast", 10.0)

    assert (slots.running, slots.waiting) == (3, 2)
    assert slots.is_low
    assert slots.room > 0
    slots.give_back("slow", 10.0)
    assert slots.take() == 3
    assert slots.is_low
