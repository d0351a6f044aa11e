"""Divide-and-Remaster trees as they are found on disk: where the scenes lie, and what is in one.

A scene is a folder with mix, music, speech and sfx, as WAV (float or integer) or FLAC. Scenes lie in one folder
(`tt/1000/mix.wav`), in the three folders of a whole set (`tr`, `cv`, `tt`), or in a folder for each special case
(`cases/telephone/00/mix.wav`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from ..stems import DNR_NAMES, STEMS

SPLITS = ("tr", "cv", "tt")
SUFFIXES = (".wav", ".flac")
CASES_FILE = "cases.json"
FACTS = "scene.json"  # of a film scene: what was drawn
MOST_FACTS = 1 << 20  # characters of it
NOTHING_DB = -60.0  # what the mix holds beyond the files that are there, when nothing is missing: rounding


@dataclass(frozen=True)
class Group:
    """Folders of scenes that are summarized together; `name` is that of a special case, or empty."""

    name: str
    folders: tuple[Path, ...]


@dataclass(frozen=True)
class Recording:
    """One scene: mixture [channels, T], stems [3, channels, T] in model.STEMS order, float32.

    `restored` names the stems that have no file: what the mix holds beyond the others, or silence.
    """

    sample_rate: int
    mixture: np.ndarray
    stems: np.ndarray
    restored: tuple[str, ...] = ()


def scenes_of(folder: Path) -> list[Path]:
    """Folders with a mix directly below, by number or name; none is no error here."""
    found = {path.parent for suffix in SUFFIXES for path in folder.glob(f"*/mix{suffix}")}
    return sorted(found, key=lambda path: (len(path.name), path.name) if path.name.isdigit() else (0, path.name))


def find_scenes(tree: Path, split: str | None = None) -> list[Group]:
    """The scenes of a tree: one group, or one of each special case. Of a whole set, `tt` if no split is named.

    Raises:
        FileNotFoundError: there are no scenes, or not in that split.
        ValueError: a whole set without `tt`, and no split is named.
    """
    if split is not None:
        if not (folders := scenes_of(tree / split)):
            raise FileNotFoundError(f"no scenes in {tree / split}: {tree} should be the folder of tr, cv and tt")
        return [Group("", tuple(folders))]
    if folders := scenes_of(tree):
        return [Group("", tuple(folders))]
    inside = {folder.name: scenes for folder in sorted(tree.glob("*")) if (scenes := scenes_of(folder))}
    if not inside:
        raise FileNotFoundError(f"no scenes in {tree}: it should hold folders with mix.wav, music.wav, ...")
    if splits := [name for name in SPLITS if name in inside]:
        if "tt" not in splits and len(splits) > 1:
            raise ValueError(f"{tree} holds {' and '.join(splits)}: name the split")
        return [Group("", tuple(inside[splits[-1]]))]
    order = _listed(tree / CASES_FILE)
    names = [name for name in order if name in inside] + [name for name in inside if name not in order]
    return [Group(name, tuple(inside[name])) for name in names]


def _listed(path: Path) -> list[str]:
    """Names of the cases in the order of the list beside them; none without a readable list."""
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["cases"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def read_scene(folder: Path) -> Recording:
    """Read one scene. A stem without a file is what the mix has beyond the others; nothing of it means silence.

    Raises:
        ValueError: a file cannot be read, they differ in rate, channels or length, hold NaN, or several are missing
            although the mix is more than what is there: the figures would be wrong.
    """
    mixture, rate = _read(folder, "mix")
    if mixture is None or not mixture.size:
        raise ValueError(f"{folder} has no mix, or an empty one")
    stems = np.zeros((len(STEMS), *mixture.shape), np.float32)
    missing = []
    for number, stem in enumerate(STEMS):
        audio, own_rate = _read(folder, DNR_NAMES[stem])
        if audio is None:
            missing.append(stem)
        elif audio.shape != mixture.shape or own_rate != rate:
            raise ValueError(f"{DNR_NAMES[stem]} of {folder} differs from the mix in rate, channels or length")
        else:
            stems[number] = audio
    if missing:
        rest = mixture - stems.sum(axis=0)
        if _power(rest) > 10 ** (NOTHING_DB / 10) * _power(mixture):
            if len(missing) > 1:
                names = " and ".join(DNR_NAMES[stem] for stem in missing)
                raise ValueError(f"{folder} has no {names}, and its mix is more than what is there")
            stems[STEMS.index(missing[0])] = rest
    return Recording(rate, mixture, stems, tuple(missing))


def hardship(folder: Path) -> str:
    """Return what is hard in a film scene, by its `scene.json`; empty if nothing is, or nothing is told.

    Of a file of somebody else no more than a short name is believed.
    """
    try:
        with (folder / FACTS).open(encoding="utf-8") as file:
            facts = json.loads(file.read(MOST_FACTS))
    except (OSError, ValueError, RecursionError):
        return ""
    kind = facts.get("hard") if isinstance(facts, dict) else None
    return kind if isinstance(kind, str) and re.fullmatch(r"[a-z-]{1,20}", kind) else ""


def _read(folder: Path, name: str) -> tuple[np.ndarray | None, int]:
    """Audio [channels, T] and its rate, or None if there is no such file."""
    path = next((p for suffix in SUFFIXES if (p := folder / f"{name}{suffix}").exists()), None)
    if path is None:
        return None, 0
    try:
        audio, rate = sf.read(path, dtype="float32", always_2d=True)
    except (sf.SoundFileError, OSError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not np.isfinite(audio).all():
        raise ValueError(f"{path} holds samples that are no numbers")
    return np.ascontiguousarray(audio.T), int(rate)


def _power(audio: np.ndarray) -> float:
    return float(np.square(audio, dtype=np.float64).sum())
