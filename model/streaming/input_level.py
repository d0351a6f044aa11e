"""The level at which the network hears a window: the film's, and in passages far from it the passage's own.

A network learns from scenes that are about as loud as one another. One gain for a whole film leaves whispers at night
20 dB under that, and a pipe whose first seconds were room tone 20 dB over it. So the gain follows the level of the
sound where that is far from what the network expects: that of the whole window first, then that of passages which are
far from the rest of it. It is divided out of the stems again, and moves so slowly that
no frame of the network notices. A window needs to know nothing but itself, so each can be computed alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]

FRAME, FOLD = 4096, 2
"""Samples of a frame, and how many are added up to one before its spectrum is taken: 93 ms, and up to 11 kHz, at 44.1
kHz. So it costs 1 % of the network, and not 4 %."""

TAPER = np.hanning(FRAME // FOLD + 2)[1:-1].astype(np.float32)
"""Window on the folded samples of a frame."""

SMOOTH_SECONDS = 3.0
"""Of the window (Hann) over which powers are averaged: longer than a pause between two sentences."""

NEAR_DB = 6.0
"""Passages so far from the level of their sequence are heard as they are: the usual ups and downs of a film. From twice
that on the whole distance is made up for, between the two a growing part of it. Measured with halves of scenes 20 dB
apart."""

SEQUENCE_NEAR_DB = 3.0
"""The same for the level of a whole sequence against the expected one. Less, since one gain for all of it changes no
ups and downs: with `NEAR_DB` alone scenes 10 dB under their film lost 0.3 dB, as theirs were turned about."""

GATE_DB = 10.0
"""Passages so far under the mean of their sequence do not count in its level, as in ITU-R BS.1770."""

MOST_RAISED_DB, MOST_LOWERED_DB = 40.0, 80.0
"""Beyond are the noise of a quiet room, and broken samples."""

DC_SHARE = 1e-3
"""Of a sequence's power: a direct current that is more than this is hidden from the network."""

LEAST_SECONDS = 1.0
"""Of a sequence in which a direct current is looked for: in a shorter one deep sounds have a mean too."""

RUMBLE_HZ = 60.0
"""Powers are weighted like the loudness of ITU-R BS.1770, with little below this: a rumble is no loud passage."""
SHELF_HZ, SHELF_DB = 1500.0, 4.0

MEAN_SQUARE_LU = 0.7
"""LUFS are this much less than the weighted mean square of one channel, in dB (ITU-R BS.1770)."""


@dataclass(frozen=True)
class InputLevel:
    """What is done to a sequence before a network hears it, and divided out of its stems afterwards.

    Attributes:
        gain: factor that brings the film to the loudness that the network expects.
        lufs: that loudness; None if nothing but the gain is wanted.
        sample_rate: of the sequences, in Hz.
    """

    gain: float
    lufs: float | None
    sample_rate: int

    def of(self, samples: Audio) -> tuple[float, Audio | float]:
        """Return the direct current to take away from a sequence, and the factor for what is left.

        The factor is positive and finite. It is a number where the whole sequence is near the expected level, else one
        for each sample.

        Shape: samples `[N]`; the factors `[N]`, or one number.
        """
        if self.lufs is None:
            return 0.0, self.gain
        offset = direct_current(samples) if len(samples) >= LEAST_SECONDS * self.sample_rate else 0.0
        raised = self._raised_db(self.lufs, samples - np.float32(offset) if offset else samples)
        if not raised.any():
            return offset, self.gain
        return offset, between(self.gain * 10 ** (raised / 20), len(samples))

    def _raised_db(self, lufs: float, samples: Audio) -> NDArray[np.float64]:
        """Return by how much each frame is raised beyond the film's gain, in dB; `[frames]`."""
        powers = smooth(weighted_powers(samples, self.sample_rate), shares(len(samples)), FRAME / self.sample_rate)
        # What is far below the quietest passage that is raised would only be -inf.
        level = 10 * np.log10(np.maximum(powers * self.gain**2, 1e-30)) - MEAN_SQUARE_LU
        whole = made_up(np.array(lufs - gated_mean(level)), SEQUENCE_NEAR_DB)
        raised: NDArray[np.float64] = whole + made_up(lufs - level - whole, NEAR_DB)
        raised = np.clip(raised, -MOST_LOWERED_DB, MOST_RAISED_DB)
        return raised


def made_up(away: NDArray[np.float64], near: float) -> NDArray[np.float64]:
    """Return how much of distances in dB is made up for: nothing up to `near`, all from twice that on.

    >>> made_up(np.array([6.0, -8.0, 12.0]), 6.0).tolist()
    [0.0, -4.0, 12.0]
    """
    size = np.abs(away)
    part: NDArray[np.float64] = np.sign(away) * np.clip(2 * (size - near), 0, size)
    return part


def gated_mean(level: NDArray[np.float64]) -> float:
    """Return the level in dB of the mean power of frames, without those that are far under the mean of all.

    >>> round(gated_mean(np.array([-20.0, -20.0, -60.0])), 2)
    -20.0
    """
    power = 10 ** (level / 10)
    return float(10 * np.log10(np.mean(power[level >= 10 * np.log10(np.mean(power)) - GATE_DB])))


def between(values: NDArray[np.float64], samples: int) -> Audio:
    """Interpolate values at the middles of frames, one for each sample; level before the first and after the last.

    Shape: `[ceil(samples / FRAME)] -> [samples]`

    >>> between(np.array([1.0, 2.0]), 8192)[[0, 2048, 4096, 6144, 8191]].round(3).tolist()
    [1.0, 1.0, 1.5, 2.0, 2.0]
    """
    known = np.pad(values, 1, mode="edge").astype(np.float32)
    share = np.arange(FRAME, dtype=np.float32) / np.float32(FRAME)
    lines = known[:-1, None] + np.diff(known)[:, None] * share
    return lines.reshape(-1)[FRAME // 2 : FRAME // 2 + samples]


def direct_current(samples: Audio) -> float:
    """Return the mean of a sequence `[N]`, or 0 where it is but a trifle of its power.

    >>> tone = np.sin(np.arange(44_100, dtype=np.float32))
    >>> round(direct_current(tone + 0.1), 3), direct_current(tone)
    (0.1, 0.0)
    """
    mean = float(samples.mean(dtype=np.float64))
    power = float(np.vdot(samples, samples)) / max(len(samples), 1)
    return mean if mean * mean > DC_SHARE * power else 0.0


def weighted_powers(samples: Audio, sample_rate: int) -> NDArray[np.float64]:
    """Return the mean squares of the frames of a sequence, weighted nearly as in ITU-R BS.1770.

    The last frame may be filled up with zeros; see `shares`. Shape: `[N] -> [ceil(N / FRAME)]`

    >>> tone = np.sqrt(2) * np.sin(2 * np.pi * 1000 * np.arange(8192) / 44_100)
    >>> weighted_powers(tone.astype(np.float32), 44_100).round(1).tolist()
    [1.4, 1.4]
    """
    whole = np.pad(samples, (0, -len(samples) % FRAME))
    folded = sum((whole[place::FOLD] for place in range(1, FOLD)), whole[::FOLD]).reshape(-1, FRAME // FOLD)
    spectra = np.fft.rfft(folded * TAPER, axis=1)  # without a taper a rumble would leak into all of the spectrum
    powers = np.square(spectra.real) + np.square(spectra.imag)
    hertz = np.fft.rfftfreq(FRAME // FOLD, FOLD / sample_rate)
    low = np.square(hertz**2 / (hertz**2 + RUMBLE_HZ**2))
    high = 1 + (10 ** (SHELF_DB / 10) - 1) * hertz**2 / (hertz**2 + SHELF_HZ**2)
    weights = 2 * low * high / (FRAME**2 * np.mean(TAPER**2))  # 2 for the negative frequencies; of 0 Hz nothing is left
    weighted: NDArray[np.float64] = powers @ weights
    return weighted


def shares(samples: int) -> NDArray[np.float64]:
    """Return how much of each frame of a sequence is filled with samples, of its power; all but the last are full.

    >>> shares(2 * FRAME), shares(FRAME + FRAME // 2).round(2)
    (array([1., 1.]), array([1. , 0.5]))
    """
    found = np.ones(-(-samples // FRAME))
    if rest := samples % FRAME:
        found[-1] = np.sum(TAPER[: max(1, rest // FOLD)] ** 2) / np.sum(TAPER**2)
    return found


def smooth(powers: NDArray[np.float64], weights: NDArray[np.float64], frame_seconds: float) -> NDArray[np.float64]:
    """Average powers over `SMOOTH_SECONDS` around each frame; at either end over what there is.

    Args:
        weights: how full each frame is; see `shares`.

    Shape: `[F], [F] -> [F]`
    """
    size = math.ceil(SMOOTH_SECONDS / frame_seconds) | 1
    window = np.hanning(size + 2)[1:-1]
    reach = size // 2

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.convolve(np.pad(values, reach), window, "valid")

    averaged: NDArray[np.float64] = sums(powers) / sums(weights)
    return averaged
