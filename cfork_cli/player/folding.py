"""The eight channels that the browser gets, of a film of any layout: mixture and stems, each folded to stereo."""

from __future__ import annotations

import numpy as np

from cfork_cli.errors import InputError
from cfork_cli.media.layouts import speakers
from cfork_cli.media.types import Stream
from cfork_cli.mix.downmix import stereo_matrix

QUIETEST_DB = -120.0


def matrix(track: Stream) -> np.ndarray:
    """Return the gains `[2, channels]`, float32: those of `--downmix`; mono goes to both sides as it is."""
    channels = track.channels or 0
    if channels <= 2:
        return np.ones((2, 1), np.float32) if channels == 1 else np.eye(2, dtype=np.float32)
    try:
        found = stereo_matrix(track, speakers(track.layout))
    except InputError:  # nobody knows which channel is which: two in front, the others on both sides
        found = None
    if found is None:
        found = np.full((2, channels), 0.5, np.float32)
        found[:, :2] = np.eye(2, dtype=np.float32)
    return found


def folded(matrix: np.ndarray, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
    """Return mixture and stems in stereo, below one another.

    Shape:
        matrix `[2, channels]`, mixture `[channels, N]`, stems `[stems, channels, N]` -> `[2 + 2 * stems, N]`, float32.
    """
    sounds = [matrix @ mixture, *(matrix @ stem for stem in stems)]
    out: np.ndarray = np.concatenate(sounds).astype(np.float32, copy=False)
    return out


def levels_db(sound: np.ndarray) -> np.ndarray:
    """Return the RMS of each pair of channels in dB of full scale, at least `QUIETEST_DB`.

    >>> levels_db(np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])).tolist()
    [0.0, -120.0]
    """
    power = np.mean(np.square(sound.reshape(len(sound) // 2, -1), dtype=np.float64), axis=1)
    found: np.ndarray = np.maximum(QUIETEST_DB, 10 * np.log10(np.maximum(power, 1e-30)))
    return found.astype(np.float32)
