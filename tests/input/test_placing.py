"""Packets of sound are put where their time stamps say, and what they lack is counted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from cfork_cli.input.placing import Placer, Tally

RATE, FRAME = 8000, 80


def placed(stamps: Sequence[int], **options: int) -> tuple[list[int], Tally]:
    """Return for each sample the number of its packet, 0 for silence; every packet holds its number from 1."""
    placer = Placer(RATE, 1, **options)
    packets = [(stamp, np.full((1, FRAME), number, np.float32)) for number, stamp in enumerate(stamps, start=1)]
    pieces = [np.zeros((1, 0), np.float32), *placer.place(packets)]
    return [int(value) for value in np.concatenate(pieces, axis=1)[0]], placer.tally


def lengths(samples: Sequence[int]) -> list[tuple[int, int]]:
    """Return runs: value and how often."""
    edges = [0, *(place for place in range(1, len(samples)) if samples[place] != samples[place - 1]), len(samples)]
    return [(samples[a], b - a) for a, b in itertools.pairwise(edges)]


def test_the_first_sound_is_put_in_its_place() -> None:
    found, tally = placed([100, 180])
    assert lengths(found) == [(0, 100), (1, 80), (2, 80)]
    found, _ = placed([-100, -20, 60])
    assert lengths(found) == [(2, 60), (3, 80)]
    assert tally == Tally()


def test_made_up_stamps_before_the_beginning_follow_the_packet_before_them() -> None:
    """At a splice before a piece they were taken for its first sound."""
    found, tally = placed([-240, -160, -159, 0])
    assert lengths(found) == [(4, 80)]
    assert tally == Tally()
    found, _ = placed([-200, -199, -198])
    assert lengths(found) == [(3, 40)]


def test_gaps_are_filled_and_overlaps_left_out_and_both_counted() -> None:
    found, tally = placed([0, 400, 480, 360, 390, 800])
    assert lengths(found) == [(1, 80), (0, 320), (2, 80), (3, 80), (0, 240), (6, 80)]
    assert (tally.filled, tally.dropped) == (560, 160)


def test_one_leaping_time_stamp_moves_nothing() -> None:
    """ffmpeg writes rising stamps only: those after the leap are one sample more than the one before."""
    found, tally = placed([0, 80, 9_000_000, 9_000_001, 9_000_002, 9_000_003])
    assert lengths(found) == [(number, 80) for number in range(1, 7)]
    assert (tally.filled, tally.stray) == (0, 1)


def test_no_gap_leads_beyond_the_end_of_the_film() -> None:
    found, tally = placed([0, 80, 9_000_000, 9_000_080], last=1000)
    assert len(found) == 4 * FRAME
    assert tally.stray == 2
    assert len(placed([9_000_000], last=1000)[0]) == FRAME


@pytest.mark.parametrize("off", [12, -12])
def test_a_step_that_lasts_is_followed_and_jitter_is_not(off: int) -> None:
    """1.5 ms, less than anything takes at its word at once."""
    steady = [FRAME * number for number in range(20)]
    jitter = [stamp + off * (number % 2) for number, stamp in enumerate(steady)]
    assert len(placed(jitter)[0]) == 20 * FRAME
    stepped = [stamp + off * (stamp >= 10 * FRAME) for stamp in steady]
    assert len(placed(stepped)[0]) == 20 * FRAME + off


def test_a_step_is_believed_after_eight_packets_and_not_after_seven() -> None:
    steady = [FRAME * number for number in range(40)]
    stepped = [stamp + 12 * (stamp >= 10 * FRAME) for stamp in steady]
    found, tally = placed(stepped)
    assert lengths(found)[:19] == [*((number, 80) for number in range(1, 18)), (0, 12), (18, 80)]
    assert tally == Tally(filled=12)
    interrupted = [stamp + 12 * (number >= 10 and number % 8 != 1) for number, stamp in enumerate(steady)]
    assert len(placed(interrupted)[0]) == 40 * FRAME


def test_a_gap_before_the_end_of_the_film_is_a_gap() -> None:
    found, tally = placed([0, 400], last=1000)
    assert lengths(found) == [(1, 80), (0, 320), (2, 80)]
    assert tally == Tally(filled=320)


def test_of_a_packet_that_lies_partly_over_others_the_rest_is_taken() -> None:
    placer = Placer(RATE, 1)
    packets = [(0, np.full((1, 1000), 1, np.float32)), (700, np.full((1, 1000), 2, np.float32))]
    found = np.concatenate(list(placer.place(packets)), axis=1)[0]
    assert lengths([int(value) for value in found]) == [(1, 1000), (2, 700)]
    assert placer.tally == Tally(dropped=300)


def test_nothing_comes_after_the_end_that_is_wanted() -> None:
    assert lengths(placed([0, 4000], end=1000)[0]) == [(1, 80), (0, 920)]
    assert len(placed([0, 80, 160], end=100)[0]) == 100
