"""Passages of voices, music and effects, drawn from a pack by the names of its groups."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import signal

from .. import SAMPLE_RATE
from .scenes import NARROW_HZ, RUMBLE_HZ, Pack, load_pack

# How the groups of `model.dnr.sources` name their language.
LANGUAGE_PATTERNS = (
    r"^gcompris_([a-z]{2})", r"/sounds/([a-z]{2})_[A-Z]{2}_", r"prompt-([a-z]{2})-", r"sound/.*/([a-z]{2})$",
    r"^kerstin_([a-z]{2})", r"^audio_cmn_([a-z]{2})", r"^picovoice_s2i_([a-z]{2})",
)  # fmt: skip
ENGLISH = re.compile(r"^(librispeech|nexuiz-data/)")


@dataclass(frozen=True)
class Sources:
    """One class of one split: its clips, and group name -> numbers of its clips; `wide` are not band-limited."""

    pack: Pack
    files: tuple[str, ...]
    groups: dict[str, np.ndarray]
    wide: frozenset[str]

    def seconds(self, group: str) -> float:
        """Return how much sound a group has."""
        return float(self.pack.lengths[self.groups[group]].sum()) / SAMPLE_RATE

    def choose(self, allowed: np.ndarray, rng: np.random.Generator) -> int:
        """A clip among the allowed ones (any, if none is): a group by the root of its duration, then one of its."""
        among = set(allowed.tolist()) or set(range(len(self.files)))
        found = [[int(number) for number in numbers if int(number) in among] for numbers in self.groups.values()]
        found = [numbers for numbers in found if numbers]
        weights = np.sqrt([self.pack.lengths[numbers].sum() for numbers in found])
        return int(rng.choice(found[int(rng.choice(len(found), p=weights / weights.sum()))]))

    def speech(self, group: str, length: int, rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
        """Successive clips of one group with short pauses [length], and their files."""
        numbers = self.groups[group]
        at, position, files = int(rng.integers(len(numbers))), 0, []
        out = np.zeros(length, np.float32)
        while position < length:
            number = int(numbers[at % len(numbers)])
            clip = self.pack.clip(number)[: length - position]
            out[position : position + len(clip)] = faded(clip, 0.005)
            files.append(self.files[number])
            position += len(clip) + round(rng.uniform(0.1, 0.4) * SAMPLE_RATE)
            at += 1
        return clean(out), files

    def wide_enough(self, groups: Sequence[str], seconds: float) -> list[str]:
        """Of some groups those that are not band-limited, if there are any, and of these those with enough sound."""
        wide = [group for group in groups if group in self.wide] or list(groups)
        return [group for group in wide if self.seconds(group) >= seconds] or wide


def load_sources(folder: Path, kind: str) -> Sources:
    """Open one pack with the names of its groups.

    Raises:
        FileNotFoundError: the pack is not there. ValueError: it is empty.
    """
    with (folder / f"{kind}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f"the pack {folder / kind} is empty")
    pack = load_pack(folder, kind)
    members: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        members.setdefault(row["group"], []).append(number)
    return Sources(
        pack, tuple(row["file"] for row in rows), {name: np.array(found) for name, found in members.items()},
        frozenset(row["group"] for row in rows if int(row["source_rate"]) >= NARROW_HZ),
    )  # fmt: skip


def language_of(group: str) -> str | None:
    """ISO 639-1 code of the language that a group of speech is in, if its name tells.

    >>> language_of("gcompris_zh_TW"), language_of("librispeech_librispeech_train-clean-100"), language_of("a")
    ('zh', 'en', None)
    """
    if ENGLISH.search(group):
        return "en"
    found = next((match for pattern in LANGUAGE_PATTERNS if (match := re.search(pattern, group))), None)
    return found[1] if found else None


def clean(audio: np.ndarray) -> np.ndarray:
    """The audio [T] without rumble, as training hears it; no phase shift."""
    sections = signal.butter(4, RUMBLE_HZ, "highpass", fs=SAMPLE_RATE, output="sos")
    clean: np.ndarray = signal.sosfiltfilt(sections, audio, padlen=min(len(audio) - 1, 4096))
    return clean


def faded(audio: np.ndarray, seconds: float) -> np.ndarray:
    """A copy with linear fades at both ends."""
    soft = audio.copy()
    ramp = np.linspace(0.0, 1.0, min(round(seconds * SAMPLE_RATE), len(audio) // 2))
    soft[: len(ramp)] *= ramp
    soft[len(soft) - len(ramp) :] *= ramp[::-1]
    return soft


def looped(audio: np.ndarray, length: int) -> np.ndarray:
    """The audio again and again, cross-faded over a quarter of a second, [length]."""
    if len(audio) >= length:
        return audio[:length]
    overlap = min(round(0.25 * SAMPLE_RATE), len(audio) // 2)
    piece = faded(audio, overlap / SAMPLE_RATE)
    out = np.zeros(length + len(audio))
    for first in range(0, length, len(audio) - overlap):
        out[first : first + len(piece)] += piece[: len(out) - first]
    return out[:length]
