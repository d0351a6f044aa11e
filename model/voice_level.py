"""The level of a voice over all the rest, while somebody speaks."""

from __future__ import annotations

import math

import numpy as np

from .stems import SAMPLE_RATE

FRAME_SECONDS = 0.1
SPEAKING_DB = -25.0  # frames of the voice less than this below its loud ones count as speech
LOUD_PERCENTILE = 95


def voice_over_rest(voice: np.ndarray, rest: np.ndarray, sample_rate: int = SAMPLE_RATE) -> float:
    """Power of the voice over that of the rest in dB, in frames of 100 ms in which somebody speaks.

    inf without a rest, -inf without a voice. Shape: [..., samples], channels count together.

    >>> t = np.arange(88_200) / 44_100
    >>> voice, rest = np.sin(600 * t) * (t < 1), np.cos(500 * t)
    >>> round(voice_over_rest(voice, 2 * rest), 1)  # the silent half of the voice does not count
    -6.0
    """
    said, others = (_frame_powers(audio, sample_rate) for audio in (voice, rest))
    if not said.any():
        return -math.inf
    speaking = said > np.percentile(said[said > 0], LOUD_PERCENTILE) * 10 ** (SPEAKING_DB / 10)
    below = float(others[speaking].sum())
    return 10 * math.log10(float(said[speaking].sum()) / below) if below else math.inf


def _frame_powers(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Energy of each frame, of all channels together; [..., T] -> [frames]."""
    frame = round(FRAME_SECONDS * sample_rate)
    flat = np.square(audio.reshape(-1, audio.shape[-1]), dtype=np.float64).sum(0)
    powers: np.ndarray = np.pad(flat, (0, -len(flat) % frame)).reshape(-1, frame).sum(1)
    return powers
