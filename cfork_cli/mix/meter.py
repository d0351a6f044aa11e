"""Loudness over time: power after the K-weighting of ITU-R BS.1770-4, in steps of 100 ms."""

from __future__ import annotations

import numpy as np

from cfork_cli.media.samples import unbroken
from cfork_cli.mix.convolver import Convolver
from cfork_cli.mix.loudness import k_weighting, lufs

STEP_SECONDS = 0.1
_SILENCE = 1e-12
_PART = 1 << 13  # costs least: longer transforms cost more, shorter ones are called more often


def step_samples(sample_rate: int) -> int:
    """Return the samples of one step."""
    return max(round(STEP_SECONDS * sample_rate), 1)


class Meter:
    """Power of a stream after the K-weighting, step by step, all channels together.

    Args:
        weights: of the channels, from `loudness.channel_weights`.
    """

    def __init__(self, sample_rate: int, weights: np.ndarray) -> None:
        self._heard = np.flatnonzero(weights)
        self._weights = weights[self._heard]
        self._step = step_samples(sample_rate)
        self._convolver = (
            Convolver(k_weighting(sample_rate)[None], len(self._heard), part=_PART) if len(self._heard) else None
        )
        self._waiting = np.zeros((len(self._heard), 0), np.float32)

    def push(self, block: np.ndarray) -> list[float]:
        """Take a block `[channels, samples]` and return the powers of the steps that are ready, full scale being 1.

        Broken samples count as silence: one of them would be heard in the gains of many seconds.
        """
        heard = unbroken(block[self._heard])
        return self._steps(heard if self._convolver is None else self._convolver.push(heard))

    def finish(self) -> list[float]:
        """Return the rest; the last step may be shorter, and counts as if silence followed."""
        found = [] if self._convolver is None else self._steps(self._convolver.finish())
        left = self._waiting.shape[1]
        if left:
            found += self._steps(np.zeros((len(self._waiting), self._step - left), np.float32))
        return found

    def _steps(self, weighted: np.ndarray) -> list[float]:
        waiting = np.concatenate((self._waiting, weighted), axis=1)
        count = waiting.shape[1] // self._step
        found = []
        for number in range(count):
            step = np.array(waiting[:, number * self._step : (number + 1) * self._step], np.float64)
            found.append(float((np.square(step).mean(axis=1) * self._weights).sum()))
        self._waiting = waiting[:, count * self._step :]
        return found


def level_lufs(power: np.ndarray | float) -> np.ndarray:
    """Return power as loudness in LUFS; silence is -121.

    >>> round(float(level_lufs(1.0)), 3), round(float(level_lufs(0.0)))
    (-0.691, -121)
    """
    return lufs(np.maximum(power, _SILENCE))
