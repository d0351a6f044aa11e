"""Film scenes that are hard in one more way: far and shouted voices, crowds, and what mastering does.

Scene n of a set is scene n of the set of plain film scenes with the same seed, and one thing more, so that what the
thing costs can be told: six ways by turns, each for a voice in all three ranges of its level. Which it is stands in
`scene.json` (`hard`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

from .. import SAMPLE_RATE
from .augment import FILM_ROOM_SECONDS, Colors, place
from .mastering import compression, ducking, over_time, powers, smoothed, swelling
from .recipe import Clip

HARD = ("far", "shouted", "crowd", "ducked", "swelling", "compressed")
"""A voice far away in a large room; a raised voice; people talking behind the voice, who are effects; music that makes
room for the voice; a passage of the whole that is louder or quieter; and its compression."""

TALKERS = (5, 9)
PRESSED_DB = (5.0, 12.0)
"""How far under the mean power the threshold of the compression lies: it always works."""

Voices = Callable[[], Iterator[tuple[Clip, np.ndarray]]]
"""Begins another talker: utterances, [samples] each, without end."""

Note = Callable[[Clip, int, int], None]
"""Hears of a clip that is in the scene: where it begins, and how many samples it has."""


def which(number: int, ranges: int) -> str:
    """Return what is hard in a scene; all scenes of a round have the same, one for each range of the voice's level.

    >>> [which(number, 3) for number in (0, 2, 3, 17, 18)]
    ['far', 'far', 'shouted', 'compressed', 'far']
    """
    return HARD[number // ranges % len(HARD)]


class Hardship:
    """Changes a scene in one way, before and after its voice is brought to its level.

    Args:
        kind: one of HARD.
        size: samples of the scene.
    """

    def __init__(self, kind: str, size: int, rng: np.random.Generator) -> None:
        self._kind, self._size, self._rng = kind, size, rng

    @cached_property
    def _colors(self) -> Colors:
        return Colors(self._size, FILM_ROOM_SECONDS)

    def voice(self, voice: np.ndarray) -> np.ndarray:
        """Return the voice, far away or raised; alike in both channels, [2, size]."""
        if self._kind == "far":
            voice = np.tile(self._colors.far(voice[0], self._rng), (2, 1)).astype(np.float64)
        elif self._kind == "shouted":
            voice = np.tile(self._colors.shouted(voice[0], self._rng), (2, 1)).astype(np.float64)
        return voice

    def background(self, background: np.ndarray, voices: Voices, note: Note) -> np.ndarray:
        """Return the ambience `[2, size]`; or people who talk at once in its place, all around."""
        if self._kind != "crowd":
            return background
        crowd = np.zeros((2, self._size))
        for _ in range(int(self._rng.integers(TALKERS[0], TALKERS[1] + 1))):
            angle = self._rng.uniform(0.05, 0.45) * math.pi
            gain, at = 10 ** (self._rng.uniform(-6, 0) / 20), -int(self._rng.integers(SAMPLE_RATE))
            said = voices()
            while at < self._size:
                clip, words = next(said)
                note(clip, max(at, 0), min(at + len(words), self._size) - max(at, 0))
                for channel, part in zip(crowd, (math.cos(angle), math.sin(angle)), strict=True):
                    place(channel, gain * part * words, at)
                at += len(words) + 1
        return self._colors.crowded(crowd, self._rng)

    def mastered(self, stems: np.ndarray) -> np.ndarray:
        """Return the stems `[3, 2, size]` with the same gain over time for all of them, or for the music alone."""
        left = stems.mean(1)
        if self._kind == "ducked":
            music = stems[0] * over_time(ducking(left[1], self._rng), self._size)
            return np.stack([music, *stems[1:]])
        power = powers(left.sum(0))
        if self._kind == "swelling":
            stems = stems * over_time(swelling(len(power), self._rng), self._size)
        if self._kind == "compressed":
            power = smoothed(power, self._rng.uniform(0.03, 0.3))
            stems = stems * over_time(compression(power, self._rng, PRESSED_DB), self._size)
        return stems
