"""Scenes from any folders of sound files: who is held out with whom, and clips read from the files as they are drawn.

Nothing is copied and nothing is read before it is drawn, so that folders of any size begin at once.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile as sf

from .. import SAMPLE_RATE
from .decode import DecodeError, active_spans, read_mono
from .recipe import BACKGROUND_SECONDS, EVENTS, FOLDERS, MUSIC_FILE_SECONDS, SECONDS, Clip, UnreadableError

SUFFIXES = (
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64",
)  # fmt: skip
SHARES = {"tr": 3406 / 4866, "cv": 487 / 4866, "tt": 973 / 4866}  # of the published set
SPLIT_NAMES = {
    "tr": "tr", "train": "tr", "training": "tr", "cv": "cv", "val": "cv", "valid": "cv", "validation": "cv",
    "dev": "cv", "tt": "tt", "test": "tt", "eval": "tt", "evaluation": "tt",
}  # fmt: skip
LONGEST_UTTERANCE = 30.0  # seconds; of a longer recording one utterance between pauses is taken
TRIM_FRAME, TRIM_HOP, TRIM_SHARE = 0.04, 0.01, 0.01  # seconds, seconds, of the loudest frame's RMS
ATTEMPTS = 50  # draws until one can be used


@dataclass(frozen=True)
class Entry:
    """A sound file, or a part of one: seconds from `begin` to `end`. `name` is what annots.csv calls it; `trim` means
    that silence at both ends is no part of it."""

    path: Path
    name: str
    annotation: str = ""
    begin: float = 0.0
    end: float = math.inf
    trim: bool = False


class FileLibrary:
    """Sound files of each class; a class without files of its own ("background") takes long ones of "sfx".

    `broken` collects files that could not be read; others are drawn in their place.
    """

    def __init__(self, entries: Mapping[str, Iterable[Entry]]) -> None:
        self.entries = {kind: tuple(entries.get(kind, ())) for kind in EVENTS}
        self.broken: set[Path] = set()
        self._last: tuple[Entry, np.ndarray] | None = None  # what had to be read to be drawn is read again at once

    def fingerprint(self) -> str:
        """Changes when a file is added, removed, renamed or resized."""
        digest = hashlib.sha256()
        for kind, entries in self.entries.items():
            for entry in entries:
                digest.update(f"{kind}\0{entry.name}\0{entry.begin}\0{_size(entry.path)}\n".encode())
        return digest.hexdigest()[:16]

    def draw(self, kind: str, rng: np.random.Generator) -> Clip:
        """A file, each as likely as another; of long ones an excerpt.

        Raises:
            ValueError: none of the files can be used.
        """
        entries = self.entries[kind] or (self.entries["sfx"] if kind == "background" else ())
        least = BACKGROUND_SECONDS if kind == "background" and not self.entries[kind] else 0.0
        best: Clip | None = None
        for _ in range(ATTEMPTS if entries else 0):
            entry = entries[int(rng.integers(len(entries)))]
            if (clip := self._excerpt(kind, entry, rng)) is None:
                continue
            if clip.samples >= least * SAMPLE_RATE:
                return clip
            best = clip if best is None or clip.samples > best.samples else best
        if best is None:
            raise ValueError(f"none of {ATTEMPTS} files of the class '{kind}' can be used: are they sound files?")
        return best

    def read(self, clip: Clip) -> np.ndarray:
        """Its sound, mono [samples] at 44.1 kHz.

        Raises:
            UnreadableError: the file is damaged, or gone.
        """
        entry: Entry = clip.key
        try:
            if entry.trim:
                sound = self._trimmed(entry)[clip.offset : clip.offset + clip.samples]
            else:
                begin = entry.begin + clip.offset / SAMPLE_RATE
                sound = read_mono(entry.path, begin, clip.samples / SAMPLE_RATE)[0][: clip.samples]
        except (sf.SoundFileError, DecodeError, OSError) as error:
            self.broken.add(entry.path)
            raise UnreadableError(f"'{entry.path}' cannot be read: {error}") from error
        if not np.isfinite(sound).all():
            self.broken.add(entry.path)
            raise UnreadableError(f"'{entry.path}' holds samples that are no numbers")
        return sound

    def find(self, kind: str, file: str) -> Clip:
        """The whole file that annots.csv names: by its path, by the end of its path, or by its name alone.

        Raises:
            FileNotFoundError: there is none, or several could be meant.
        """
        parts = PurePosixPath(file.replace("\\", "/")).with_suffix("").parts
        for start in range(len(parts)):
            if found := self._by_name[kind].get("/".join(parts[start:])):
                if len(found) > 1:
                    raise FileNotFoundError(f"'{file}' could be '{found[0].path}' or '{found[1].path}'")
                samples = self._samples(found[0])
                return Clip(file, samples, 0, found[0], found[0].annotation)
        raise FileNotFoundError(f"'{file}' ({kind}) is not among the source files")

    @cached_property
    def _by_name(self) -> dict[str, dict[str, list[Entry]]]:
        """Class -> every end of a path without its suffix -> the files it may be."""
        table: dict[str, dict[str, list[Entry]]] = {}
        for kind in self.entries:
            names = table.setdefault(kind, {})
            for entry in self.entries[kind] or (self.entries["sfx"] if kind == "background" else ()):
                parts = PurePosixPath(entry.name).with_suffix("").parts
                for start in range(len(parts)):
                    names.setdefault("/".join(parts[start:]), []).append(entry)
        return table

    def _samples(self, entry: Entry) -> int:
        """Length at 44.1 kHz.

        Raises:
            sf.SoundFileError, DecodeError, OSError: it cannot be read.
        """
        if entry.trim:
            return len(self._trimmed(entry))
        seconds = min(float(sf.info(entry.path).duration), entry.end) - entry.begin
        return max(math.floor(seconds * SAMPLE_RATE), 0)

    def _trimmed(self, entry: Entry) -> np.ndarray:
        if self._last is None or self._last[0] != entry:
            self._last = entry, trim(read_mono(entry.path, entry.begin, entry.end - entry.begin)[0])
        return self._last[1]

    def _excerpt(self, kind: str, entry: Entry, rng: np.random.Generator) -> Clip | None:
        """Return the part of a file that may be taken; None if nothing may."""
        try:
            samples = self._samples(entry)
            if kind == "speech" and samples > LONGEST_UTTERANCE * SAMPLE_RATE and not math.isfinite(entry.end):
                return self._utterance(entry, samples, rng)
        except (sf.SoundFileError, DecodeError, OSError):
            self.broken.add(entry.path)
            return None
        if samples < 1:
            return None
        # the 30 % rule would drop whatever is longer than a few scenes
        most = round((MUSIC_FILE_SECONDS if kind == "music" else SECONDS) * SAMPLE_RATE)
        offset = int(rng.integers(samples - most)) if samples > most else 0
        return Clip(entry.name, min(samples, most), offset, entry, entry.annotation)

    def _utterance(self, entry: Entry, samples: int, rng: np.random.Generator) -> Clip | None:
        """One utterance of a long recording: between two pauses if there are any."""
        window = round(LONGEST_UTTERANCE * SAMPLE_RATE)
        begin = int(rng.integers(samples - window + 1))
        heard, _ = read_mono(entry.path, begin / SAMPLE_RATE, LONGEST_UTTERANCE)
        if not (spans := active_spans(heard)):
            return None
        first, last = spans[int(rng.integers(1, len(spans) - 1))] if len(spans) > 2 else spans[0]
        return Clip(entry.name, last - first, begin + first, entry, entry.annotation)


def trim(audio: np.ndarray) -> np.ndarray:
    """Without the ends that are more than 40 dB below the loudest 40 ms.

    >>> sound = np.concatenate([np.zeros(44100), np.ones(44100), np.zeros(44100)])
    >>> 1.0 <= len(trim(sound)) / 44100 < 1.08
    True
    """
    frame, hop = round(TRIM_FRAME * SAMPLE_RATE), round(TRIM_HOP * SAMPLE_RATE)
    if len(audio) <= frame:
        return audio
    power = np.convolve(np.square(audio, dtype=np.float64), np.ones(frame), "same")[::hop]
    active = np.flatnonzero(power >= TRIM_SHARE**2 * power.max())
    return audio[max(int(active[0]) - 1, 0) * hop : (int(active[-1]) + 2) * hop] if power.max() > 0 else audio


def sound_files(folder: Path) -> list[Path]:
    """Files below a folder that look like sound, in order; hidden ones are none.

    Raises:
        FileNotFoundError: it is no folder, or holds none.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"'{folder}' is not a folder")
    found = sorted(
        path for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )  # fmt: skip
    if not found:
        raise FileNotFoundError(f"'{folder}' holds no sound files ({', '.join(sorted(SUFFIXES))})")
    return found


GROUP_BY: dict[str, Callable[[PurePosixPath], str]] = {
    "folder": lambda name: name.parts[0] if len(name.parts) > 1 else name.name,
    "prefix": lambda name: re.split(r"[-_. ]", name.name)[0],
    "file": str,
    "none": lambda name: "",
}
"""Ways to group files: those of a group are in one split. "folder" is directly below the class' folder."""


def open_folders(folders: Mapping[str, Path], splits: Iterable[str], *, by: str, seed: int) -> dict[str, FileLibrary]:
    """Libraries of some splits (train, validation, test) by the names of their folders (tr, cv, tt).

    Where a class' folder has folders named for the splits (train, test, ...), they are taken; else whole groups are
    dealt out, about as many files to each split as the published set has scenes; the seed decides between equals.

    Args:
        folders: class (music, speech, sfx, and perhaps background) -> folder.
        by: a key of GROUP_BY. With "none", every split has all files.

    Raises:
        FileNotFoundError: a folder is none, or holds no sound. ValueError: too few groups for the splits.
    """
    wanted = [FOLDERS[split] for split in splits]
    entries: dict[str, dict[str, list[Entry]]] = {split: {} for split in wanted}
    for kind, folder in folders.items():
        files = [Entry(path, path.relative_to(folder).as_posix()) for path in sound_files(folder)]
        for split, found in deal(files, wanted, by, seed).items():
            if not found:
                raise ValueError(
                    f"'{folder}' has too few {'files' if by == 'file' else 'groups of files'} to fill "
                    f"{' and '.join(wanted)}: divide otherwise (--split-by file, prefix or none)"
                )
            entries[split][kind] = found
    return {split: FileLibrary(found) for split, found in entries.items()}


def deal(files: list[Entry], splits: list[str], by: str, seed: int) -> dict[str, list[Entry]]:
    """The files of each split."""
    names = {entry.name: PurePosixPath(entry.name) for entry in files}
    if by == "none":
        return dict.fromkeys(splits, files)
    told = {name: SPLIT_NAMES.get(path.parts[0].lower()) for name, path in names.items() if len(path.parts) > 1}
    if any(told.values()):
        return {split: [entry for entry in files if told.get(entry.name) == split] for split in splits}
    groups: dict[str, list[Entry]] = {}
    for entry in files:
        groups.setdefault(GROUP_BY[by](names[entry.name]), []).append(entry)
    order = sorted(groups, key=lambda name: (-len(groups[name]), hashlib.sha256(f"{seed}/{name}".encode()).digest()))
    dealt: dict[str, list[Entry]] = {split: [] for split in SHARES}
    for number, name in enumerate(order):  # the largest first, to the split that lacks most; but none stays empty
        empty = [split for split in SHARES if not dealt[split]]
        lacks = {split: share * len(files) - len(dealt[split]) for split, share in SHARES.items()}
        split = empty[0] if len(order) - number <= len(empty) else max(lacks, key=lambda one: lacks[one])
        dealt[split] += groups[name]
    return {split: sorted(dealt[split], key=lambda entry: entry.name) for split in splits}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
