"""Build Divide-and-Remaster scenes by the published recipe, as a tree of float WAV files.

    python -m model.dnr.build OUT --packs PACKS --split test --scenes 24 --seed 0

The recipe (arXiv 2110.09958, and the numbers of darius522/dnr-utils): 60 s mono scenes at 44.1 kHz; the number of
events of each class is zero-truncated Poisson; events of a class never overlap, each starts skew-normally after
the last; speech is used whole, other events last Normal(max / 2, max / 10); integrated loudness (ITU-R BS.1770,
measured by pyloudnorm) is drawn per class, scene and event. Background and effects make one stem, `sfx`.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy import signal, stats
from tqdm import tqdm

from .. import SAMPLE_RATE
from ..stems import DNR_NAMES
from .scenes import RUMBLE_HZ, Pack, load_pack

SECONDS = 60.0
EVENTS = {"music": 7.0, "speech": 8.0, "sfx": 12.0, "background": 6.0}  # Poisson means
LUFS = {"music": -24.0, "speech": -17.0, "sfx": -21.0, "background": -29.0}
MASTER_LUFS = -27.0
CLASS_SPREAD, EVENT_SPREAD, MASTER_SPREAD = 2.0, 1.0, 2.0  # uniform, +- LU
PEAK = 10 ** (-0.5 / 20)
LAST_START_SECONDS = 58.0
FOLDERS = {"train": "tr", "validation": "cv", "test": "tt"}
STEM_FILES = tuple(DNR_NAMES.values())  # the order of model.STEMS
MUSIC_FILE_SECONDS = 30.0  # FMA's excerpts, from which the recipe takes passages
BACKGROUND_SECONDS = 4.0  # shorter effects are events, not ambiences

Draw = Callable[[str, np.random.Generator], tuple[np.ndarray, str]]
"""(class, generator) -> (mono audio [T] at 44.1 kHz, name of its file)."""


@dataclass(frozen=True)
class Event:
    """One row of annots.csv; times in seconds, `clip_gain` linear and as it is in the final mix."""

    file: str
    kind: str
    mix_start_time: float
    mix_end_time: float
    clip_start_time: float
    clip_end_time: float
    clip_gain: float


@dataclass
class Scene:
    """Submixes [samples] by class name, and the events they are made of."""

    submixes: dict[str, np.ndarray]
    events: list[Event] = field(default_factory=list)

    def stems(self) -> np.ndarray:
        """Music, speech, effects: float32 [3, samples]."""
        effects = self.submixes["sfx"] + self.submixes["background"]
        return np.stack([self.submixes["music"], self.submixes["speech"], effects]).astype(np.float32)


def integrated_lufs(audio: np.ndarray) -> float:
    """Integrated loudness of mono audio [T]; what is shorter than one block of 400 ms is repeated."""
    import pyloudnorm

    least = math.ceil(0.4 * SAMPLE_RATE) + 1
    if len(audio) < least:
        audio = np.tile(audio, math.ceil(least / max(len(audio), 1)))
    return float(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(audio.astype(np.float64)))


def count_events(mean: float, rng: np.random.Generator) -> int:
    """A zero-truncated Poisson number: at least 1."""
    return int(stats.poisson.ppf(rng.uniform(stats.poisson.pmf(0, mean), 1.0), mean))


def place_event(kind: str, clip_seconds: float, after: float, rng: np.random.Generator) -> tuple[float, float] | None:
    """Start and length in seconds of an event whose class is free from `after` on; None if too little would fit."""
    left = SECONDS - after
    if left <= 0.3 * clip_seconds or (kind == "speech" and left <= clip_seconds):
        return None
    latest = SECONDS - clip_seconds if kind == "speech" else LAST_START_SECONDS
    start = min(float(stats.skewnorm.rvs(5, loc=int(after + 1), scale=2.0, random_state=rng)), latest)
    start = max(start, after)
    most = min(clip_seconds, SECONDS - start)
    if kind == "speech":
        return start, most
    return start, max(min(float(rng.normal(most / 2, most / 10)), most), 0.1)


def draw_scene(draw: Draw, rng: np.random.Generator) -> Scene:
    """One scene by the published recipe.

    Raises:
        ValueError: all that was drawn is silent.
    """
    size = round(SECONDS * SAMPLE_RATE)
    scene = Scene({kind: np.zeros(size) for kind in EVENTS})
    for kind, mean in EVENTS.items():
        class_lufs = LUFS[kind] + rng.uniform(-CLASS_SPREAD, CLASS_SPREAD)
        after = 0.0
        for _ in range(count_events(mean, rng)):
            clip, name = draw(kind, rng)
            wanted = class_lufs + rng.uniform(-EVENT_SPREAD, EVENT_SPREAD)
            if (placed := place_event(kind, len(clip) / SAMPLE_RATE, after, rng)) is None:
                continue
            start, length = placed
            samples = round(length * SAMPLE_RATE)  # rounded: speech must not lose its last sample
            begin = int(rng.integers(max(len(clip) - samples, 1))) if kind == "music" else 0
            part = clip[begin : begin + samples]
            loudness = integrated_lufs(part)
            if not math.isfinite(loudness):
                continue
            gain = 10 ** ((wanted - loudness) / 20)
            first = int(start * SAMPLE_RATE)
            part = part[: size - first]
            scene.submixes[kind][first : first + len(part)] = part * gain
            after = float(math.ceil(start + length))
            clip_start = begin / SAMPLE_RATE
            scene.events.append(Event(name, kind, start, start + length, clip_start, clip_start + length, gain))
    loudest = max(np.abs(submix).max() for submix in scene.submixes.values())
    if loudest == 0:
        raise ValueError("every event of the scene is silent: the sources hold no sound")
    gain = min(PEAK / loudest, 1.0)
    mix = sum(scene.submixes.values()) * gain
    master = MASTER_LUFS + rng.uniform(-MASTER_SPREAD, MASTER_SPREAD)
    gain *= 10 ** ((master - integrated_lufs(np.asarray(mix))) / 20)
    return Scene(
        {kind: submix * gain for kind, submix in scene.submixes.items()},
        [Event(e.file, e.kind, e.mix_start_time, e.mix_end_time, e.clip_start_time, e.clip_end_time, e.clip_gain * gain)
         for e in scene.events],
    )  # fmt: skip


def without_rumble(audio: np.ndarray) -> np.ndarray:
    """The audio [T] without what lies below RUMBLE_HZ, as training hears it; no phase shift."""
    sections = signal.butter(4, RUMBLE_HZ, "highpass", fs=SAMPLE_RATE, output="sos")
    clean: np.ndarray = signal.sosfiltfilt(sections, audio, padlen=min(len(audio) - 1, 4096))
    return clean.astype(np.float32)


def draw_from_packs(folder: Path, split: str) -> Draw:
    """Sources from the packs of `model.dnr.sources`. Words of one speaker are joined into utterances of 3 to 12 s."""
    packs = {name: load_pack(folder / split, name) for name in ("music", "speech", "effects")}
    long = packs["effects"].lengths >= BACKGROUND_SECONDS * SAMPLE_RATE

    def utterance(pack: Pack, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        number = int(rng.choice(len(pack.groups), p=pack.weights))
        found = pack.groups[number]
        at, wanted = int(rng.integers(len(found))), rng.uniform(3.0, 12.0) * SAMPLE_RATE
        parts: list[np.ndarray] = []
        while sum(map(len, parts)) < wanted:
            parts += [pack.clip(int(found[at % len(found)])), np.zeros(int(rng.uniform(0.1, 0.4) * SAMPLE_RATE))]
            at += 1
        return np.concatenate(parts[:-1]), f"speech/{number}/{at}"

    def draw(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        pack = packs[{"sfx": "effects", "background": "effects"}.get(kind, kind)]
        if kind == "speech":
            clip, name = utterance(pack, rng)
            return without_rumble(clip), name
        numbers = pack.groups[rng.choice(len(pack.groups), p=pack.weights)]
        if kind == "background":
            numbers = numbers[long[numbers]] if long[numbers].any() else np.flatnonzero(long)
        number = int(rng.choice(numbers))
        clip = pack.clip(number)
        if kind == "music":
            most = round(MUSIC_FILE_SECONDS * SAMPLE_RATE)
            begin = int(rng.integers(max(len(clip) - most, 1)))
            clip = clip[begin : begin + most]
        return without_rumble(clip), f"{kind}/{number}"

    return draw


def write_scene(scene: Scene, folder: Path) -> None:
    """Write mix.wav, music.wav, speech.wav, sfx.wav (float WAV) and annots.csv. The mix is the stems' exact sum."""
    folder.mkdir(parents=True, exist_ok=True)
    stems = scene.stems()
    for name, audio in zip((*STEM_FILES, "mix"), (*stems, stems.sum(axis=0)), strict=True):
        sf.write(folder / f"{name}.wav", audio, SAMPLE_RATE, subtype="FLOAT")
    with (folder / "annots.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([
            "file", "class", "mix start time", "mix end time", "clip start time", "clip end time", "clip gain",
            "annotation",
        ])  # fmt: skip
        for e in scene.events:
            table.writerow([e.file, e.kind, e.mix_start_time, e.mix_end_time, e.clip_start_time, e.clip_end_time,
                            e.clip_gain, ""])  # fmt: skip


def main() -> None:
    """Command line: python -m model.dnr.build OUT --packs PACKS."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--packs", type=Path, required=True)
    parser.add_argument("--split", choices=list(FOLDERS), default="test")
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = draw_from_packs(args.packs, args.split)
    for number in tqdm(range(args.scenes), desc="scenes", unit="scene"):
        scene = draw_scene(draw, np.random.default_rng((args.seed, number)))
        write_scene(scene, args.out / FOLDERS[args.split] / str(1000 + number))


if __name__ == "__main__":
    main()
