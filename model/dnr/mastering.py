"""Gains over time, as mastering makes them: room for the voice, swells of the whole, compression.

Gains are drawn or computed every 10 ms; whoever applies one to the whole mix applies it to all stems alike, so they
still sum to the mixture.
"""

from __future__ import annotations

import numpy as np
from scipy import signal

from .. import SAMPLE_RATE

HOP = 441  # samples between the points of a gain over time: 10 ms


def ducking(voice: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return gains in dB every 10 ms that make room for a voice [T] by 3 to 9 dB, as soon as it is heard."""
    depth = rng.uniform(3, 9)
    power = powers(voice)
    return -depth * smoothed((power > 0.02 * power.max()).astype(float), 0.25)


def swelling(points: int, rng: np.random.Generator) -> np.ndarray:
    """Return gains in dB every 10 ms, of a level that changes once by 4 to 24 dB, within 20 ms to 2 s."""
    step = rng.uniform(4, 24) * rng.choice((-1, 1))
    at, ramp = rng.uniform(0.15, 0.85) * points, rng.uniform(2, 200)
    gain: np.ndarray = step * np.clip((np.arange(points) - at) / ramp, -0.5, 0.5)
    return gain


def compression(
    power: np.ndarray, rng: np.random.Generator, under_db: tuple[float, float] = (-3.0, 10.0)
) -> np.ndarray:
    """Return gains in dB of a compressor that hears these powers, 1.5 to 6 to 1.

    Args:
        under_db: range of how far its threshold lies under the mean power.
    """
    level = 10 * np.log10(power + 1e-12)
    threshold = 10 * np.log10(power.mean() + 1e-12) - rng.uniform(*under_db)
    gain: np.ndarray = -np.maximum(level - threshold, 0) * (1 - 1 / rng.uniform(1.5, 6))
    return gain


def powers(audio: np.ndarray) -> np.ndarray:
    """Mean power of every 10 ms; [T] -> [T / HOP, rounded up]."""
    padded = np.pad(audio, (0, -len(audio) % HOP)).reshape(-1, HOP)
    means: np.ndarray = np.einsum("nt,nt->n", padded, padded, dtype=np.float64) / HOP
    return means


def smoothed(values: np.ndarray, seconds: float) -> np.ndarray:
    """Values every 10 ms, forward and backward through a one-pole low-pass of that time constant; [N] -> [N]."""
    keep = np.exp(-HOP / SAMPLE_RATE / seconds)
    even: np.ndarray = signal.filtfilt([1 - keep], [1, -keep], values, padlen=0)
    return even


def over_time(gain_db: np.ndarray, samples: int) -> np.ndarray:
    """Factors float32 [samples] of gains in dB that hold every 10 ms; [N] -> [samples]."""
    points = 10 ** (gain_db / 20)
    factors = np.interp(np.arange(samples), np.arange(len(points)) * HOP + HOP / 2, points)
    return np.asarray(factors, np.float32)
