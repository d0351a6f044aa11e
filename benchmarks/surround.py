"""5.1: how well scenes with a center channel are separated, and what a filter by place would add.

    python benchmarks/surround.py dnr/cv film/cv --packs packs --debs debs      # prints the table of model/README.md

No set of scenes here has five channels, so they are put together as such films are mixed: a voice in the center, its
room in the others, and in every third scene some of it in left and right; a stereo recording of music in left and
right, its room behind, in every second scene some of it in the center; ambiences in front and behind, and two tracks of
events at places of their own, every second in the center. The voice lies 12 to 6 dB, 6 to 0 dB under the rest, or up to
6 dB over it, by turns. Gains of SNR in dB, all channels together; promise: SNR of dialogue +6, music -10, over the
mixture's own.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import soundfile as sf
from scipy import signal
from stereo import SECONDS, figures, options, pieces

from model import SAMPLE_RATE, STEMS
from model.hub.weights import load
from model.inference.prepare import prepare
from model.metrics.evaluate import PROMISE_DB, blocks_of
from model.streaming.separator import separate
from model.streaming.wiener import refined

LEFT, RIGHT, CENTER, REAR_LEFT, REAR_RIGHT = range(5)
RING = (-110, REAR_LEFT), (-30, LEFT), (0, CENTER), (30, RIGHT), (110, REAR_RIGHT), (250, REAR_LEFT)  # degrees
VOICE_DB = ((-12.0, -6.0), (-6.0, 0.0), (0.0, 6.0))
WAYS = ("as cfork does it", "left and right, and those behind, filtered by place")
SAMPLES = SECONDS * SAMPLE_RATE


def main() -> None:
    parser = options(__doc__, count=12)
    parser.add_argument("films", type=Path, help="a split of film scenes: their voices and ambiences")
    asked = parser.parse_args()
    network = prepare(load(asked.model))
    events, films = (sorted(path for path in tree.iterdir() if path.is_dir()) for tree in (asked.scenes, asked.films))
    found: dict[tuple[str, int], list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, music in enumerate(pieces(asked.packs, asked.debs, Path(folder), asked.count)):
            stems = scene(events, films, number, music)
            plain = estimate(network, stems.sum(0))
            for way, estimates in zip(WAYS, (plain, filtered(plain)), strict=True):
                found.setdefault((way, number % len(VOICE_DB)), []).append(figures(estimates, stems, PROMISE_DB))
    print(f"| voice over the rest | stems | {' | '.join(STEMS)} | promise |\n|---|---|---:|---:|---:|---:|")
    for kind, (low, high) in enumerate(VOICE_DB):
        for way in WAYS:
            row(f"{low:+.0f} to {high:+.0f} dB", way, found[way, kind])
    for way in WAYS:
        row("all", way, [one for kind in range(len(VOICE_DB)) for one in found[way, kind]])


def row(name: str, way: str, gains: list[list[float]]) -> None:
    print(f"| {name} | {way} | {' | '.join(f'{value:+.2f}' for value in np.mean(gains, 0))} |", flush=True)


def scene(events: list[Path], films: list[Path], number: int, music: np.ndarray) -> np.ndarray:
    """Stems `[3, 5, T]`, in STEMS order."""
    rng = np.random.default_rng(number)
    played = np.zeros((5, SAMPLES))
    played[[LEFT, RIGHT], : music.shape[1]] = music
    for front, rear in ((LEFT, REAR_LEFT), (RIGHT, REAR_RIGHT)):
        played[rear] = amplitude(-7) * room(played[front], rng, 0.8) + amplitude(-12) * np.roll(played[front], 882)
    if number % 2:
        played[CENTER] = amplitude(-9) * (played[LEFT] + played[RIGHT]) / np.sqrt(2)

    said = read(films[number % len(films)], "speech").mean(0)
    voice = np.stack([amplitude(gain) * room(said, rng, 0.6) for gain in (-18, -18, -60, -20, -20)])
    voice[CENTER] = said
    if number % 3 == 2:
        voice[[LEFT, RIGHT]] += amplitude(rng.uniform(-12, -6)) * said

    front, rear = (read(films[(number + more) % len(films)], "sfx") for more in (3, 8))
    heard = np.stack([*front, amplitude(-8) * room(front.mean(0), rng, 0.3), *(amplitude(-4) * rear)])
    for more in range(2):
        event = read(events[(2 * number + more + 5) % len(events)], "sfx")[0]
        event *= level(front) / level(event) * amplitude(rng.uniform(-3, 4))
        heard += panned(0.0 if rng.random() < 0.5 else rng.uniform(-110, 250))[:, None] * event

    played *= level(said) / level(played[[LEFT, RIGHT]]) * amplitude(rng.normal(0, 2))
    heard *= level(said) / level(front) * amplitude(rng.normal(-1, 2))
    wanted = rng.uniform(*VOICE_DB[number % len(VOICE_DB)])
    voice *= amplitude(wanted) * level(played + heard) / level(voice)
    return np.stack([played, voice, heard]).astype(np.float32)


def read(folder: Path, name: str) -> np.ndarray:
    """`[channels, T]`"""
    return sf.read(folder / f"{name}.wav", start=2 * SAMPLE_RATE, frames=SAMPLES, always_2d=True)[0].T


def room(sound: np.ndarray, rng: np.random.Generator, seconds: float) -> np.ndarray:
    """What comes back of a sound after 10 ms and more, falling by 60 dB; as loud as the sound."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * np.exp(-6.9 * time / seconds) * (time > 0.01)
    return signal.fftconvolve(sound, tail / np.linalg.norm(tail))[: len(sound)]


def panned(degrees: float) -> np.ndarray:
    """Gains of the five loudspeakers for a direction: constant power between two neighbors."""
    gains = np.zeros(5)
    for (begin, one), (end, other) in pairwise(RING):
        if begin <= degrees <= end:
            share = (degrees - begin) / (end - begin) * np.pi / 2
            gains[one], gains[other] = np.cos(share), np.sin(share)
    return gains


def amplitude(decibels: float) -> float:
    return float(10 ** (decibels / 20))


def level(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(sound)) + 1e-12))


def estimate(network: object, mixture: np.ndarray) -> np.ndarray:
    """`[3, 5, T]`"""
    gain = 0.1 / level(mixture[:3])
    blocks = blocks_of(mixture, SAMPLE_RATE)
    parts = separate(blocks, network, sample_rate=SAMPLE_RATE, channels=5, input_gain=gain)
    return np.concatenate([part for _, part in parts], axis=-1)


def filtered(stems: np.ndarray) -> np.ndarray:
    """The stems after a filter by place for those in front, and one for those behind."""
    found = stems.copy()
    for pair in ([LEFT, RIGHT], [REAR_LEFT, REAR_RIGHT]):
        found[:, pair] = refined(stems[:, pair])
    return found


if __name__ == "__main__":
    main()
