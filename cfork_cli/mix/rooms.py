"""Impulse responses of rooms that never were: made here, by arithmetic, so that nobody else has a right to them.

A few early reflections, then noise that dies away, sooner in high notes than in low ones, as air and walls have it.
Each channel has noise of its own, which is what makes a room wide. The direct sound is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Space:
    """A kind of room.

    Attributes:
        decay_seconds: until the echo is 60 dB down, around 1 kHz.
        first_seconds: when the first reflection comes.
        reflections: how many come alone.
        density_seconds: when the noise begins.
        bright: decay of the highest band over that of the middle one.
    """

    decay_seconds: float
    first_seconds: float
    reflections: int
    density_seconds: float
    bright: float


KINDS: Mapping[str, Space] = {
    "room": Space(decay_seconds=0.35, first_seconds=0.004, reflections=6, density_seconds=0.012, bright=0.6),
    "hall": Space(decay_seconds=1.9, first_seconds=0.022, reflections=8, density_seconds=0.06, bright=0.45),
}

_BANDS_HZ = (400.0, 3000.0)
_SEED = 20_250


def impulse_response(kind: str, sample_rate: int, channels: int) -> np.ndarray:
    """Return the impulse response of a room, `[channels, taps]`, float64; the energy of each channel is 1.

    Args:
        kind: of `KINDS`.
        sample_rate: Hz.
    """
    space = KINDS[kind]
    taps = round(space.decay_seconds * 1.1 * sample_rate)
    time = np.arange(taps) / sample_rate
    decays = (space.decay_seconds * 1.1, space.decay_seconds, space.decay_seconds * space.bright)
    out = np.empty((channels, taps))
    for channel in range(channels):
        random = np.random.default_rng([_SEED, list(KINDS).index(kind), channel])
        tail = np.zeros(taps)
        for band, decay in zip(_bands(random.standard_normal(taps), sample_rate), decays, strict=True):
            tail += band * 10 ** (-3 * time / decay)
        rise = np.clip((time - space.first_seconds) / (space.density_seconds - space.first_seconds), 0, 1) ** 2
        tail *= rise
        tail /= np.sqrt(np.square(tail).sum())
        early = np.zeros(taps)
        places = space.first_seconds + (space.density_seconds * 1.5 - space.first_seconds) * np.sort(
            random.random(space.reflections)
        )
        places[0] = space.first_seconds
        signs = random.choice([-1.0, 1.0], space.reflections)
        for place, sign in zip(places, signs, strict=True):
            early[round(place * sample_rate)] += sign * space.first_seconds / place
        early /= np.sqrt(np.square(early).sum())
        out[channel] = 0.5 * early + tail
    out /= np.sqrt(np.square(out).sum(axis=1, keepdims=True))
    return out


def _bands(noise: np.ndarray, sample_rate: int) -> list[np.ndarray]:
    """Return noise in three bands that add up to it."""
    frequencies = np.fft.rfftfreq(len(noise), 1 / sample_rate)
    spectrum = np.fft.rfft(noise)
    low, high = (1 / (1 + (frequencies / corner) ** 4) for corner in _BANDS_HZ)
    return [np.fft.irfft(spectrum * share, len(noise)) for share in (low, high - low, 1 - high)]
