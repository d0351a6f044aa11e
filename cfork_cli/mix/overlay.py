"""Another sound laid over a film's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cfork_cli.mix.mixer import Mixer


class OverlayMixer(Mixer):
    """Adds a second sound, with a gain, sample by sample.

    Args:
        take: returns the next so many samples of it, `[channels, samples]`.
        gain_db: of the second sound.
    """

    def __init__(self, take: Callable[[int], np.ndarray], gain_db: float) -> None:
        self._take, self._gain = take, np.float32(10 ** (gain_db / 20))

    def mix(self, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
        return (mixture + self._gain * self._take(mixture.shape[1]))[None]
