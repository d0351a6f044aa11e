"""Peaks between the samples (ITU-R BS.1770-4, annex 2): what a converter, or another codec, will make of the sound."""

from __future__ import annotations

import numpy as np

from cfork_cli.media.samples import unbroken

OVERSAMPLING = 4
CONTEXT = 12
"""Samples that are looked at on either side of a moment."""

_BOUND = 3.0
"""No more than this times the largest sample can lie between samples, as far as these filters see."""


class TruePeaks:
    """Finds the magnitude of a stream at and around each sample; what comes out is `CONTEXT` samples late.

    Broken samples count as silence.

    Shape:
        `push`: `[channels, samples]` -> `[samples that are known]`, over all channels; `finish` -> the rest.

    >>> peaks = TruePeaks()
    >>> wave = np.sin(np.pi / 2 * np.arange(400) + np.pi / 4)[None]  # its samples lie 3 dB under its peaks
    >>> found = np.concatenate((peaks.push(wave), peaks.finish()))
    >>> len(found), round(float(np.abs(wave).max()), 2), round(float(found[200]), 2)
    (400, 0.71, 1.0)
    """

    def __init__(self, floor: float = 0.0) -> None:
        """
        Args:
            floor: what certainly stays under it is given by its samples alone, which is quicker.
        """
        self._floor = floor
        self._kept: np.ndarray | None = None  # the last samples, which are context

    def push(self, block: np.ndarray) -> np.ndarray:
        if self._kept is None:
            self._kept = np.zeros((block.shape[0], CONTEXT), np.float32)
        sound = np.concatenate((self._kept, unbroken(block)), axis=1)
        known = sound.shape[1] - 2 * CONTEXT
        if known <= 0:
            self._kept = sound
            return np.zeros(0)
        self._kept = sound[:, -2 * CONTEXT :]
        return self._magnitudes(sound)

    def finish(self) -> np.ndarray:
        if self._kept is None:
            return np.zeros(0)
        return self.push(np.zeros((len(self._kept), CONTEXT), np.float32))

    def _magnitudes(self, sound: np.ndarray) -> np.ndarray:
        """Return the magnitudes of all but the context at both ends."""
        samples = np.abs(sound).max(axis=0).astype(np.float64)
        found: np.ndarray = samples[CONTEXT:-CONTEXT].copy()
        if not float(samples.max()) * _BOUND > self._floor:
            return found
        for channel in sound:
            neighbours = np.lib.stride_tricks.sliding_window_view(channel, 2 * CONTEXT)
            # the moments between a sample and the next belong to both of them
            between = np.abs(neighbours @ _PHASES).max(axis=1)
            np.maximum(found, between[1:], out=found)
            np.maximum(found, between[:-1], out=found)
        return found


def _phase(part: int) -> np.ndarray:
    """Return the filter that finds the sound so many quarters of a sample after each, from `2 * CONTEXT` neighbours."""
    at = np.arange(-CONTEXT + 1, CONTEXT + 1) - part / OVERSAMPLING
    taps = np.sinc(at) * np.kaiser(2 * CONTEXT + 1, 5.0)[1:]
    phase: np.ndarray = (taps / taps.sum()).astype(np.float32)
    return phase


_PHASES = np.stack([_phase(part) for part in range(1, OVERSAMPLING)], axis=1)
