"""A guard against clipping that is not there until it is needed.

Film codecs and integer samples cut off what exceeds full scale, which is heard as a crackle. Where a remix goes
over, its level is turned down smoothly for a moment, all channels alike; everywhere else the samples pass through bit
for bit. Where the film itself was over already, it may stay as loud as it was: so a remix with all gains at 0 dB is
never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from cfork_cli.media.samples import unbroken
from cfork_cli.mix.true_peak import CONTEXT, TruePeaks

LOOK_AHEAD_SECONDS = 0.005
RELEASE_SECONDS = 0.15

_FRAME = 4096  # samples; all arithmetic runs on this grid, so that the caller's block lengths leave no trace
_NEGLIGIBLE = 2.0**-20  # a reduction of 8 millionths of a dB: back to bit-exact


class PeakGuard:
    """Look-ahead limiter for a stream; its output has the input's length and is not delayed.

    The gain that a sample needs is `min(1, allowed / peak)`, over all channels, `allowed` being the larger of the
    ceiling and the film's own peak there. A minimum over the look-ahead, an exponential release and a mean over the
    look-ahead give a gain that never exceeds the needed one and never jumps: each term of the mean is a minimum over a
    span that contains the sample.

    Attributes:
        reduced_samples: at how many instants the level was turned down.
        lowest_gain: the smallest gain that was applied, 1.0 if none.
    """

    def __init__(self, sample_rate: int, *, ceiling: float = 1.0, between: bool = False) -> None:
        """
        Args:
            sample_rate: Hz.
            ceiling: largest magnitude let through, full scale being 1.0.
            between: whether peaks between the samples count too ("true peaks"); the film's own are held then as well.
        """
        if sample_rate <= 0 or ceiling <= 0:
            raise ValueError("sample rate and ceiling must be positive")
        self.reduced_samples = 0
        self.lowest_gain = 1.0
        self._ceiling = ceiling
        self._between = TruePeaks(ceiling) if between else None
        self._late = CONTEXT if between else 0  # needs are known so many samples later
        self._ahead = min(max(1, round(LOOK_AHEAD_SECONDS * sample_rate)), _FRAME)
        # A Hann-shaped mean: the gain's slope has no corners either.
        window = np.hanning(self._ahead + 3)[1:-1]
        self._mean = window / window.sum()
        self._log_decay = -1.0 / (RELEASE_SECONDS * sample_rate)
        self._waiting: list[np.ndarray] = []  # remixed samples that have no gain yet, with their needs
        self._needs: list[np.ndarray] = []
        self._count = 0
        self._held = 0.0  # the released reduction at the end of the last frame
        self._tail: np.ndarray | None = None  # the reductions before the next frame, for the mean; None at the start

    def push(self, remixed: np.ndarray, mixture: np.ndarray) -> np.ndarray:
        """Take the next block of the remix, and the film's own samples for the same time.

        Shape:
            both `[channels, samples]` -> `[channels, samples that are ready]`, float32; may be empty.
        """
        if remixed.shape != mixture.shape:
            raise ValueError(f"remix {remixed.shape} and mixture {mixture.shape} must have one shape")
        self._waiting.append(np.asarray(remixed, dtype=np.float32))
        self._needs.append(self._reduction(remixed, mixture))
        self._count += remixed.shape[1]
        ready = (self._count - self._late - self._ahead) // _FRAME
        return self._emit(max(ready, 0) * _FRAME, self._count)

    def finish(self) -> np.ndarray:
        """The rest, after the last block: `[channels, samples]`; `[0, 0]` if nothing was ever pushed."""
        if not self._waiting:
            return np.zeros((0, 0), np.float32)
        if self._between is not None:
            self._needs.append(self._needed(self._between.finish(), None))
        left = self._count
        frames = -(-left // _FRAME) * _FRAME
        self._needs.append(np.zeros(frames + self._ahead - left))
        return self._emit(frames, left)[:, :left]

    def _reduction(self, remixed: np.ndarray, mixture: np.ndarray) -> np.ndarray:
        """`[samples]`: the part of the level that must go, 0 where all is well."""
        if self._between is not None:
            return self._needed(self._between.push(remixed), None)
        # a broken sample must not drag its neighbors down
        return self._needed(np.abs(unbroken(remixed)).max(axis=0, initial=0.0).astype(np.float64), mixture)

    def _needed(self, peak: np.ndarray, mixture: np.ndarray | None) -> np.ndarray:
        """The part of the level that must go where the magnitudes are `[samples]`; `mixture` may stay as it is."""
        reduction = np.zeros(len(peak))
        over = peak > self._ceiling
        if over.any():
            own = 0.0 if mixture is None else np.abs(mixture[:, over]).max(axis=0)
            allowed = np.maximum(own, self._ceiling)
            # a little less than allowed, because the product is rounded to float32
            reduction[over] = np.where(peak[over] > allowed, 1 - allowed * (1 - 2.0**-22) / peak[over], 0.0)
        return reduction

    def _emit(self, samples: int, count: int) -> np.ndarray:
        """Give `samples` samples their gains and let them go."""
        if samples == 0:
            return self._waiting[0][:, :0]
        remixed = np.concatenate(self._waiting, axis=1)
        needs = np.concatenate(self._needs)
        out = remixed[:, :samples]
        if self._busy(needs[: samples + self._ahead]):
            out = out.copy()
            for start in range(0, samples, _FRAME):
                self._limit(out[:, start : start + _FRAME], needs[start : start + _FRAME + self._ahead])
        elif self._tail is None:
            self._tail = np.zeros(self._ahead)
        self._waiting, self._needs = [remixed[:, samples:]], [needs[samples:]]
        self._count = max(count - samples, 0)
        return out

    def _busy(self, needs: np.ndarray) -> bool:
        return bool(self._held or needs.any() or (self._tail is not None and self._tail.any()))

    def _limit(self, frame: np.ndarray, needs: np.ndarray) -> None:
        """Turn one frame down, in place. needs `[_FRAME + look-ahead]`."""
        if self._tail is None:
            # the time before the first sample looks ahead too
            self._tail = _running_max(np.concatenate((np.zeros(self._ahead), needs)), self._ahead + 1)[: self._ahead]
        if not self._busy(needs):
            return
        ahead = _running_max(needs, self._ahead + 1)
        # d[n] = max(ahead[n], decay * d[n-1]), without a loop: a running maximum of d * decay^-n
        growth = np.exp(-self._log_decay * np.arange(1, _FRAME + 1))
        released = np.maximum.accumulate(np.concatenate(([self._held], ahead * growth)))[1:] / growth
        released[(released < _NEGLIGIBLE) & (ahead == 0)] = 0.0  # what is needed is never negligible
        self._held = float(released[-1])
        reductions = np.concatenate((self._tail, released))
        self._tail = reductions[-self._ahead :]
        gain = 1 - np.convolve(reductions, self._mean, mode="valid")
        frame *= gain[: frame.shape[1]].astype(np.float32)
        reduced = gain[: frame.shape[1]] < 1
        if reduced.any():
            self.reduced_samples += int(reduced.sum())
            self.lowest_gain = min(self.lowest_gain, float(gain.min()))


def _running_max(values: np.ndarray, length: int) -> np.ndarray:
    """Maximum of every `length` neighbours, `[n] -> [n - length + 1]`, by doubling the span."""
    span = 1
    while span < length:
        step = min(span, length - span)
        values = np.maximum(values[:-step], values[step:])
        span += step
    return values


def guard_peaks(blocks: Iterable[tuple[np.ndarray, np.ndarray]], guard: PeakGuard) -> Iterator[np.ndarray]:
    """Run a guard over (mixture, remix) blocks `[channels, samples]`; yields guarded remix blocks, none of them empty.

    The guard reports afterwards what it did.
    """
    for mixture, remixed in blocks:
        ready = guard.push(remixed, mixture)
        if ready.size:
            yield ready
    rest = guard.finish()
    if rest.size:
        yield rest
