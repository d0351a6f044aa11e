"""The peak guard: absent until needed, never over the ceiling, never heard as a click."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from cfork_cli.mix.limiter import LOOK_AHEAD_SECONDS, RELEASE_SECONDS, PeakGuard, guard_peaks

RATE = 48_000


def guarded(remixed: np.ndarray, mixture: np.ndarray, lengths: Sequence[int] = (4800,), **options: float) -> np.ndarray:
    guard = PeakGuard(RATE, **options)
    out, start = [], 0
    for length in itertools.cycle(lengths):
        if start >= remixed.shape[1]:
            break
        out.append(guard.push(remixed[:, start : start + length], mixture[:, start : start + length]))
        start += length
    return np.concatenate([*out, guard.finish()], axis=1)


def material(samples: int = 60_000, channels: int = 2, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((channels, samples)) * 0.15
    return np.clip(values, -0.99, 0.99).astype(np.float32)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("ceiling", [1.0, 0.9])
def test_nothing_goes_over_the_ceiling(seed: int, ceiling: float) -> None:
    mixture = material(seed=seed) * np.float32(0.8)
    envelope = np.interp(np.arange(60_000), np.arange(0, 60_001, 3000), np.random.default_rng(seed).uniform(0, 12, 21))
    remixed = (mixture * envelope).astype(np.float32)
    remixed[:, 30_000] = 50  # a single sample
    remixed[1, -1] = -7  # the very last
    remixed[0, 0] = 3  # the very first
    out = guarded(remixed, mixture, ceiling=ceiling)
    assert out.shape == remixed.shape
    assert np.abs(out).max() <= ceiling


def test_what_is_not_over_passes_bit_for_bit() -> None:
    mixture = material()
    remixed = mixture * np.float32(1.005)
    remixed[0, 1000] = 1.0
    assert guarded(remixed, mixture).tobytes() == remixed.tobytes()


def test_a_film_that_was_over_already_is_not_touched() -> None:
    """All gains at 0 dB: the remix is the mixture."""
    mixture = material() * np.float32(4)
    assert np.abs(mixture).max() > 2
    assert guarded(mixture, mixture).tobytes() == mixture.tobytes()


def test_where_the_film_was_over_it_may_stay_so_loud_and_no_louder() -> None:
    mixture = material()
    mixture[:, 20_000] = 1.5
    remixed = mixture.copy()
    remixed[:, 20_000] = 1.8
    out = guarded(remixed, mixture)
    assert 1.49 < np.abs(out[:, 20_000]).max() <= 1.5


@pytest.mark.parametrize("lengths", [(1,), (7, 4096, 1, 300), (4095,), (100_000,), (0, 5000)])
def test_block_lengths_leave_no_trace(lengths: Sequence[int]) -> None:
    mixture = material(9001)
    remixed = mixture * np.float32(5)
    expected = guarded(remixed, mixture, (9001,))
    assert guarded(remixed, mixture, lengths).tobytes() == expected.tobytes()


@pytest.mark.parametrize("samples", [0, 1, 100, 4095, 4096, 4097, 4096 + 240, 8192])
def test_every_length_is_kept(samples: int) -> None:
    mixture = material(samples)
    assert guarded(mixture * np.float32(9), mixture).shape[-1] == samples


def test_far_from_a_peak_nothing_changes() -> None:
    mixture = material(300_000)
    remixed = mixture.copy()
    remixed[:, 100_000] = 2
    out = guarded(remixed, mixture)
    before = 100_000 - round(LOOK_AHEAD_SECONDS * RATE)
    assert np.array_equal(out[:, :before], remixed[:, :before])
    assert np.array_equal(out[:, 250_000:], remixed[:, 250_000:])


def test_the_gain_is_smooth_and_common_to_all_channels() -> None:
    """A jump of gain is a click. Here the gain moves by at most what a Hann-shaped ramp over the look-ahead needs."""
    mixture = np.full((3, 40_000), 0.2, np.float32)
    remixed = mixture.copy()
    remixed[1, 20_000:20_100] = 4
    out = guarded(remixed, mixture)
    gains = out.astype(np.float64) / remixed
    np.testing.assert_allclose(gains[0], gains[1], rtol=1e-6)
    np.testing.assert_allclose(gains[0], gains[2], rtol=1e-6)
    span = LOOK_AHEAD_SECONDS * RATE
    assert np.abs(np.diff(gains[0])).max() < 2.05 * 0.75 / span
    assert np.abs(np.diff(gains[0], n=2)).max() < 2 * np.pi * 0.75 / span**2 * 1.1


def test_what_was_done_is_told() -> None:
    mixture = material()
    guard = PeakGuard(RATE)
    guard.push(mixture, mixture)
    guard.finish()
    assert (guard.reduced_samples, guard.lowest_gain) == (0, 1.0)
    loud = mixture.copy()
    loud[0, 500] = 2
    guard = PeakGuard(RATE)
    guard.push(loud, mixture)
    guard.finish()
    assert guard.reduced_samples > 0
    assert guard.lowest_gain == pytest.approx(0.5, abs=1e-3)


def test_odd_numbers_do_no_harm() -> None:
    mixture = material(9000)
    remixed = mixture.copy()
    remixed[0, 10] = np.nan
    remixed[0, 5000] = np.inf
    out = guarded(remixed, mixture)
    assert np.isfinite(out[1]).all()


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_broken_sample_changes_nothing_around_it(bad: float, between: bool) -> None:
    """And peaks beside it, or in another channel of the same instant, are held all the same."""
    mixture = material(9000)
    remixed = mixture.copy()
    remixed[1, 5000:5100] = 1.5
    silent = remixed.copy()
    silent[0, 5050] = 0
    remixed[0, 5050] = bad
    out = [guarded(one, mixture, between=between) for one in (silent, remixed)]
    assert np.array_equal(np.delete(out[0], 5050, axis=1), np.delete(out[1], 5050, axis=1))
    assert np.array_equal(out[0][1], out[1][1])
    assert np.abs(out[1][1]).max() <= 1


def test_a_hair_over_the_ceiling_is_over() -> None:
    """What is cut off by integers would be told, however little it is."""
    remixed = material(9000)
    for peak in np.float32(1) + np.float32(2.0**-23) * np.arange(1, 12, dtype=np.float32):
        remixed[0, 4000] = peak
        assert np.abs(guarded(remixed, np.zeros_like(remixed))).max() <= 1


def test_a_held_peak_is_let_go_in_its_time() -> None:
    """A third of the reduction is left after the release time, nothing after twenty times that."""
    level = np.full((1, 4 * RATE), 0.01, np.float32)
    remixed = level.copy()
    remixed[0, 1000] = 2
    gain = guarded(remixed, np.zeros_like(level))[0] / level[0]
    later = 1000 + round((RELEASE_SECONDS + LOOK_AHEAD_SECONDS / 2) * RATE)
    assert 1 - gain[later] == pytest.approx(0.5 / np.e, rel=0.02)
    assert gain[-1] == 1


def test_peaks_between_samples_are_held_whatever_the_blocks() -> None:
    remixed = material(20_000) * np.float32(4)
    whole = guarded(remixed, remixed, [20_000], between=True)
    assert whole.shape == remixed.shape
    for sizes in ([4800], [1, 4095, 4096, 12, 13], [999]):
        np.testing.assert_allclose(guarded(remixed, remixed, sizes, between=True), whole, atol=1e-6)


def test_the_generator_is_the_same_guard() -> None:
    mixture = material(20_000)
    remixed = mixture * np.float32(6)
    pairs = [(mixture[:, i : i + 999], remixed[:, i : i + 999]) for i in range(0, 20_000, 999)]
    guard = PeakGuard(RATE)
    assert np.concatenate(list(guard_peaks(pairs, guard)), axis=1).tobytes() == guarded(remixed, mixture).tobytes()
    assert guard.reduced_samples > 0
    assert list(guard_peaks([], PeakGuard(RATE))) == []


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        PeakGuard(RATE).push(np.zeros((2, 5), np.float32), np.zeros((2, 6), np.float32))
    for options in ({"sample_rate": 0}, {"sample_rate": RATE, "ceiling": 0}):
        with pytest.raises(ValueError, match="positive"):
            PeakGuard(**options)
