"""Loudness over time is that of the norm."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest

from cfork_cli.mix.loudness import LoudnessMeter, channel_weights, k_weighting
from cfork_cli.mix.meter import Meter, level_lufs, step_samples


@pytest.mark.parametrize("sample_rate", [44_100, 48_000, 192_000])
@pytest.mark.parametrize("frequency", [25, 100, 997, 3000])
def test_tones_are_as_loud_as_the_norm_has_it(sample_rate: int, frequency: int) -> None:
    """pyloudnorm filters sample by sample; its own high-pass is that of the norm within 0.1 dB."""
    if frequency * 2.5 > sample_rate:
        pytest.skip("no such tone")
    tone = 0.1 * np.sin(2 * np.pi * frequency * np.arange(3 * sample_rate) / sample_rate)
    meter = Meter(sample_rate, np.ones(1))
    powers = [*meter.push(tone[None].astype(np.float32)), *meter.finish()]
    assert len(powers) == 30
    found = float(level_lufs(np.mean(powers[5:])))
    assert found == pytest.approx(pyloudnorm.Meter(sample_rate).integrated_loudness(tone), abs=0.1)


def test_the_norms_own_figure() -> None:
    """997 Hz at 0 dBFS in one channel: -3.01 LUFS; in two, 0."""
    tone = np.sin(2 * np.pi * 997 * np.arange(96_000) / 48_000).astype(np.float32)
    for sound, loudness in ((tone[None], -3.01), (np.stack([tone, tone]), 0.0)):
        powers = Meter(48_000, np.ones(len(sound))).push(sound)
        assert float(level_lufs(np.mean(powers[2:]))) == pytest.approx(loudness, abs=0.02)


def test_surrounds_count_more_and_the_low_frequency_channel_not() -> None:
    weights = channel_weights(("FL", "FR", "FC", "LFE", "SL", "SR"), 6)
    noise = np.random.default_rng(1).standard_normal(48_000).astype(np.float32) * 0.1

    def loudness(channel: int) -> float:
        sound = np.zeros((6, 48_000), np.float32)
        sound[channel] = noise
        return float(level_lufs(np.mean(Meter(48_000, weights).push(sound))))

    assert loudness(4) - loudness(0) == pytest.approx(1.5, abs=0.02)
    assert loudness(3) == pytest.approx(-120.7, abs=0.1)
    assert channel_weights(None, 4).tolist() == [1, 1, 1, 1]
    assert Meter(48_000, np.zeros(1)).push(noise[None]) == [0.0] * 10


@pytest.mark.parametrize("lengths", [[1, 333, 7000], [48_000]])
def test_block_lengths_leave_no_trace(lengths: list[int]) -> None:
    noise = np.random.default_rng(2).standard_normal((2, 50_000)).astype(np.float32)
    whole = Meter(48_000, np.ones(2))
    expected = [*whole.push(noise), *whole.finish()]
    assert len(expected) == -(-50_000 // step_samples(48_000))
    meter, found, place, number = Meter(48_000, np.ones(2)), list[float](), 0, 0
    while place < noise.shape[1]:
        length = lengths[number % len(lengths)]
        found += meter.push(noise[:, place : place + length])
        place, number = place + length, number + 1
    assert [*found, *meter.finish()] == expected


def test_nothing_of_the_weighting_is_cut_off() -> None:
    response = k_weighting(48_000)
    assert np.square(response[-480:]).sum() < 1e-12 * np.square(response).sum()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_a_broken_sample_counts_as_silence(bad: float) -> None:
    """A NaN would be heard in every power of a convolution, and in the gains of many seconds."""
    sound = np.random.default_rng(0).standard_normal((2, 30_000)).astype(np.float32)
    silent = sound.copy()
    silent[0, 12_345] = 0
    broken = sound.copy()
    broken[0, 12_345] = bad
    levels = []
    for one in (silent, broken):
        meter, whole = Meter(8000, np.ones(2)), LoudnessMeter(8000, np.ones(2))
        whole.push(one)
        levels.append([*meter.push(one), *meter.finish(), *whole.powers(), whole.peak])
    assert levels[0] == levels[1]
    assert broken[0, 12_345] == bad or np.isnan(bad)  # the sound itself is left alone


@pytest.mark.parametrize("rate", [50, 1000, 2000, 3000, 3363, 3365, 8000, 384_000])
def test_the_weighting_is_stable_at_any_rate(rate: int) -> None:
    """Above half of the rate a corner would fold back, and the filter grow without end."""
    response = k_weighting(rate)
    assert np.isfinite(response).all()
    assert np.abs(response).sum() < 6
    assert np.abs(response[-len(response) // 10 :]).max() < 1e-2
