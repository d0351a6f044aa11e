"""Left and right as middle and side, where voices stand in the middle.

Voices in films come from the very middle, the music beside them is wide: in the middle channel the voices are clearer
than in left or right, and the side channel holds none. A network that gets one channel at a time separates them
better there. For voices that stand some degrees beside the middle it is the other way round. The difference shows in
what a voice leaves in single bins of a spectrum: where it is louder than all else, the side is silent only if the voice
is exactly in the middle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]

FRAME_SECONDS = 0.1
VOICES_HZ = (100.0, 8000.0)
SILENT_SIDE = 0.005
"""Power of the side, in that of the middle, under which a bin is in the middle: 4 degrees of 45 (constant power)."""
LEAST_SHARE = 0.25
"""Share of the power that such bins hold where a window is turned. With voices in the middle it was 0.33 to 0.82 in 20
scenes, with voices 8 degrees from it 0.02 to 0.19 (benchmarks/stereo.py)."""


def is_centered(left: Audio, right: Audio, sample_rate: int) -> bool:
    """Return whether something stands in the middle, loud enough to be worth it; False for silence.

    Shape: `[T]` each, of any length, the same

    >>> tone = np.sin(np.arange(9000, dtype=np.float32) / 9)
    >>> [is_centered(tone, factor * tone, 44_100) for factor in (1.0, 0.95, 0.7, 0.0, -1.0)]
    [True, True, False, False, False]
    """
    return centered_share(left, right, sample_rate) >= LEAST_SHARE


def centered_share(left: Audio, right: Audio, sample_rate: int) -> float:
    """Share of the power, between VOICES_HZ, in bins that are in the middle; 0 of silence."""
    middle, side = (power(sound, sample_rate) for sound in to_middle_and_side(left, right))
    whole = float(middle.sum() + side.sum())
    return float(middle[side < SILENT_SIDE * middle].sum()) / whole if whole > 0 else 0.0


def power(sound: Audio, sample_rate: int) -> Audio:
    """Power of every bin between VOICES_HZ, in frames that do not overlap: `[T]` -> `[frames, bins]`."""
    frame = round(FRAME_SECONDS * sample_rate)
    frames = np.pad(sound, (0, -len(sound) % frame)).reshape(-1, frame)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)).astype(np.float32)
    low, high = (round(hz * FRAME_SECONDS) for hz in VOICES_HZ)
    # numpy's transform takes one thread, the calling one; torch's would wait for those that compute
    spectrum = np.fft.rfft(frames * window)[:, low:high]
    found: Audio = np.square(spectrum.real) + np.square(spectrum.imag)
    return found


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
