"""Spectrograms small enough to draw, of sound of any length: power in bands and columns, gathered as it streams by."""

from __future__ import annotations

import numpy as np

WINDOW_SECONDS = 0.046
LOWEST_HZ, HIGHEST_HZ = 60.0, 16_000.0


class Spectrogram:
    """Power over time and frequency; bands are equally wide in octaves.

    Args:
        sample_rate: Hz.
        column_seconds: how much sound one column holds.
        bands: how many.

    >>> picture = Spectrogram(48_000, 0.5)
    >>> picture.push(np.sin(2 * np.pi * 1000 * np.arange(96_000) / 48_000)[None])
    >>> low, high = picture.edges_hz[picture.decibels()[:, 1].argmax():][:2]
    >>> bool(low <= 1000 <= high)
    True
    """

    def __init__(self, sample_rate: int, column_seconds: float, bands: int = 96) -> None:
        self._rate = sample_rate
        self._size = 1 << round(np.log2(WINDOW_SECONDS * sample_rate))
        self._hop = self._size // 2
        self._window = np.hanning(self._size + 1)[:-1].astype(np.float32)
        self._column_hops = max(1, round(column_seconds * sample_rate / self._hop))
        self.column_seconds = self._column_hops * self._hop / sample_rate
        top = min(HIGHEST_HZ, sample_rate / 2)
        self.edges_hz = np.geomspace(LOWEST_HZ, top, bands + 1)
        frequencies = np.fft.rfftfreq(self._size, 1 / sample_rate)
        # the bin in the middle of a band stands for it where bands are narrower than bins
        self._bands = np.maximum(np.searchsorted(frequencies, self.edges_hz[:-1]), 1)
        self._nearest = np.clip(np.rint(np.sqrt(self.edges_hz[:-1] * self.edges_hz[1:]) * self._size / sample_rate),
                                1, len(frequencies) - 1).astype(int)  # fmt: skip
        self._wide = np.diff(np.append(self._bands, np.searchsorted(frequencies, top))) > 1
        self._waiting = np.zeros(0, np.float32)
        self._columns: list[np.ndarray] = []
        self._sum = np.zeros(bands)
        self._hops = 0

    def push(self, block: np.ndarray) -> None:
        """Take the next samples, `[channels, samples]`; the channels count together."""
        sound = np.concatenate((self._waiting, block.mean(axis=0, dtype=np.float32)))
        count = max(0, (len(sound) - self._size) // self._hop + 1)
        if count:
            frames = np.lib.stride_tricks.sliding_window_view(sound, self._size)[:: self._hop][:count]
            power = np.square(np.abs(np.fft.rfft(frames * self._window, axis=1)))
            for row in self._banded(power):
                self._add(row)
        self._waiting = sound[count * self._hop :]

    def decibels(self) -> np.ndarray:
        """Return levels, `[bands, columns]`, dB below a full-scale sine."""
        columns = [*self._columns, *([self._sum / self._hops] if self._hops else [])]
        power = np.array(columns).T if columns else np.zeros((len(self._nearest), 0))
        levels: np.ndarray = 10 * np.log10(power / (self._window.sum() / 2) ** 2 + 1e-12)
        return levels

    def _banded(self, power: np.ndarray) -> np.ndarray:
        """Return the largest power of each band, `[frames, bins] -> [frames, bands]`."""
        wide = np.maximum.reduceat(power, np.minimum(self._bands, power.shape[1] - 1), axis=1)
        banded: np.ndarray = np.where(self._wide, wide, power[:, self._nearest])
        return banded

    def _add(self, row: np.ndarray) -> None:
        self._sum += row
        self._hops += 1
        if self._hops == self._column_hops:
            self._columns.append(self._sum / self._hops)
            self._sum, self._hops = np.zeros_like(self._sum), 0
