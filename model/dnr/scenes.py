"""Short scenes mixed on the fly for training, with augmentation.

The levels are DnR's (integrated LUFS per class, its spread widened), the events denser than in DnR's 60 s scenes,
so that a crop of a few seconds teaches all three stems. Half of the scenes are what one channel of a wide mix hears.
A scene depends on the seed and its number alone: training goes on where it stopped, with any number of workers.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from .. import SAMPLE_RATE
from ..stems import PRESENCE
from .augment import ROOM_SECONDS, RUMBLE_HZ, Colors, fade, gated_lufs, pan_gain, place, stretched, warped
from .voices import whispered

__all__ = ["RUMBLE_HZ", "Pack", "SceneMixer", "Scenes", "load_pack"]

CLASS_LUFS = {"music": -24.0, "speech": -17.0, "effects": -21.0, "background": -29.0}
STEM_CLASSES = (("music",), ("speech",), ("effects", "background"))  # the order of model.STEMS
MIX_LUFS = -27.0  # of a mixture, as the separator brings films to it
LEVELS_DB = (-26.0, 9.0)  # around MIX_LUFS: a quiet passage of a film, and a loud one
WIDE = 0.5  # chance that the scene is a channel of a wide mix
OLD = 0.06  # chance that the whole scene is narrow-band
SECOND_VOICE = 0.08
WHISPERED = 0.04  # a simulation: nobody whispers in the packs
NARROW_HZ = 30_000  # sources below this rate carry no treble


@dataclass(frozen=True)
class Pack:
    """All clips of one class and split: int16 samples end to end, and where each clip and each group lies."""

    samples: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    groups: tuple[np.ndarray, ...]  # clip numbers of each group, in order
    weights: np.ndarray  # probability of each group

    def clip(self, number: int, start: int = 0, length: int | None = None) -> np.ndarray:
        """float32 [T] of one clip, from `start` within it."""
        first, whole = int(self.starts[number]), int(self.lengths[number])
        end = whole if length is None else min(start + length, whole)
        return self.samples[first + start : first + end].astype(np.float32) / 32768.0


def load_pack(folder: Path, name: str) -> Pack:
    """Open `folder/<name>.i16` and its index. Groups are drawn by the square root of their duration, narrow-band
    groups half as often: a speaker with two hours must not drown one with two minutes.

    Raises:
        FileNotFoundError: the pack is not there.
    """
    with (folder / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    starts = np.array([int(row["start"]) for row in rows], dtype=np.int64)
    lengths = np.array([int(row["length"]) for row in rows], dtype=np.int64)
    members: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        members.setdefault(row["group"], []).append(number)
    groups = tuple(np.array(found) for found in members.values())
    weights = np.array([
        np.sqrt(lengths[found].sum()) * (0.5 if int(rows[found[0]]["source_rate"]) < NARROW_HZ else 1.0)
        for found in groups
    ])  # fmt: skip
    samples = np.memmap(folder / f"{name}.i16", dtype="<i2", mode="r")
    return Pack(samples, starts, lengths, groups, weights / weights.sum())


class SceneMixer:
    """Draws random scenes from one split's packs: `draw(rng)` gives stems [3, samples] in model.STEMS order.

    Args:
        presence: the chance of each class to be in a scene, by the names of PRESENCE.
        any_level: the chance that a scene is far quieter or louder than what the separator makes of a film.
    """

    room_seconds = ROOM_SECONDS  # the longest reverberation

    def __init__(
        self, packs: Path, split: str, seconds: float, presence: Mapping[str, float] = PRESENCE,
        *, any_level: float = 0.0,
    ) -> None:  # fmt: skip
        self.any_level = any_level
        self.packs = {name: load_pack(packs / split, name) for name in ("music", "speech", "effects")}
        self.length = round(seconds * SAMPLE_RATE)
        self.presence = presence
        self.colors = Colors(self.length, self.room_seconds)

    def loudness(self, audio: np.ndarray) -> float:
        """LUFS of a crop, see `augment.gated_lufs`."""
        return self.colors.loudness(audio)

    def _group(self, pack: Pack, rng: np.random.Generator) -> np.ndarray:
        return pack.groups[rng.choice(len(pack.groups), p=pack.weights)]

    def speech(self, rng: np.random.Generator) -> np.ndarray:
        """One speaker's successive clips with short pauses, from a random moment on."""
        pack = self.packs["speech"]
        found = self._group(pack, rng)
        at = int(rng.integers(len(found)))
        out = np.zeros(self.length, np.float32)
        # the same voice throughout: pitch and speed together, or speed alone
        ratio = 2 ** rng.uniform(-0.12, 0.12) if rng.random() < 0.4 else None
        factor = rng.uniform(0.8, 1.25) if rng.random() < 0.1 else None
        position = -int(rng.integers(self.length // 2)) if rng.random() < 0.6 else int(rng.integers(self.length // 2))
        while position < self.length:
            clip = pack.clip(int(found[at % len(found)]))
            if ratio is not None:
                clip = warped(clip, ratio)
            if factor is not None:
                clip = stretched(clip, factor)
            place(out, clip, position)
            position += len(clip) + int(rng.exponential(0.25) * SAMPLE_RATE)
            at += 1
        return out

    def passage(self, rng: np.random.Generator) -> np.ndarray:
        """Return a passage of one piece from a random moment on, about as long as a scene if the piece is."""
        pack = self.packs["music"]
        number = int(rng.choice(self._group(pack, rng)))
        need = int(self.length * 1.3)
        clip = pack.clip(number, int(rng.integers(max(int(pack.lengths[number]) - need, 1))), need)
        return warped(clip, 2 ** rng.uniform(-0.25, 0.25)) if rng.random() < 0.4 else clip

    def music(self, rng: np.random.Generator) -> np.ndarray:
        """A passage of one piece, sometimes with a beginning or an end within the crop."""
        clip = self.passage(rng)
        out = np.zeros(self.length, np.float32)
        shift = 0 if rng.random() < 0.75 else int(rng.uniform(-0.7, 0.7) * self.length)
        place(out, fade(clip[: self.length], 0.02 if shift == 0 else 0.2), shift)
        return out

    def effects(self, rng: np.random.Generator, *, wide: bool = False, events: tuple[int, int] = (1, 5)) -> np.ndarray:
        """Some events of any packages, each at its own moment and level, sometimes repeated."""
        pack = self.packs["effects"]
        out = np.zeros(self.length, np.float32)
        for _ in range(int(rng.integers(events[0], events[1] + 1))):
            clip = pack.clip(int(rng.choice(self._group(pack, rng))), 0, self.length)
            if rng.random() < 0.5:
                clip = warped(clip, 2 ** rng.uniform(-0.5, 0.5))
            clip = fade(clip, 0.005) * leveled(clip, 10 ** (rng.uniform(-8, 4) / 20))
            position = int(rng.uniform(-0.3, 1.0) * self.length)
            for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
                place(out, clip * np.float32(pan_gain(rng)) if wide else clip, position)
                position += int(len(clip) * rng.uniform(1.0, 1.6)) + 1
        return out

    def background(
        self, rng: np.random.Generator, *, wide: bool = False, layers: tuple[int, int] = (1, 3), choices: int = 3
    ) -> np.ndarray:
        """An ambience: effects looped with cross-fades and layered, or shaped noise (wind, rain, hum of a room)."""
        if rng.random() < 0.25:
            shape = np.exp(np.float32(rng.uniform(-1.2, 0.3)) * np.maximum(self.colors.log_hz - np.log(1000), -3.9))
            parts = rng.standard_normal((len(shape), 2), dtype=np.float32) * shape[:, None].astype(np.float32)
            noise = self.colors.heard(parts.view(np.complex64)[:, 0])
            swell = np.interp(np.arange(self.length), np.linspace(0, self.length, 9), rng.uniform(0.4, 1.0, 9))
            return noise * swell.astype(np.float32)
        out = np.zeros(self.length, np.float32)
        pack = self.packs["effects"]
        for _ in range(int(rng.integers(layers[0], layers[1] + 1))):
            some = rng.choice(self._group(pack, rng), choices)
            number = int(some[np.argmax(pack.lengths[some])])  # ambiences are long
            clip = warped(pack.clip(number, 0, 2 * self.length), 2 ** rng.uniform(-0.7, 0.7))
            clip = fade(clip, min(0.3, len(clip) / SAMPLE_RATE / 4))
            clip *= leveled(clip, pan_gain(rng) if wide else 1.0)
            hop = max(int(len(clip) * 0.75), SAMPLE_RATE // 10)
            position = -int(rng.integers(hop))
            while position < self.length:
                place(out, clip, position)
                position += hop
        return out

    def sound(self, name: str, rng: np.random.Generator, *, wide: bool) -> np.ndarray:
        """One class of a scene, float32 [samples], before it is filtered and leveled."""
        if name == "music":
            return self.music(rng)
        if name != "speech":
            return self.effects(rng, wide=wide) if name == "effects" else self.background(rng, wide=wide)
        audio = self.speech(rng)
        if rng.random() < WHISPERED:
            audio = whispered(audio, rng).astype(np.float32)
        if rng.random() < SECOND_VOICE:
            audio += self.speech(rng) * np.float32(pan_gain(rng) if wide else rng.uniform(0.2, 1.0))
        return audio

    def leveled_sound(
        self, name: str, rng: np.random.Generator, *, wide: bool, shared: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """One class of a scene as it is heard, its K-weighted version, and the LUFS that it should have."""
        audio, loud = self.colors.colored(self.sound(name, rng, wide=wide), rng, name, wide=wide, shared=shared)
        return audio, loud, CLASS_LUFS[name] + rng.normal(0, 2.5)

    def mastered(self, stems: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the finished mix, all stems under one gain; here unchanged. Shape: [3, samples] -> the same."""
        return stems

    def offset_db(self, rng: np.random.Generator) -> float:
        """Draw how far above MIX_LUFS the mixture of a scene lies, in dB."""
        if self.any_level and rng.random() < self.any_level:
            return rng.uniform(*LEVELS_DB)
        return rng.normal(0, 2.5)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """One scene: stems float32 [3, samples], their sum about -27 LUFS. At least one class is present."""
        while True:
            present = {name: rng.random() < chance for name, chance in self.presence.items()}
            wide = bool(rng.random() < WIDE)
            shared = self.colors.low_pass(rng.uniform(3400, 9000)) if rng.random() < OLD else None
            stems = np.zeros((3, self.length), np.float32)
            weighted = np.zeros(self.length, np.float32)
            for stem, names in enumerate(STEM_CLASSES):
                for name in names:
                    if not present[name]:
                        continue
                    audio, loud, wanted = self.leveled_sound(name, rng, wide=wide, shared=shared)
                    level = gated_lufs(loud)
                    if np.isfinite(level):
                        gain = np.float32(10 ** (np.clip(wanted - level, -60, 40) / 20))
                        stems[stem] += audio * gain
                        weighted += loud * gain
            level = gated_lufs(weighted)
            if np.isfinite(level):
                stems = self.mastered(stems, rng)
                return stems * np.float32(10 ** ((MIX_LUFS + self.offset_db(rng) - level) / 20))


def leveled(clip: np.ndarray, gain: float) -> np.float32:
    """The factor that brings a clip to a common level times `gain`."""
    return np.float32(0.05 * gain / np.sqrt(np.mean(clip**2) + 1e-9))


class Scenes(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Random scenes by number, endless: mixture [samples] and stems [3, samples]."""

    def __init__(
        self, packs: Path, split: str, seconds: float, seed: int, presence: Mapping[str, float] = PRESENCE
    ) -> None:
        self.packs, self.split, self.seconds, self.seed, self.presence = packs, split, seconds, seed, presence
        self.mixers: tuple[SceneMixer, ...] = ()  # each worker opens the packs for itself

    def open(self) -> tuple[SceneMixer, ...]:
        """The mixers that take turns, scene by scene."""
        return (SceneMixer(self.packs, self.split, self.seconds, self.presence),)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        self.mixers = self.mixers or self.open()
        mixer = self.mixers[number % len(self.mixers)]
        stems = torch.from_numpy(mixer.draw(np.random.default_rng((self.seed, number))))
        return stems.sum(0), stems
