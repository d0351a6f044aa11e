"""Packs of synthetic sounds, small and quick to draw from: bursts of a voice, chords, and noises."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

from model import SAMPLE_RATE

TINY = {"width": 8, "hidden": 8, "layers": 1, "overview": 8, "mask_hidden": 8}  # a BandSplit that takes no time
TINY_RUN = (
    "--network", json.dumps(TINY), "--batch", "1", "--crop-seconds", "0.2", "--workers", "0",
    "--validation-scenes", "1", "--validation-seconds", "0.2",
)  # fmt: skip
"""Options of a training that takes no time."""


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Threads that share networks as tiny as these only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def tone(hz: float, seconds: float, partials: int = 5) -> np.ndarray:
    """A harmonic tone, float32 [T], peak below 0.5."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = sum(np.sin(2 * np.pi * hz * n * t + n) / n for n in range(1, partials + 1))
    return (0.2 * sound).astype(np.float32)


def voice(seed: int, seconds: float) -> np.ndarray:
    """Syllables: a harmonic tone that swells four times a second."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    swell = np.abs(np.sin(4 * np.pi * t)).astype(np.float32)
    return tone(110.0 + 20 * seed, seconds, partials=12) * swell


def chord(seed: int, seconds: float) -> np.ndarray:
    """Three steady tones."""
    return sum((tone(hz * 2 ** (seed / 12), seconds, 3) for hz in (440, 554, 660)), start=np.float32(0)) / 2


def hiss(seed: int, seconds: float) -> np.ndarray:
    """Noise that decays."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))
    return (0.15 * noise * np.exp(-np.arange(len(noise)) / len(noise) * 3)).astype(np.float32)


SOUNDS = {"speech": voice, "music": chord, "effects": hiss}
SECONDS = {"speech": (0.8, 1.6), "music": (4.0, 9.0), "effects": (0.3, 5.0)}


def write_pack(folder: Path, kind: str, clips: Sequence[np.ndarray], groups: Sequence[str], rate: int = 44_100) -> None:
    """One class of one split, in the layout of `model.dnr.sources`; `groups` has the group of each clip."""
    folder.mkdir(parents=True, exist_ok=True)
    np.concatenate([np.round(clip * 32767).astype("<i2") for clip in clips]).tofile(folder / f"{kind}.i16")
    start = 0
    with (folder / f"{kind}.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["group", "file", "start", "length", "source_rate"])
        for number, (clip, group) in enumerate(zip(clips, groups, strict=True)):
            table.writerow([group, f"{number}.wav", start, len(clip), rate])
            start += len(clip)


def write_packs(root: Path, splits: Sequence[str] = ("train", "validation")) -> Path:
    """All classes of some splits: four clips each, in two groups."""
    for split in splits:
        for kind, sound in SOUNDS.items():
            lengths = np.linspace(*SECONDS[kind], 4)
            clips = [sound(number, seconds) for number, seconds in enumerate(lengths)]
            write_pack(root / split, kind, clips, ["a", "b", "a", "b"])
    return root


def write_scene(folder: Path, samples: int, rate: int = SAMPLE_RATE, suffix: str = "wav") -> None:
    """A scene of a DnR tree, whose samples tell their position: stems and mix are ramps."""
    folder.mkdir(parents=True)
    ramp = np.arange(samples, dtype=np.float32) / 65_536
    stems = {"music": 0.1 * ramp, "speech": 0.2 * ramp, "sfx": 0.3 * ramp}
    for name, audio in {**stems, "mix": ramp}.items():
        sf.write(folder / f"{name}.{suffix}", audio, rate, subtype="FLOAT" if suffix == "wav" else "PCM_24")
