"""Divide and Remaster's own sources in their own folders: LibriSpeech with the LibriVox originals, FMA-medium, FSD50K.

The folders are those that darius522/dnr-utils asks for: `librispeech`, `librivox`, `fma-medium` and `fsd50k` below one
root. The published preparation is done while reading: utterances are cut out of the LibriVox MP3s by LibriSpeech's
tables, FSD50K is trimmed and divided into foreground, background and what has no place in a scene. Its splits are
theirs: train-clean-100 / dev-clean / test-clean, FMA's training / validation / test, FSD50K's train / val / eval.
"""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from .folders import Entry, FileLibrary
from .recipe import FOLDERS

LIBRISPEECH = {"tr": "train-clean-100", "cv": "dev-clean", "tt": "test-clean"}
FMA = {"training": "tr", "validation": "cv", "test": "tt"}
FSD50K = {"train": "tr", "val": "cv", "eval": "tt"}
NAMES = {
    "librispeech": ("librispeech", "LibriSpeech"),
    "librivox": ("librivox", "LibriVox", "original-mp3", "mp3"),
    "fma": ("fma-medium", "fma_medium", "FMA", "fma"),
    "fsd50k": ("fsd50k", "FSD50K"),
}

LABELS = Path(__file__).with_name("fsd50k.csv")  # label, class: files of all other labels are left out


def open_published(root: Path, splits: Iterable[str]) -> dict[str, FileLibrary]:
    """Libraries of some splits (train, validation, test) by the names of their folders (tr, cv, tt).

    Without `librivox`, speech comes from LibriSpeech's own files, which end at 8 kHz.

    Raises:
        FileNotFoundError: a folder or a table is missing. ValueError: a table is not what it should be.
    """
    wanted = [FOLDERS[split] for split in splits]
    speech = {split: list(utterances(root, split)) for split in wanted}
    music, sounds = list(tracks(_folder(root, "fma"))), list(sound_events(_folder(root, "fsd50k")))
    libraries = {}
    for split in wanted:
        entries = {"speech": speech[split], "music": [entry for where, entry in music if where == split]}
        for kind in ("sfx", "background"):
            entries[kind] = [entry for where, which, entry in sounds if (where, which) == (split, kind)]
        for kind, found in entries.items():
            if not found:
                raise FileNotFoundError(f"'{root}' has no files of the class '{kind}' for {split}")
        libraries[split] = FileLibrary(entries)
    return libraries


def utterances(root: Path, split: str) -> Iterator[Entry]:
    """LibriSpeech's utterances of one split with their words, as parts of the LibriVox files where those are there."""
    folder = _folder(root, "librispeech") / LIBRISPEECH[split]
    if not folder.is_dir():
        raise FileNotFoundError(f"'{folder}' is missing: unpack LibriSpeech's {folder.name} there")
    originals = next((root / name for name in NAMES["librivox"] if (root / name).is_dir()), None)
    for table in sorted(folder.glob("*/*/*.trans.txt")):
        speaker, chapter = table.parts[-3:-1]
        parts = _parts(originals, speaker, chapter) if originals else {}
        for line in table.read_text(encoding="utf-8").splitlines():
            name, _, words = line.partition(" ")
            file = f"librispeech/{speaker}/{chapter}/{name}.wav"
            if originals is None:
                yield Entry(table.parent / f"{name}.flac", file, words)
            elif name in parts:
                begin, end = parts[name]
                yield Entry(originals / speaker / chapter / f"{chapter}.mp3", file, words, begin, end)


def _parts(originals: Path, speaker: str, chapter: str) -> dict[str, tuple[float, float]]:
    """Utterance -> seconds within the chapter's MP3; empty where the chapter is not there."""
    table = originals / speaker / "utterance_map.txt"
    if not table.is_file() or not (originals / speaker / chapter / f"{chapter}.mp3").is_file():
        return {}
    head, _, *lines = table.read_text(encoding="utf-8").splitlines()
    kind = "seg" if "False" in head else "sents.seg"
    times = {}
    segments = originals / speaker / chapter / f"{speaker}-{chapter}.{kind}.txt"
    for line in segments.read_text(encoding="utf-8").splitlines() if segments.is_file() else ():
        name, begin, end = line.split()[:3]
        times[name] = float(begin), float(end)
    pairs = (line.split()[:2] for line in lines if len(line.split()) > 1)
    return {name: times[segment] for name, segment in pairs if segment in times}


def tracks(folder: Path) -> Iterator[tuple[str, Entry]]:
    """(split, track) of FMA's small and medium subsets, with the names of their genres."""
    genres = {row["genre_id"]: row["title"] for row in _rows(_table(folder, "genres.csv"))}
    with _table(folder, "tracks.csv").open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        first, second = next(lines), next(lines)
        names = list(zip(first, second, strict=True))
        try:
            split, subset, listed = (
                names.index(n) for n in (("set", "split"), ("set", "subset"), ("track", "genres_all"))
            )
        except ValueError as error:
            raise ValueError(f"'{folder}/fma_metadata/tracks.csv' is not FMA's table: {error}") from error
        for row in lines:
            if row[0].isdigit() and row[subset] in ("small", "medium") and row[split] in FMA:
                name = f"{int(row[0]):06}"
                path = folder / name[:3] / f"{name}.mp3"
                if path.is_file():
                    titles = ",".join(genres.get(str(one), "") for one in ast.literal_eval(row[listed] or "[]"))
                    yield FMA[row[split]], Entry(path, f"fma/{name[:3]}/{name}.wav", titles)


def sound_events(folder: Path) -> Iterator[tuple[str, str, Entry]]:
    """(split, "sfx" or "background", file) of FSD50K, with its labels."""
    for part in ("dev", "eval"):
        for row in _rows(_table(folder, f"{part}.csv", "FSD50K.ground_truth")):
            if (kind := ground(row["labels"].split(","))) is None:
                continue
            path = folder / f"FSD50K.{part}_audio" / f"{row['fname']}.wav"
            if path.is_file():
                split = FSD50K[row["split"]] if part == "dev" else "tt"
                yield split, kind, Entry(path, f"fsd50k/{row['fname']}.wav", row["labels"], trim=True)


def ground(labels: Iterable[str]) -> str | None:
    """Return the kind of most of a file's labels; of as many, "left out" comes first, then foreground.

    >>> ground(["Rain", "Water"]), ground(["Rain", "Raindrop", "Water"]), ground(["Music"]), ground(["Dog", "Speech"])
    ('sfx', 'background', None, None)
    """
    counts: dict[str | None, int] = {None: 0, "sfx": 0, "background": 0}
    for label in labels:
        counts[_uses().get(label.strip().lower())] += 1
    return max(counts, key=lambda kind: counts[kind])


@cache
def _uses() -> dict[str, str]:
    """Label, in small letters -> class."""
    return {row["label"]: row["class"] for row in _rows(LABELS)}


def _folder(root: Path, which: str) -> Path:
    for name in NAMES[which]:
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"'{root}' has no folder '{NAMES[which][0]}': it should hold {', '.join(NAMES)}")


def _table(folder: Path, name: str, inside: str = "fma_metadata") -> Path:
    for path in (folder / inside / name, folder / name, folder.parent / inside / name):
        if path.is_file():
            return path
    raise FileNotFoundError(f"'{folder / inside / name}' is missing: it comes with the dataset's metadata")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
