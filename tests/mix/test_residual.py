"""Stems sum to the mixture, in the samples that are written."""

from __future__ import annotations

import numpy as np
import pytest
from support.films import noise

from cfork_cli.mix.residual import settle


@pytest.mark.parametrize("level", [0.1, 3.0], ids=["quiet", "over full scale"])
@pytest.mark.parametrize("takers", [[0], [2], [0, 1], [2, 0, 1]])
@pytest.mark.parametrize("bits", [16, 24])
def test_integers_sum_exactly(level: float, takers: list[int], bits: int) -> None:
    mixture = noise(2, 500, level=level)
    stems = np.stack([noise(2, 500, level=level, seed=seed) for seed in (1, 2, 3)])
    full = 2 ** (bits - 1)
    settled = settle(mixture, stems, takers, bits)
    whole = settled.astype(np.float64) * full
    np.testing.assert_array_equal(whole, np.rint(whole))
    assert whole.min() >= -full
    assert whole.max() <= full - 1
    np.testing.assert_array_equal(whole.sum(axis=0), np.clip(np.rint(mixture * float(full)), -full, full - 1))
    if level < 1:  # who has room takes nothing that is not his
        others = [place for place in range(3) if place != takers[-1]]
        np.testing.assert_allclose(settled[others], stems[others], atol=0.51 / full)


def test_floats_sum_to_half_a_unit_in_the_last_place() -> None:
    mixture = noise(2, 500, level=2.0)
    stems = np.stack([noise(2, 500, seed=seed) for seed in (1, 2)])
    settled = settle(mixture, stems, [1], None)
    np.testing.assert_array_equal(settled[0], stems[0])
    error = np.abs(settled.sum(axis=0, dtype=np.float64) - mixture)
    assert (error <= 2.0**-24 * np.abs(settled[1])).all()
    assert stems.dtype == settled.dtype == np.float32


def test_what_makes_no_sense() -> None:
    for stems, takers in ((np.zeros((2, 1, 5)), []), (np.zeros((2, 1, 4)), [0])):
        with pytest.raises(ValueError, match="do not fit together"):
            settle(np.zeros((1, 5)), stems, takers, 16)
