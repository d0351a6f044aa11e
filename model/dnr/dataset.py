"""Scenes to train and validate on, by number: chunks of a Divide-and-Remaster tree, or mixed on the fly from packs.

A scene depends on the seed and its number alone, and step n of a training takes the next numbers: whoever goes on at
step n hears what an uninterrupted training would have heard, with any number of workers and processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from .. import SAMPLE_RATE
from ..stems import DNR_NAMES, PRESENCE
from .film import FilmScenes, MixedScenes
from .scenes import Scenes
from .trees import SUFFIXES, scenes_of

SPLITS = {"train": "tr", "validation": "cv"}
KINDS: dict[str, type[Scenes]] = {"dnr": Scenes, "film": FilmScenes, "both": MixedScenes}
PACKS_EPOCH = 3400  # scenes from packs that make an epoch: as many as the published tree has in tr


def is_tree(folder: Path) -> bool:
    """Return whether the folder is a DnR tree, and not one of packs."""
    return (folder / SPLITS["train"]).is_dir()


def training_scenes(
    folder: Path, seconds: float, seed: int, presence: Mapping[str, float] = PRESENCE, kind: str = "dnr"
) -> tuple[Dataset[tuple[Tensor, Tensor]], int]:
    """Scenes to train on, of any number, and how many of them make an epoch.

    `kind` (dnr, film or both) counts for packs alone, `presence` for those of their scenes that are like DnR's.

    Raises:
        FileNotFoundError: the folder holds neither a tree nor packs.
    """
    if is_tree(folder):
        chunks = DnrChunks(folder / SPLITS["train"], seconds, seed)
        return chunks, len(chunks.folders)
    _check_packs(folder, "train")
    return KINDS[kind](folder, "train", seconds, seed, presence), PACKS_EPOCH


def validation_scenes(
    folder: Path, seconds: float, most: int, kind: str = "dnr"
) -> tuple[Dataset[tuple[Tensor, Tensor]], int]:
    """Scenes to validate on and their number: the first `most` (0: all) of cv, or random but fixed ones of packs.

    `kind` (dnr or film) counts for packs alone.

    Raises:
        FileNotFoundError: the folder has no such split. ValueError: packs have no whole scenes, and no end.
    """
    if is_tree(folder):
        chunks = DnrChunks(folder / SPLITS["validation"], seconds, None)
        return chunks, min(most or len(chunks.folders), len(chunks.folders))
    if not most or not seconds:
        raise ValueError(f"'{folder}' holds packs, which have no end: give --validation-scenes and -seconds above 0")
    _check_packs(folder, "validation")
    return KINDS[kind](folder, "validation", seconds, seed=0), most


def _check_packs(folder: Path, split: str) -> None:
    for name in ("music", "speech", "effects"):
        if not (folder / split / f"{name}.i16").is_file():
            raise FileNotFoundError(
                f"'{folder}' holds no scenes to train on: neither tr and cv folders, nor packs ({split}/{name}.i16)"
            )


class DnrChunks(Dataset[tuple[Tensor, Tensor]]):
    """Chunks of a split of a tree: mixture [T] and stems [3, T], by number.

    With a seed, every scene comes once in each round, in an order of the round's own, from a random moment on, as in
    the published training. Without one, scene n is the n-th, from its middle.

    Args:
        folder: of the split, such as `dnr/tr`.
        seconds: length of a chunk, shorter scenes are filled up with silence; 0: whole scenes.

    Raises:
        FileNotFoundError: there are no scenes.
    """

    def __init__(self, folder: Path, seconds: float, seed: int | None) -> None:
        self.folders = scenes_of(folder) if folder.is_dir() else []
        if not self.folders:
            raise FileNotFoundError(f"no scenes in '{folder}': it should hold folders with mix.wav, music.wav, ...")
        self.samples, self.seed = round(seconds * SAMPLE_RATE), seed
        self._round: tuple[int, np.ndarray] = (-1, np.arange(0))

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """One chunk.

        Raises:
            ValueError: a file of the scene is missing, is not mono at 44.1 kHz or as long as the mix, or holds NaN.
        """
        nth, place = divmod(number, len(self.folders))
        if self.seed is None:
            return self._read(self.folders[place], None)
        if self._round[0] != nth:
            self._round = nth, np.random.default_rng((self.seed, 1, nth)).permutation(len(self.folders))
        return self._read(self.folders[self._round[1][place]], np.random.default_rng((self.seed, 2, number)))

    def _read(self, folder: Path, rng: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        paths = [_file(folder, name) for name in ("mix", *DNR_NAMES.values())]
        whole = sf.info(str(paths[0])).frames
        samples = self.samples or whole
        spare = max(whole - samples, 0)
        start = spare // 2 if rng is None else int(rng.integers(spare + 1))
        sound = np.zeros((len(paths), samples), np.float32)
        for row, path in zip(sound, paths, strict=True):
            with sf.SoundFile(str(path)) as file:
                if file.samplerate != SAMPLE_RATE or file.channels != 1 or file.frames != whole:
                    raise ValueError(f"'{path}' is not mono at {SAMPLE_RATE} Hz, or not as long as the mix")
                file.seek(start)
                audio = file.read(min(samples, whole), dtype="float32")
            if not np.isfinite(audio).all():  # one sample would spoil the statistics of a network for good
                raise ValueError(f"'{path}' holds samples that are no numbers")
            row[: len(audio)] = audio
        both = torch.from_numpy(sound)
        return both[0], both[1:]


def _file(folder: Path, name: str) -> Path:
    for suffix in SUFFIXES:
        if (path := folder / f"{name}{suffix}").is_file():
            return path
    raise ValueError(f"'{folder}' has no {name}{SUFFIXES[0]}: the scene is incomplete")


class Batches(Sampler[list[int]]):
    """Numbers of the scenes of one process, a list for each part of each step, without end.

    Args:
        batch: scenes of a step, over all processes and parts.
        parts: how many batches of one process make a step.
        first: the step to begin with.

    Raises:
        ValueError: the batch cannot be shared equally.

    >>> two = [iter(Batches(4, rank, 2, first=10)) for rank in (0, 1)]
    >>> [next(one) for one in two], [next(one) for one in two]
    ([[40, 41], [42, 43]], [[44, 45], [46, 47]])
    """

    def __init__(self, batch: int, rank: int = 0, world: int = 1, parts: int = 1, first: int = 0) -> None:
        if batch % (world * parts):
            raise ValueError(f"a batch of {batch} scenes cannot be shared by {world} processes in {parts} parts")
        self.batch, self.rank, self.world, self.parts, self.first = batch, rank, world, parts, first

    def __iter__(self) -> Iterator[list[int]]:
        size = self.batch // (self.world * self.parts)
        for step in count(self.first):
            for part in range(self.parts):
                start = step * self.batch + (part * self.world + self.rank) * size
                yield list(range(start, start + size))
