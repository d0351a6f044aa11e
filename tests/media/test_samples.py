"""Floats as integers and as bytes: nothing wraps round, what is broken is silent, and what fits comes back."""

from __future__ import annotations

import numpy as np
import pytest

from cfork_cli.media.samples import LOUDEST, RAW, Cuts, from_integers, over_full_scale, packed, to_integers, unbroken


def test_only_broken_samples_are_silenced() -> None:
    sound = np.array([[LOUDEST, -LOUDEST, 0.0, 1.5]])
    assert unbroken(sound) is sound
    for broken in (np.nan, np.inf, -np.inf, np.nextafter(LOUDEST, np.inf), -np.nextafter(LOUDEST, np.inf)):
        np.testing.assert_array_equal(unbroken(np.append(sound, [[broken]], 1)), [[*sound[0], 0.0]])
    empty = np.zeros((2, 0))
    assert unbroken(empty) is empty


def test_full_scale_itself_is_not_over_it() -> None:
    assert over_full_scale(np.array([[1.0, -1.0, 0.0], [np.nextafter(1, 2), -np.nextafter(1, 2), np.inf]])) == 3


@pytest.mark.parametrize(("blocks", "told"), [([], []), ([0.5], []), ([2.0], ["1 sample was"])])
def test_cut_samples_are_counted_over_all_blocks(blocks: list[float], told: list[str]) -> None:
    cuts = Cuts()
    given = [np.array([[one]]) for one in blocks]
    found = list(cuts.counted(given))
    assert [one is other for one, other in zip(found, given, strict=True)] == [True] * len(given)
    assert [note.partition(" over")[0] for note in cuts.notes()] == told


def test_cut_samples_of_several_blocks_add_up() -> None:
    cuts = Cuts()
    list(cuts.counted([np.array([[2.0, 0.0]]), np.array([[-3.0, 1.0]])]))
    assert cuts.samples == 2
    assert cuts.notes()[0].startswith("2 samples were over full scale and were cut")


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_integers_are_cut_at_both_ends_and_nothing_is_zero(bits: int) -> None:
    full = 2 ** (bits - 1)
    sound = np.array([-np.inf, -2.0, -1.0, -1 / full, np.nan, 0.4 / full, 0.6 / full, 1.0, 2.0, np.inf])
    assert to_integers(sound, bits).tolist() == [
        -full, -full, -full, -1, 0, 0, 1, full - 1, full - 1, full - 1
    ]  # fmt: skip


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_integers_come_back_as_they_were(bits: int) -> None:
    full = 2 ** (bits - 1)
    whole = np.unique(np.linspace(-full, full - 1, 1001).astype(np.int64))
    floats = from_integers(whole, bits)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(to_integers(floats, bits), whole)


@pytest.mark.parametrize("kind", RAW)
def test_packed_samples_are_read_back_by_their_name(kind: str) -> None:
    """Two channels, one sample after the other, in the order of bytes and in the places that ffmpeg's name says."""
    sound = np.array([[0.5, -1.0, 2.0], [-0.25, 0.125, 0.0]])
    data, order = packed(sound, kind), "big" if kind.endswith("be") else "little"
    if kind[0] == "f":
        found = np.frombuffer(data, RAW[kind]).reshape(-1, 2).T
        np.testing.assert_array_equal(found, sound)
        return
    bits, width = int(kind[1:3]), 4 if "in32" in kind else int(kind[1:3]) // 8
    assert len(data) == 6 * width
    numbers = [int.from_bytes(data[at : at + width], order, signed=True) for at in range(0, len(data), width)]
    np.testing.assert_array_equal(numbers, to_integers(sound, bits).T.ravel())
