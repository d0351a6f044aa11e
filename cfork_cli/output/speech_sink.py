"""Sound as speech recognisers take it: mono, 16 kHz, in step with the film."""

from __future__ import annotations

import numpy as np
import soxr

from cfork_cli.output.sink import Sink

SPEECH_RATE = 16_000


class SpeechSink(Sink):
    """Folds and resamples what is written, for another sink.

    Sample n lies n / 16000 seconds after the first one that came in; there are round(N * 16000 / rate) of them.

    Args:
        inner: takes `[1, samples]` at 16 kHz; it becomes ours.
        sample_rate: Hz, of what is written.
        fold: how much each channel counts, `[channels]`.
    """

    def __init__(self, inner: Sink, sample_rate: int, fold: np.ndarray) -> None:
        super().__init__()
        self._inner, self._fold = inner, np.asarray(fold, np.float32)
        self._stream = soxr.ResampleStream(sample_rate, SPEECH_RATE, 1, dtype="float32", quality="HQ")

    def write(self, block: np.ndarray, number: int = 0) -> None:
        self._hand_on(self._fold @ block, last=False)
        self.samples += block.shape[1]

    def _hand_on(self, sound: np.ndarray, *, last: bool) -> None:
        out = self._stream.resample_chunk(np.ascontiguousarray(sound[:, None], np.float32), last=last)
        if out.size:
            self._inner.write(out.T)

    def _complete(self) -> None:
        self._hand_on(np.zeros(0, np.float32), last=True)
        self._inner.finish()
        self.notes = self._inner.notes

    def _appear(self) -> None:
        self._inner.publish()

    def _stop(self) -> None:
        self._inner.abort()

    def withdraw(self) -> None:
        self._inner.withdraw()


def mono_fold(channels: int, stereo: np.ndarray | None) -> np.ndarray:
    """Return how much each channel counts in mono, `[channels]`: what comes from the middle keeps its level.

    Args:
        stereo: `[2, channels]`, of surround sound, from `mix.downmix`; None for mono and stereo.

    >>> mono_fold(2, None).tolist()
    [0.5, 0.5]
    """
    if stereo is None:
        return np.full(channels, 1 / channels, np.float32)
    folded: np.ndarray = stereo.mean(axis=0, dtype=np.float32)
    return folded / np.float32(0.5**0.5)
