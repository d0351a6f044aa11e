"""Loudness after ITU-R BS.1770-4 and EBU R 128, of a sound that streams through: integrated, range, and over time.

ffmpeg's `ebur128` measures files; here what has never been in a file is measured: a remix, a stem. Both agree to the
tenth of a LU that ffmpeg prints.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import numpy as np

from cfork_cli.media.samples import unbroken
from cfork_cli.mix.convolver import Convolver

HOPS_A_SECOND = 10
"""Blocks of 400 ms overlap by three quarters, as the norm has it: every tenth of a second one begins."""

MOMENTARY_HOPS, SHORT_TERM_HOPS = 4, 30
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
RANGE_GATE_LU = -20.0  # EBU Tech 3342
SURROUND_WEIGHT = 1.41

_OFFSET = -0.691
_SHELF_HZ, _HIGH_PASS_HZ = 1681.974450955533, 38.13547087602444  # corners of the weighting filters
_TAIL_SECONDS = 0.1  # of the weighting filter: it has fallen by 200 dB then
_PART = 1 << 13  # of the convolution; costs least, see `meter`


def channel_weights(speakers: Sequence[str] | None, channels: int) -> np.ndarray:
    """Return how much the power of each channel counts, `[channels]`: surrounds more, low frequencies nothing.

    Args:
        speakers: of each channel ("FL", "LFE", ...); None where the layout is unknown: all count alike.

    >>> channel_weights(("FL", "FR", "FC", "LFE", "SL", "SR"), 6).tolist()
    [1.0, 1.0, 1.0, 0.0, 1.41, 1.41]
    """
    if speakers is None or len(speakers) != channels:
        return np.ones(channels)
    return np.array([_weight(name) for name in speakers])


def _weight(speaker: str) -> float:
    if speaker.startswith("LFE"):
        return 0.0
    return SURROUND_WEIGHT if speaker in ("BL", "BR", "BC", "SL", "SR", "TBL", "TBR", "TBC", "SDL", "SDR") else 1.0


class LoudnessMeter:
    """Measures sound block by block; its memory grows by 80 bytes a second.

    Args:
        sample_rate: Hz.
        weights: of the channels, from `channel_weights`.

    >>> meter = LoudnessMeter(48_000, np.ones(2))
    >>> meter.push(10 ** (-23 / 20) * np.tile(np.sin(2 * np.pi * 1000 * np.arange(96_000) / 48_000), (2, 1)))
    >>> round(integrated_lufs(meter.powers()), 1)  # EBU Tech 3341, case 1
    -23.0
    """

    def __init__(self, sample_rate: int, weights: np.ndarray) -> None:
        self.sample_rate = sample_rate
        self.peak = 0.0
        self._weights = np.asarray(weights, np.float64)
        self._convolver = Convolver(k_weighting(sample_rate)[None], len(self._weights), part=_PART)
        self._ended = False
        self._done = 0  # samples that were weighted
        self._energies = array("d")  # of whole hops
        self._open = 0.0  # of the hop that is not whole yet

    def push(self, block: np.ndarray) -> None:
        """Take the next block, `[channels, samples]`; broken samples count as silence."""
        if block.shape[1]:
            block = unbroken(block)
            self.peak = max(self.peak, float(np.abs(block).max()))
            self._add(self._convolver.push(block))

    def powers(self) -> np.ndarray:
        """Return the mean power of each tenth of a second, weighted, all channels together, `[hops]`; after the end."""
        if not self._ended:
            self._ended = True
            self._add(self._convolver.finish())
        hop = self.sample_rate / HOPS_A_SECOND
        return np.array(self._energies) / hop

    def _add(self, shaped: np.ndarray) -> None:
        """Sum the power of weighted sound up by hops, which begin at the nearest sample where the rate has no tenth."""
        if not shaped.shape[1]:
            return
        power = self._weights @ np.square(shaped, dtype=np.float64)
        first = self._done * HOPS_A_SECOND // self.sample_rate
        last = (self._done + len(power)) * HOPS_A_SECOND // self.sample_rate
        ends = [-(-(hop + 1) * self.sample_rate // HOPS_A_SECOND) - self._done for hop in range(first, last)]
        self._done += len(power)
        sums = np.add.reduceat(power, [0, *ends]) if not ends or ends[-1] < len(power) else [
            *np.add.reduceat(power, [0, *ends[:-1]]), 0.0
        ]  # fmt: skip
        whole = [float(one) for one in sums]
        whole[0] += self._open
        self._energies.extend(whole[:-1])
        self._open = whole[-1]


def integrated_lufs(powers: np.ndarray) -> float:
    """Return the gated loudness of a whole sound, in LUFS; -inf for silence, or what is shorter than 400 ms.

    Args:
        powers: of its hops, from `LoudnessMeter.powers`.
    """
    blocks = over(powers, MOMENTARY_HOPS)
    loud = blocks[lufs(blocks) > ABSOLUTE_GATE_LUFS]
    if not loud.size:
        return -math.inf
    gate = float(lufs(loud.mean())) + RELATIVE_GATE_LU
    return float(lufs(loud[lufs(loud) > gate].mean()))


def range_lu(powers: np.ndarray) -> float:
    """Return the loudness range (EBU Tech 3342): from the 10th to the 95th percentile of spans of 3 s; 0 if shorter."""
    spans = over(powers, SHORT_TERM_HOPS)
    loud = spans[lufs(spans) > ABSOLUTE_GATE_LUFS]
    if not loud.size:
        return 0.0
    levels = lufs(loud)
    levels = levels[levels > float(lufs(loud.mean())) + RANGE_GATE_LU]
    low, high = np.percentile(levels, [10, 95])
    return float(high - low)


def over(powers: np.ndarray, hops: int) -> np.ndarray:
    """Return the mean power of every so many neighbouring hops, `[hops] -> [hops - n + 1]`; none if there are fewer."""
    if len(powers) < hops:
        return np.zeros(0)
    sums = np.concatenate(([0.0], np.cumsum(powers)))
    means: np.ndarray = np.maximum(sums[hops:] - sums[:-hops], 0.0) / hops
    return means


def lufs(power: np.ndarray | float) -> np.ndarray:
    """Return the loudness of a weighted power, in LUFS; -inf for none.

    >>> round(float(lufs(1.0)), 3)
    -0.691
    """
    with np.errstate(divide="ignore"):
        levels: np.ndarray = _OFFSET + 10 * np.log10(power)
    return levels


def k_weighting(sample_rate: int) -> np.ndarray:
    """Return the impulse response of the norm's two filters, `[taps]`.

    The norm gives coefficients for 48 kHz; other rates take the analogue filters from which those come (as libebur128).
    A filter whose corner no sound of such a rate reaches is left out: beyond half of the rate it would be another one,
    and an unstable one.
    """
    taps = max(64, math.ceil(_TAIL_SECONDS * sample_rate))
    impulse = np.zeros(taps)
    impulse[0] = 1.0
    response = impulse.tolist()
    for corner, section in ((_SHELF_HZ, _shelf), (_HIGH_PASS_HZ, _high_pass)):
        if 2 * corner < sample_rate:
            response = _filtered(response, *section(sample_rate))
    return np.array(response)


Section = tuple[tuple[float, float, float], tuple[float, float]]


def _shelf(sample_rate: int) -> Section:
    """The head, as a shelf of +4 dB."""
    gain_db, quality = 3.999843853973347, 0.7071752369554196
    k = math.tan(math.pi * _SHELF_HZ / sample_rate)
    high = 10 ** (gain_db / 20)
    middle = high**0.4996667741545416
    a0 = 1 + k / quality + k * k
    b = (
        (high + middle * k / quality + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - middle * k / quality + k * k) / a0,
    )
    return b, (2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0)


def _high_pass(sample_rate: int) -> Section:
    """The ear's deafness for the lowest tones."""
    quality = 0.5003270373238773
    k = math.tan(math.pi * _HIGH_PASS_HZ / sample_rate)
    a0 = 1 + k / quality + k * k
    return (1.0, -2.0, 1.0), (2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0)


def _filtered(sound: Sequence[float], numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """Run one section of second order over a short sound."""
    one = two = 0.0
    out = []
    for x in sound:
        y = numerator[0] * x + one
        one = numerator[1] * x - denominator[0] * y + two
        two = numerator[2] * x - denominator[1] * y
        out.append(y)
    return out
