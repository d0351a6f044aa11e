"""Loudness of streams: the norms' own figures, ffmpeg's, and no trace of the block lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from support.films import noise

from cfork_cli.input.loudness import lufs_of
from cfork_cli.mix.limiter import PeakGuard
from cfork_cli.mix.loudness import LoudnessMeter, channel_weights, integrated_lufs, range_lu
from cfork_cli.mix.true_peak import TruePeaks

FIVE = ("FL", "FR", "FC", "LFE", "BL", "BR")


def tone(levels_dbfs: Sequence[float], seconds: Sequence[float], rate: int = 48_000, channels: int = 2) -> np.ndarray:
    parts = [
        10 ** (level / 20) * np.sin(2 * np.pi * 1000 * np.arange(round(length * rate)) / rate)
        for level, length in zip(levels_dbfs, seconds, strict=True)
    ]
    return np.tile(np.concatenate(parts).astype(np.float32), (channels, 1))


def powers_of(sound: np.ndarray, rate: int = 48_000, weights: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    meter = LoudnessMeter(rate, np.ones(len(sound)) if weights is None else weights)
    lengths = np.random.default_rng(seed).integers(1, rate, 10_000)
    start = 0
    for length in lengths:
        meter.push(sound[:, start : start + length])
        start += length
        if start >= sound.shape[1]:
            break
    return meter.powers()


@pytest.mark.parametrize(
    ("levels", "seconds", "lufs"),
    [([-23], [3], -23.0), ([-33], [3], -33.0), ([-36, -23, -36], [10, 60, 10], -23.0),
     ([-72, -36, -23, -36, -72], [10, 10, 60, 10, 10], -23.0), ([-26, -20, -26], [20, 20.1, 20], -23.0)],
)  # fmt: skip
def test_the_cases_of_ebu_tech_3341(levels: list[float], seconds: list[float], lufs: float) -> None:
    """Cases 1 to 5, within the 0.1 LU that it asks for."""
    assert integrated_lufs(powers_of(tone(levels, seconds))) == pytest.approx(lufs, abs=0.1)


def test_surround_counts_as_the_norm_has_it() -> None:
    """Case 6 of EBU Tech 3341: -28 dBFS left and right, -24 center, -30 surrounds; low frequencies do not count."""
    levels = [-28.0, -28.0, -24.0, -3.0, -30.0, -30.0]
    sound = np.concatenate([tone([level], [5], channels=1) for level in levels])
    assert integrated_lufs(powers_of(sound, weights=channel_weights(FIVE, 6))) == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize(
    ("levels", "seconds", "lu"), [([-20, -30], [20, 20], 10), ([-20, -15], [20, 20], 5), ([-40, -20], [20, 20], 20)]
)
def test_the_range_of_ebu_tech_3342(levels: list[float], seconds: list[float], lu: float) -> None:
    """Cases 1 to 3, within 1 LU."""
    assert range_lu(powers_of(tone(levels, seconds))) == pytest.approx(lu, abs=1.0)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 96_000])
def test_it_agrees_with_ffmpeg_at_every_rate(rate: int) -> None:
    sound = noise(2, 3 * rate) * np.linspace(0.1, 1, 3 * rate, dtype=np.float32)
    assert integrated_lufs(powers_of(sound, rate)) == pytest.approx(lufs_of([sound], rate, 2, "stereo"), abs=0.06)


def test_block_lengths_leave_no_trace() -> None:
    sound = noise(2, 100_000)
    np.testing.assert_allclose(powers_of(sound, seed=1), powers_of(sound, seed=2), rtol=1e-7)
    assert len(powers_of(sound)) == 20


def test_silence_and_short_sounds_have_none() -> None:
    assert integrated_lufs(powers_of(np.zeros((2, 48_000), np.float32))) == -math.inf
    assert integrated_lufs(powers_of(noise(2, 19_000))) == -math.inf
    assert range_lu(powers_of(noise(2, 48_000))) == 0.0
    assert integrated_lufs(LoudnessMeter(48_000, np.ones(1)).powers()) == -math.inf


@pytest.mark.parametrize("phase", [0, 45, 60, 67.5])
def test_a_true_peak_is_found_between_the_samples(phase: float) -> None:
    """EBU Tech 3341, cases 15 to 19: a quarter of the sample rate, at several phases; from -0.4 to +0.2 dB."""
    wave = 0.5 * np.sin(np.pi / 2 * np.arange(4800) + np.radians(phase))[None].astype(np.float32)
    peaks = TruePeaks()
    found = np.concatenate([peaks.push(wave[:, :1000]), peaks.push(wave[:, 1000:]), peaks.finish()])
    assert len(found) == 4800
    assert -6.4 <= 20 * math.log10(found[100:-100].max()) <= -5.8


def test_the_guard_holds_what_lies_between_the_samples() -> None:
    rate, ceiling = 48_000, 10 ** (-1 / 20)
    wave = np.sin(np.pi / 2 * np.arange(40_000) + np.pi / 4)[None].astype(np.float32) * np.float32(1.3)  # 0.92 sampled
    guard = PeakGuard(rate, ceiling=ceiling, between=True)
    out = [guard.push(wave[:, :7], wave[:, :7]), guard.push(wave[:, 7:], wave[:, 7:]), guard.finish()]
    held = np.concatenate(out, axis=1)
    assert held.shape == wave.shape
    peaks = TruePeaks()
    found = np.concatenate([peaks.push(held), peaks.finish()])
    assert found.max() == pytest.approx(ceiling, rel=0.01)
    assert guard.reduced_samples > 39_000
    quiet = wave * np.float32(0.5)
    silent = PeakGuard(rate, ceiling=ceiling, between=True)
    assert np.concatenate([silent.push(quiet, quiet), silent.finish()], axis=1).tobytes() == quiet.tobytes()
