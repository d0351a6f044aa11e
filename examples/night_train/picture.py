"""The picture of the example film, frame by frame. What moves follows the sound: see script.py."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from examples.night_train.cafe import indoors
from examples.night_train.drawing import FPS, Frame, words
from examples.night_train.script import CAFE, DEPARTURE, SECONDS
from examples.night_train.station import outdoors

CARDS = (  # text, size, height in the picture, begin, end
    ("NIGHT TRAIN", 46, 96, 0.7, 4.6),
    ("a short film for three sliders", 17, 142, 1.3, 4.6),
    ("dialogue   music   effects", 22, 120, 33.0, 37.0),
)


def over(at: float, begin: float, end: float, ramp: float = 0.7) -> float:
    """0 outside begin..end, 1 inside, with soft edges."""
    return min(1.0, max(0.0, min((at - begin) / ramp, (end - at) / ramp)))


def frames(mouths: dict[str, NDArray[np.float64]]) -> Iterator[Frame]:
    """Every frame in order; `mouths` gives man and woman one opening 0..1 a frame."""
    for number in range(round(SECONDS * FPS)):
        at = number / FPS
        inside = CAFE <= at < DEPARTURE
        frame = indoors(at, {who: float(m[number]) for who, m in mouths.items()}) if inside else outdoors(at)
        picture = frame.astype(np.float32)
        for text, size, y, begin, end in CARDS:
            if over(at, begin, end) > 0:
                picture += words(text, size, y) * over(at, begin, end) * 0.9
        cuts = min(abs(at - CAFE), abs(at - DEPARTURE))
        dark = min(1.0, 0.15 + cuts / 0.3, at / 0.8, (SECONDS - at) / 1.0)
        yield (picture * max(0.0, dark)).clip(0, 255).astype(np.uint8)
