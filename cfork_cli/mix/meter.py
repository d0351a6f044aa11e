"""Loudness over time: power after the K-weighting of ITU-R BS.1770-4, in steps of 100 ms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cfork_cli.mix.convolver import Convolver

STEP_SECONDS = 0.1
_RESPONSE_SECONDS = 0.1  # of the weighting: its slowest part, a high-pass at 38 Hz, is 200 dB down by then
_HIGH_PASS_GAIN = 1.004995  # 0.04 dB, which the norm's high-pass at 48 kHz has by its rounded numbers
_SURROUND = 10**0.15  # +1.5 dB
_AROUND = ("SL", "SR", "BL", "BR")


def step_samples(sample_rate: int) -> int:
    """Return the samples of one step."""
    return max(round(STEP_SECONDS * sample_rate), 1)


def channel_weights(speakers: Sequence[str] | None, channels: int) -> np.ndarray:
    """Return how much each channel counts, `[channels]`: surrounds more, the low-frequency channel not at all.

    >>> channel_weights(("FL", "FR", "FC", "LFE", "SL", "SR"), 6).round(2).tolist()
    [1.0, 1.0, 1.0, 0.0, 1.41, 1.41]
    """
    if speakers is None or len(speakers) != channels:
        return np.ones(channels)
    return np.array([0.0 if "LFE" in name else _SURROUND if name in _AROUND else 1.0 for name in speakers])


def k_weighting(sample_rate: int) -> np.ndarray:
    """Return the impulse response of the K-weighting, `[taps]`, float64.

    The two second-order filters of the norm are given for 48 kHz; their analogue originals, by which they are made for
    other rates, are those of De Man (Evaluation of implementations of the EBU R 128 loudness measurement, 2018).
    """
    size = 1 << math.ceil(math.log2(max(4 * _RESPONSE_SECONDS * sample_rate, 2)))
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(size))
    shelf_gain = 10 ** (3.999843853973347 / 20)
    response = np.ones_like(turn)
    for corner_hz, quality, is_shelf in ((1681.974450955533, 0.7071752369554196, True),
                                         (38.13547087602444, 0.5003270373238773, False)):  # fmt: skip
        k = math.tan(math.pi * min(corner_hz / sample_rate, 0.49))
        below = np.array([1 + k / quality + k * k, 2 * (k * k - 1), 1 - k / quality + k * k])
        if is_shelf:
            half = shelf_gain**0.4996667741545416
            above = np.array(
                [
                    shelf_gain + half * k / quality + k * k,
                    2 * (k * k - shelf_gain),
                    shelf_gain - half * k / quality + k * k,
                ]
            )
        else:
            above = np.array([1.0, -2.0, 1.0]) * _HIGH_PASS_GAIN
        response = response * np.polyval(above[::-1], turn) / np.polyval(below[::-1], turn)
    taps = max(round(_RESPONSE_SECONDS * sample_rate), 1)
    return np.fft.irfft(response, size)[:taps]


class Meter:
    """Power of a stream after the K-weighting, step by step, all channels together.

    Args:
        weights: of the channels, from `channel_weights`.
    """

    def __init__(self, sample_rate: int, weights: np.ndarray) -> None:
        self._heard = np.flatnonzero(weights)
        self._weights = weights[self._heard]
        self._step = step_samples(sample_rate)
        self._convolver = Convolver(k_weighting(sample_rate)[None], len(self._heard)) if len(self._heard) else None
        self._waiting = np.zeros((len(self._heard), 0), np.float32)

    def push(self, block: np.ndarray) -> list[float]:
        """Take a block `[channels, samples]` and return the powers of the steps that are ready, full scale being 1."""
        heard = block[self._heard]
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


def lufs(power: np.ndarray | float) -> np.ndarray:
    """Return power as loudness in LUFS; silence is -120.

    >>> float(lufs(1.0))
    -0.691
    """
    return np.asarray(-0.691 + 10 * np.log10(np.maximum(power, 1e-12 * 10**0.0691)))
