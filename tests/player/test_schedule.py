"""What is separated next."""

from __future__ import annotations

import pytest

from cfork_cli.player.schedule import (
    LEAST_GAIN_SECONDS,
    SHORT_SECONDS,
    Lattice,
    Playhead,
    Step,
    runs,
    step,
    target,
)
from cfork_cli.player.take import FADE

RATE = 48_000
STRIDE, FIRST, CROSSFADE = 22, 1, 0.25
LATTICE = Lattice(
    [0, *(round((number * STRIDE + FIRST) * RATE) for number in range(1, 50))],
    [round(((number + 1) * STRIDE + FIRST + CROSSFADE) * RATE) for number in range(50)],
    RATE,
)


def test_the_nearest_missing_fragment_from_the_playhead_is_next() -> None:
    has = {0, 1, 2, 3, 4, 7, 8}
    found = target([Playhead(2.5, 0.0)], has.__contains__, 100, 1.0)
    assert found is not None
    assert (found.index, found.soon) == (5, 2.5)
    has |= {5, 6}
    found = target([Playhead(2.5, 0.0)], has.__contains__, 100, 1.0)
    assert found is not None
    assert found.index == 9


def test_what_is_behind_or_far_ahead_waits() -> None:
    has = set(range(50, 70))
    assert target([Playhead(50.0, 0.0)], has.__contains__, 100, 1.0, ahead=15) is None
    assert target([Playhead(69.0, 0.0)], set(range(69, 100)).__contains__, 100, 1.0) is None
    assert target([Playhead(1e9, 0.0)], lambda index: False, 100, 1.0) is not None


def test_of_two_pages_the_one_that_wants_it_sooner_is_served() -> None:
    has = {10, 11, 12}
    heads = [Playhead(10.0, 5.0), Playhead(60.0, 1.0)]
    found = target(heads, has.__contains__, 100, 1.0)
    assert found is not None
    assert found.index == 60
    found = target(heads, {10, 60, 61, 62}.__contains__, 100, 1.0)
    assert found is not None
    assert found.index == 11
    found = target([Playhead(60.0, 5.0), Playhead(10.0, 1.0)], set().__contains__, 100, 1.0)
    assert found is not None
    assert found.index == 60, "the page that spoke last"


@pytest.mark.parametrize("seconds", [0, 3, 100, 500.7])
def test_what_is_wanted_at_once_comes_in_a_short_window(seconds: float) -> None:
    begin = round(seconds * RATE)
    found = step(begin, 0.2, 20.0, LATTICE)
    assert found.number is None
    assert found.begin == max(0, begin - FADE)
    assert 2 * RATE < found.end - found.begin <= (SHORT_SECONDS + 0.1) * RATE


def test_ahead_are_long_windows_of_the_grid_one_after_the_other() -> None:
    begin, soon, numbers = 100 * RATE, 60.0, []
    for _ in range(5):
        found = step(begin, soon, 10.0, LATTICE, fresh=False)
        numbers.append(found.number)
        begin = found.end if found.number is None else LATTICE.ends[found.number]
    assert numbers in ([4, 5, 6, 7, 8], [None, 5, 6, 7, 8])


def test_a_slow_computer_takes_the_window_that_is_ready_in_time() -> None:
    begin = 5 * STRIDE * RATE + 2 * RATE
    assert step(begin, 12.0, 20.0, LATTICE, fresh=False).number == 5
    slow = step(begin, 12.0, 1.2, LATTICE, fresh=False)
    assert slow.number is None
    assert slow.end - slow.begin < 0.6 * 12 * 1.2 * RATE + RATE


@pytest.mark.parametrize("soon", [0.1, 5.0, 60.0])
@pytest.mark.parametrize("speed", [0.5, 6.0, 60.0])
def test_every_step_brings_new_sound_and_meets_what_is_known(soon: float, speed: float) -> None:
    for begin in range(0, 300 * RATE, 7919 * 13):
        for until in (None, begin + 2 * RATE, begin + 15 * RATE):
            found = step(begin, soon, speed, LATTICE, until=until, fresh=False)
            first, end = (found.begin, found.end)
            if found.number is not None:
                first, end = LATTICE.begins[found.number], LATTICE.ends[found.number]
                assert end - begin >= LEAST_GAIN_SECONDS * RATE
            assert first <= max(0, begin - FADE)
            assert end >= begin + FADE
            if until is not None and found.number is None:
                assert end <= until + FADE


def test_a_step_never_goes_on_without_need() -> None:
    found = step(3 * RATE, 30.0, 10.0, LATTICE, until=4 * RATE, fresh=False)
    assert found == Step(begin=3 * RATE - FADE, end=4 * RATE + FADE)


def test_runs() -> None:
    assert runs([]) == []
    assert runs([5]) == [(5, 6)]
    assert runs([0, 1, 4, 5, 9]) == [(0, 2), (4, 6), (9, 10)]
