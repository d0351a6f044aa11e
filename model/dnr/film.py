"""Short training scenes as films have them: music that never stops, ambiences, many events, and a voice in between.

In Divide and Remaster the voice is 4 LU louder than the effects and 7 louder than the music, each within 2.5 dB. In
films it often lies under the rest, music and effects sound at once nearly all the time, and everything swells and is
compressed together. `FilmMixer` draws such scenes, from the packs that `scenes.SceneMixer` draws from.

Whatever is done to the whole mix is a gain over time that all stems get alike, so they still sum to the mixture.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .. import SAMPLE_RATE
from .augment import FILM_ROOM_SECONDS, fade, place
from .mastering import HOP, compression, ducking, over_time, powers, smoothed, swelling
from .scenes import SceneMixer, Scenes, leveled

__all__ = ["FILM_LUFS", "FILM_PRESENCE", "FilmMixer", "FilmScenes", "MixedScenes"]

FILM_LUFS = {"music": (-20.0, 3.5), "speech": (-19.5, 5.0), "effects": (-19.0, 3.5), "background": (-23.0, 4.0)}
FILM_PRESENCE = {"music": 0.88, "speech": 0.9, "effects": 0.85, "background": 0.75}
ANY_LEVEL = 0.15  # chance that a scene lies anywhere in LEVELS_DB: far levels are made up for before the network

VOICE_ROOM = 0.4  # chances
FAR = 0.1
SHOUTED = 0.07
CROWD = 0.1  # of an ambience to be people talking, which are effects
SECOND_PIECE = 0.1
DUCKED = 0.25
COMPRESSED = 0.4
SWELLING = 0.3


class FilmMixer(SceneMixer):
    """Draws random scenes at the levels of films: `draw(rng)` gives stems [3, samples] in model.STEMS order."""

    room_seconds = FILM_ROOM_SECONDS

    def __init__(
        self, packs: Path, split: str, seconds: float, presence: Mapping[str, float] = FILM_PRESENCE,
        *, any_level: float = ANY_LEVEL,
    ) -> None:  # fmt: skip
        super().__init__(packs, split, seconds, presence, any_level=any_level)

    def music(self, rng: np.random.Generator) -> np.ndarray:
        """A passage of one piece from end to end of the scene, sometimes over a second one."""
        out = self._piece(rng)
        if rng.random() < SECOND_PIECE:
            other = self._piece(rng)
            out = out * leveled(out, 1.0) + other * leveled(other, 10 ** (rng.uniform(-12, 0) / 20))
        return out

    def _piece(self, rng: np.random.Generator) -> np.ndarray:
        clip = self.passage(rng)
        out = np.zeros(self.length, np.float32)
        if len(clip) >= self.length:
            place(out, clip[: self.length], 0)
            return out
        clip = fade(clip, min(0.2, len(clip) / SAMPLE_RATE / 4))
        hop = max(len(clip) - int(0.2 * SAMPLE_RATE), SAMPLE_RATE // 10)
        for position in range(-int(rng.integers(hop)), self.length, hop):
            place(out, clip, position)
        return out

    def effects(self, rng: np.random.Generator, *, wide: bool = False, events: tuple[int, int] = (2, 9)) -> np.ndarray:
        """Two to nine events, more than in a scene of Divide and Remaster."""
        return super().effects(rng, wide=wide, events=events)

    def background(
        self, rng: np.random.Generator, *, wide: bool = False, layers: tuple[int, int] = (2, 3), choices: int = 6
    ) -> np.ndarray:
        """Two or three long ambiences over each other, shaped noise, or a crowd."""
        if rng.random() < CROWD:
            return self.crowd(rng)
        return super().background(rng, wide=wide, layers=layers, choices=choices)

    def crowd(self, rng: np.random.Generator) -> np.ndarray:
        """People talking at once in a room, none of whom can be understood: five to nine voices, dull and far."""
        pack = self.packs["speech"]
        out = np.zeros(self.length, np.float32)
        for _ in range(int(rng.integers(5, 10))):
            found = self._group(pack, rng)
            at = int(rng.integers(len(found)))
            position = -int(rng.integers(SAMPLE_RATE))
            gain = 10 ** (rng.uniform(-6, 0) / 20)
            while position < self.length:
                clip = pack.clip(int(found[at % len(found)]))
                place(out, clip * leveled(clip, gain), position)
                position += len(clip) + 1
                at += 1
        return self.colors.crowded(out, rng)

    def leveled_sound(
        self, name: str, rng: np.random.Generator, *, wide: bool, shared: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """One class of a scene as it is heard, its K-weighted version, and the LUFS that it should have.

        A voice may be in a room, far away (quieter and mostly room), or shouting (higher, brighter and louder).
        """
        mean, deviation = FILM_LUFS[name]
        wanted = mean + rng.normal(0, deviation)
        audio = self.sound(name, rng, wide=wide)
        if name == "speech":
            chance = rng.random()
            if chance < FAR:
                wanted += rng.uniform(-8, -2)
                audio = self.colors.far(audio, rng)
            elif chance < FAR + SHOUTED:
                wanted += rng.uniform(0, 5)
                audio = self.colors.shouted(audio, rng)
            elif chance < FAR + SHOUTED + VOICE_ROOM:
                gains = self.colors.room(rng, wide=wide, seconds=(0.15, 0.7), reverberant_db=(-18.0, -2.0))
                audio = self.colors.heard(self.colors.spectrum(audio) * gains)
        audio, loud = self.colors.colored(audio, rng, name, wide=wide, shared=shared)
        return audio, loud, wanted

    def mastered(self, stems: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Music and ambience that make room for the voice, swells of the whole, and its compression.

        Shape: [3, samples] -> [3, samples]
        """
        if rng.random() < DUCKED and stems[1].any():
            stems[0] *= over_time(ducking(stems[1], rng), self.length)
        gain = np.zeros(-(-self.length // HOP))
        if rng.random() < SWELLING:
            gain += swelling(len(gain), rng)
        if rng.random() < COMPRESSED:
            power = smoothed(powers(stems.sum(0)), rng.uniform(0.03, 0.3)) * 10 ** (gain / 10)
            gain += compression(power, rng)
        return stems * over_time(gain, self.length) if gain.any() else stems


class MixedScenes(Scenes):
    """Random scenes by number, endless, by turns like those of Divide and Remaster and like those of films.

    The scenes of Divide and Remaster lie at any level here, as those of films do.
    """

    @staticmethod
    def is_of_film(number: int) -> bool:
        """Return whether it is the turn of films: the second of the two mixers."""
        return number % 2 == 1

    def open(self) -> tuple[SceneMixer, ...]:
        """The mixers that take turns, scene by scene."""
        return (
            SceneMixer(self.packs, self.split, self.seconds, self.presence, any_level=ANY_LEVEL),
            FilmMixer(self.packs, self.split, self.seconds),
        )


class FilmScenes(Scenes):
    """Random scenes by number, endless, all of them like those of films."""

    def open(self) -> tuple[SceneMixer, ...]:
        """The one mixer."""
        return (FilmMixer(self.packs, self.split, self.seconds),)
