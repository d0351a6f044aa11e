"""Surround sound folded to stereo, after ITU-R BS.775.

The center and each surround go to their side (the center to both) at -3 dB, the low-frequency channel stays out. The
sum is not made quieter as a whole, so that voices keep their level; a peak guard holds what goes over full scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cfork_cli.errors import InputError
from cfork_cli.media.types import Stream

_HALF_POWER = 0.5**0.5
_FRONT = {"FL": (1.0, 0.0), "FR": (0.0, 1.0), "FC": (_HALF_POWER, _HALF_POWER), "BC": (0.5, 0.5), "TC": (0.5, 0.5)}


def stereo_matrix(track: Stream, speakers: Sequence[str] | None) -> np.ndarray | None:
    """Return the gains `[2, channels]`, float32; None if the track is mono or stereo already.

    Args:
        speakers: of each channel ("FL", "LFE", ...), from `media.layouts`; None where the layout is unknown.

    Raises:
        InputError: the film does not say which channel is which.
    """
    if (track.channels or 0) <= 2:
        return None
    if speakers is None or len(speakers) != track.channels:
        raise InputError(
            f"sound track {track.number + 1} ({track}) does not say which channel is which, so it cannot be folded to "
            "stereo: leave --downmix away"
        )
    return np.array([_gains(name) for name in speakers], np.float32).T


def _gains(speaker: str) -> tuple[float, float]:
    """Return the gains of a speaker to left and right.

    >>> [tuple(round(gain, 3) for gain in _gains(name)) for name in ("FL", "SR", "BC", "LFE")]
    [(1.0, 0.0), (0.0, 0.707), (0.5, 0.5), (0.0, 0.0)]
    """
    if speaker in _FRONT:
        return _FRONT[speaker]
    if speaker.startswith("LFE"):
        return 0.0, 0.0
    if speaker in ("FLC", "DL", "WL"):  # between the center and the left: all on one side
        return 1.0, 0.0
    if speaker in ("FRC", "DR", "WR"):
        return 0.0, 1.0
    side = speaker.removesuffix("C")[-1]
    return {"L": (_HALF_POWER, 0.0), "R": (0.0, _HALF_POWER)}.get(side, (0.5, 0.5))
