"""Left and right as middle and side, where most of the sound is in the middle.

Voices in films stand in the middle, the music beside them is wide: in the middle channel the voices are clearer than
in either of left and right, and the side channel holds none. A network that hears one channel at a time separates
them better there. Where a source stands all on one side it is the other way round, so windows with much side are left
as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]

MOST_SIDE = 0.25
"""Largest power of the side, in that of the middle, with which a window is turned: a single source up to 26
degrees from the middle, of 45 to either side (constant-power panning)."""


def is_centered(left: Audio, right: Audio) -> bool:
    """Whether most of the power is in the middle; not of silence.

    >>> tone = np.sin(np.arange(1000, dtype=np.float32))
    >>> is_centered(tone, 0.8 * tone), is_centered(tone, 0 * tone), is_centered(tone, -tone)
    (True, False, False)
    """
    both = float(np.dot(left, right))
    power = float(np.dot(left, left)) + float(np.dot(right, right))
    return power > 0 and power - 2 * both <= MOST_SIDE * (power + 2 * both)


def to_middle_and_side(left: Audio, right: Audio) -> tuple[Audio, Audio]:
    """(l + r) / 2 and (l - r) / 2: the middle of two equal channels is either of them, their side is silent.

    Shape: `[..., T]` each
    """
    half = np.float32(0.5)
    return half * (left + right), half * (left - right)


def to_left_and_right(middle: Audio, side: Audio) -> tuple[Audio, Audio]:
    """The way back.

    >>> left, right = np.float32([1.0, 0.5]), np.float32([0.25, 0.5])
    >>> [sound.tolist() for sound in to_left_and_right(*to_middle_and_side(left, right))]
    [[1.0, 0.5], [0.25, 0.5]]
    """
    return middle + side, middle - side
