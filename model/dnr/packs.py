"""Scenes from the packs that `sources` makes: clips by group, rare groups as likely as they should be.

Names in annots.csv tell the very clips: `test/music/12` is the 13th row of `test/music.csv`; words of one speaker are
joined into utterances of 3 to 12 s, and `test/speech/5+8820+6` is row 5, 8,820 samples of silence, row 6.
"""

from __future__ import annotations

import csv
import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import signal

from .. import SAMPLE_RATE
from .recipe import BACKGROUND_SECONDS, EVENTS, FOLDERS, MUSIC_FILE_SECONDS, Clip

if TYPE_CHECKING:
    from .scenes import Pack

PACK_OF = {"music": "music", "speech": "speech", "sfx": "effects", "background": "effects"}
UTTERANCE_SECONDS = (3.0, 12.0)
PAUSE_SECONDS = (0.1, 0.4)  # between the words of one utterance


class PackLibrary:
    """The packs of one split. Only its two facts travel to another process.

    Args:
        folder: of the packs, as `sources` wrote it.
        split: train, validation or test.

    Raises:
        FileNotFoundError: there are no packs of that split.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split = folder, split
        for name in sorted(set(PACK_OF.values())):
            for suffix in ("i16", "csv"):
                if not (folder / split / f"{name}.{suffix}").is_file():
                    raise FileNotFoundError(f"'{folder}' has no packs of the split '{split}' ({name}.{suffix})")

    def __reduce__(self) -> tuple[Any, ...]:
        return PackLibrary, (self.folder, self.split)

    @cached_property
    def _packs(self) -> dict[str, Pack]:
        from .scenes import load_pack

        return {name: load_pack(self.folder / self.split, name) for name in set(PACK_OF.values())}

    @cached_property
    def _long(self) -> np.ndarray:
        found: np.ndarray = self._packs["effects"].lengths >= BACKGROUND_SECONDS * SAMPLE_RATE
        return found

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        names = {}
        for pack in set(PACK_OF.values()):
            with (self.folder / self.split / f"{pack}.csv").open(newline="") as file:
                names[pack] = [f"{row['group']}: {row['file']}" for row in csv.DictReader(file)]
        return names

    def fingerprint(self) -> str:
        """Changes when the packs do."""
        digest = hashlib.sha256()
        for name in sorted(set(PACK_OF.values())):
            digest.update((self.folder / self.split / f"{name}.csv").read_bytes())
        return digest.hexdigest()[:16]

    def draw(self, kind: str, rng: np.random.Generator) -> Clip:
        """A clip of a group drawn by its weight; a background is an effect of 4 s or more."""
        pack = self._packs[PACK_OF[kind]]
        if kind == "speech":
            return self._utterance(pack, rng)
        numbers = pack.groups[rng.choice(len(pack.groups), p=pack.weights)]
        if kind == "background":
            numbers = numbers[self._long[numbers]] if self._long[numbers].any() else np.flatnonzero(self._long)
        number = int(rng.choice(numbers))
        samples, begin = int(pack.lengths[number]), 0
        if kind == "music":
            most = round(MUSIC_FILE_SECONDS * SAMPLE_RATE)
            begin = int(rng.integers(max(samples - most, 1)))
            samples = min(samples - begin, most)
        return self._clip(kind, str(number), ((number, 0),), samples, begin)

    def read(self, clip: Clip) -> np.ndarray:
        """Its sound, without rumble."""
        pack_name, parts = clip.key
        pack = self._packs[pack_name]
        sounds: list[np.ndarray] = []
        for number, pause in parts:
            sounds += [pack.clip(number), np.zeros(pause)]
        return without_rumble(np.concatenate(sounds)[clip.offset : clip.offset + clip.samples])

    def find(self, kind: str, file: str) -> Clip:
        """The clip of such a name.

        Raises:
            FileNotFoundError: it is no name of these packs, or there are not so many clips.
        """
        split, _, name = file.partition("/")
        pack_name, _, spelled = name.partition("/")
        if split != self.split or kind not in EVENTS or pack_name != PACK_OF[kind]:
            raise FileNotFoundError(f"'{file}' ({kind}) is no clip of the packs in '{self.folder / self.split}'")
        try:
            numbers = [int(number) for number in spelled.split("+")]
        except ValueError as error:
            raise FileNotFoundError(f"'{file}' is no clip of packs") from error
        lengths = self._packs[pack_name].lengths
        if max(numbers[::2]) >= len(lengths) or min(numbers) < 0 or len(numbers) % 2 == 0:
            raise FileNotFoundError(f"'{file}' is not in the packs: they have {len(lengths)} clips of {pack_name}")
        parts = tuple(zip(numbers[::2], [*numbers[1::2], 0], strict=True))
        samples = sum(int(lengths[number]) + pause for number, pause in parts)
        return self._clip(kind, spelled, parts, samples, 0)

    def _utterance(self, pack: Pack, rng: np.random.Generator) -> Clip:
        found = pack.groups[int(rng.choice(len(pack.groups), p=pack.weights))]
        at, wanted = int(rng.integers(len(found))), rng.uniform(*UTTERANCE_SECONDS) * SAMPLE_RATE
        parts: list[tuple[int, int]] = []
        samples = 0
        while samples < wanted:
            number = int(found[at % len(found)])
            pause = int(rng.uniform(*PAUSE_SECONDS) * SAMPLE_RATE)
            parts.append((number, pause))
            samples += int(pack.lengths[number]) + pause
            at += 1
        samples -= parts[-1][1]
        parts[-1] = (parts[-1][0], 0)
        spelled = "+".join(str(number) for part in parts for number in part)
        return self._clip("speech", spelled.removesuffix("+0"), tuple(parts), samples, 0)

    def _clip(self, kind: str, spelled: str, parts: tuple[tuple[int, int], ...], samples: int, offset: int) -> Clip:
        pack = PACK_OF[kind]
        said = self._names[pack][parts[0][0]]
        return Clip(f"{self.split}/{pack}/{spelled}", samples, offset, (pack, parts), said)


def open_packs(folder: Path, splits: list[str]) -> dict[str, PackLibrary]:
    """The libraries of some splits (train, validation, test) by the names of their folders (tr, cv, tt).

    Raises:
        FileNotFoundError: there are no such packs.
    """
    return {FOLDERS[split]: PackLibrary(folder, split) for split in splits}


def without_rumble(audio: np.ndarray) -> np.ndarray:
    """The audio [T] without what lies below RUMBLE_HZ, as training hears it; no phase shift."""
    from .scenes import RUMBLE_HZ

    sections = signal.butter(4, RUMBLE_HZ, "highpass", fs=SAMPLE_RATE, output="sos")
    clean: np.ndarray = signal.sosfiltfilt(sections, audio, padlen=min(len(audio) - 1, 4096))
    return clean.astype(np.float32)
