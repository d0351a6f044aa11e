"""Integrated loudness (ITU-R BS.1770), measured by pyloudnorm."""

from __future__ import annotations

import math
import warnings

import numpy as np

BLOCK_SECONDS = 0.4  # of the measurement; what is shorter has no loudness


def integrated_lufs(audio: np.ndarray, sample_rate: int) -> float:
    """Loudness of mono audio [T] in LUFS; what is shorter than one block is repeated. Silence has -inf.

    >>> tone = np.sin(2 * np.pi * 997 * np.arange(44_100) / 44_100)
    >>> round(integrated_lufs(tone, 44_100))  # the norm: 0 dBFS in one channel has -3.01
    -3
    """
    import pyloudnorm

    if not audio.any():
        return -math.inf
    least = math.ceil(BLOCK_SECONDS * sample_rate) + 1
    if len(audio) < least:
        audio = np.tile(audio, math.ceil(least / len(audio)))
    with warnings.catch_warnings():  # it averages no blocks at all where all are below the gate
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(pyloudnorm.Meter(sample_rate).integrated_loudness(audio.astype(np.float64)))


def at_lufs(audio: np.ndarray, lufs: float, sample_rate: int) -> np.ndarray:
    """The audio [T] with one gain that gives it this loudness; silence stays."""
    loudness = integrated_lufs(audio, sample_rate)
    return audio * 10 ** ((lufs - loudness) / 20) if math.isfinite(loudness) else audio.copy()
