"""Left and right, or middle and side: how well stereo scenes are separated by a network that hears single channels.

    python benchmarks/stereo.py dnr/cv --packs packs --debs debs     # prints the table of model/README.md

Divide and Remaster is mono, so scenes are put together here: the voices of a scene at some place between left and
right, a stereo recording of music from the packages of the validation split (in `debs`, where `cfork dnr sources`
leaves them; unpacked by dpkg), as loud as the scene's own music, and the effects of two scenes at places of their own.
The first two ways are without the filter by place that pairs of channels go through. Gains of SNR in dB, both
channels together; remix: SNR of dialogue +6, music -6, effects -6, over the mixture's own.
In the middle: share of the power there, which decides what cfork does.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import soundfile as sf
import soxr

from model import SAMPLE_RATE, STEMS
from model.hub.weights import load
from model.inference.prepare import prepare
from model.metrics.evaluate import REMIX_DB, blocks_of, score
from model.streaming.separator import separate
from model.streaming.stereo import centered_share, to_left_and_right, to_middle_and_side

START, SECONDS = 8, 24
MUSIC_START, MUSIC_LEAST = 10, 40  # seconds into a piece, and how long it is at least
DEGREES = (0, 4, 8, 15, 45)  # of the voices, from the middle
WAYS = ("left and right", "middle and side", "as cfork does it")


def main() -> None:
    asked = options(__doc__, count=20).parse_args()
    network = prepare(load(asked.model))
    with tempfile.TemporaryDirectory() as folder:
        music = list(pieces(asked.packs, asked.debs, Path(folder), asked.count))
    print(f"{len(music)} scenes.\n")
    print(f"| voices | in the middle | heard as | {' | '.join(STEMS)} | remix |\n|---|---|---|---:|---:|---:|---:|")
    folders = sorted(path for path in asked.scenes.iterdir() if path.is_dir())
    for degrees in DEGREES:
        found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
        shares: list[float] = []
        for number in range(len(music)):
            stems = scene(folders, number, music[number], degrees)
            shares.append(centered_share(*stems.sum(0), SAMPLE_RATE))
            for way in WAYS:
                found[way].append(figures(estimate(network, stems.sum(0), way), stems))
        share = f"{min(shares):.2f} to {max(shares):.2f}"
        for way, rows in found.items():
            gains = " | ".join(f"{value:+.2f}" for value in np.mean(rows, 0))
            print(f"| {degrees} degrees | {share} | {way} | {gains} |", flush=True)


def options(text: str, *, count: int) -> argparse.ArgumentParser:
    """What scenes with real stereo music are made of; `text` is the script's own."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("scenes", type=Path, help="a split of a Divide-and-Remaster tree")
    parser.add_argument("--packs", type=Path, required=True)
    parser.add_argument("--debs", type=Path, required=True)
    parser.add_argument("--model", default="cfork")
    parser.add_argument("--count", type=int, default=count, help="scenes")
    return parser


def pieces(packs: Path, debs: Path, folder: Path, count: int) -> Iterator[np.ndarray]:
    """Stereo `[2, T]` at the network's rate, from one package after the other."""
    with (packs / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] == "music" and row["split"] == "validation"]
    packages = {row["package"]: [] for row in rows}
    for row in rows:
        if float(row["seconds"]) >= MUSIC_LEAST:
            packages[row["package"]].append(row)
    rng = np.random.default_rng(0)
    found = 0
    while found < count and any(packages.values()):
        for package, files in packages.items():
            if not files or found == count:
                continue
            unpacked = folder / package
            if not unpacked.exists():
                (archive,) = debs.glob(f"{package}_*.deb")
                subprocess.run(["dpkg", "-x", archive, unpacked], check=True)
            row = files.pop(int(rng.integers(len(files))))
            path = unpacked / row["file"]
            if path.exists() and sf.info(path).channels == 2:
                rate = sf.info(path).samplerate
                sound, _ = sf.read(path, start=MUSIC_START * rate, frames=(SECONDS + 1) * rate, dtype="float32")
                found += 1
                yield soxr.resample(sound, rate, SAMPLE_RATE).T[:, : SECONDS * SAMPLE_RATE]


def scene(folders: list[Path], number: int, music: np.ndarray, degrees: float) -> np.ndarray:
    """Stems `[3, 2, T]`, in STEMS order."""
    own, other = folders[number % len(folders)], folders[(number + 7) % len(folders)]
    rng = np.random.default_rng(number)

    def read(folder: Path, name: str) -> np.ndarray:
        begin = START * SAMPLE_RATE
        return sf.read(folder / f"{name}.wav", start=begin, frames=SECONDS * SAMPLE_RATE, dtype="float32")[0]

    level = np.sqrt(np.mean(read(own, "music") ** 2) / np.mean(music**2))
    speech = placed(read(own, "speech"), np.deg2rad(45 - degrees)) * np.sqrt(2)
    effects = sum(placed(read(one, "sfx"), rng.uniform(0.1, 1.4)) for one in (own, other))
    return np.stack([level * music, speech, effects]).astype(np.float32)


def placed(sound: np.ndarray, angle: float) -> np.ndarray:
    """Constant-power panning: `[T]` -> `[2, T]`; 0 is left."""
    return np.stack([np.cos(angle) * sound, np.sin(angle) * sound])


def estimate(network: object, mixture: np.ndarray, way: str) -> np.ndarray:
    """`[3, 2, T]`"""
    turned = way == "middle and side"
    sound = np.stack(to_middle_and_side(*mixture)) if turned else mixture
    pairs = [(0, 1)] if way == "as cfork does it" else []
    parts = separate(blocks_of(sound, SAMPLE_RATE), network, sample_rate=SAMPLE_RATE, channels=2, pairs=pairs)
    stems = np.concatenate([part for _, part in parts], axis=-1)
    return np.stack(to_left_and_right(stems[:, 0], stems[:, 1]), axis=1) if turned else stems


def figures(estimates: np.ndarray, stems: np.ndarray, gains_db: Mapping[str, float] = REMIX_DB) -> list[float]:
    """Gains of SNR of the stems, and of the remix."""
    found = score(estimates, stems, stems.sum(0), gains_db)
    return [*(found.stems[stem]["snri"] for stem in STEMS), found.remix_snr - found.mixture_remix_snr]


if __name__ == "__main__":
    main()
