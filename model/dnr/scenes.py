"""Short scenes mixed on the fly for training, with augmentation.

The levels are DnR's (integrated LUFS per class, its spread widened), the events denser than in DnR's 60 s scenes,
so that a crop of a few seconds teaches all three stems. Filters work in the frequency domain on the whole crop.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from scipy import signal
from torch.utils.data import IterableDataset, get_worker_info

from .. import SAMPLE_RATE

CLASS_LUFS = {"music": -24.0, "speech": -17.0, "effects": -21.0, "background": -29.0}
PRESENCE = {"music": 0.66, "speech": 0.7, "effects": 0.62, "background": 0.45}
STEM_CLASSES = (("music",), ("speech",), ("effects", "background"))  # the order of model.STEMS
RUMBLE_HZ = 30.0  # below, recordings hold DC and handling noise: inaudible, yet it would rule the loss
NARROW_HZ = 30_000  # sources below this rate carry no treble


@dataclass(frozen=True)
class Pack:
    """All clips of one class and split: int16 samples end to end, and where each clip and each group lies."""

    samples: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    groups: tuple[np.ndarray, ...]  # clip numbers of each group, in order
    weights: np.ndarray  # probability of each group

    def clip(self, number: int, start: int = 0, length: int | None = None) -> np.ndarray:
        """float32 [T] of one clip, from `start` within it."""
        first, whole = int(self.starts[number]), int(self.lengths[number])
        end = whole if length is None else min(start + length, whole)
        return self.samples[first + start : first + end].astype(np.float32) / 32768.0


def load_pack(folder: Path, name: str) -> Pack:
    """Open `folder/<name>.i16` and its index. Groups are drawn by the square root of their duration, narrow-band
    groups half as often: a speaker with two hours must not drown one with two minutes.

    Raises:
        FileNotFoundError: the pack is not there.
    """
    with (folder / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    starts = np.array([int(row["start"]) for row in rows], dtype=np.int64)
    lengths = np.array([int(row["length"]) for row in rows], dtype=np.int64)
    members: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        members.setdefault(row["group"], []).append(number)
    groups = tuple(np.array(found) for found in members.values())
    weights = np.array([
        np.sqrt(lengths[found].sum()) * (0.5 if int(rows[found[0]]["source_rate"]) < NARROW_HZ else 1.0)
        for found in groups
    ])  # fmt: skip
    samples = np.memmap(folder / f"{name}.i16", dtype="<i2", mode="r")
    return Pack(samples, starts, lengths, groups, weights / weights.sum())


def _k_weighting(bins: np.ndarray) -> np.ndarray:
    """Magnitude of the K-weighting filters of ITU-R BS.1770-4 at `bins` Hz (48 kHz coefficients)."""
    shelf = ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585])
    highpass = ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])
    _, first = signal.freqz(*shelf, worN=bins, fs=48_000)
    _, second = signal.freqz(*highpass, worN=bins, fs=48_000)
    magnitude: np.ndarray = np.abs(first * second).astype(np.float32)
    return magnitude


class SceneMixer:
    """Draws random scenes from one split's packs: `draw(rng)` gives stems [3, samples] in model.STEMS order."""

    def __init__(self, packs: Path, split: str, seconds: float) -> None:
        self.packs = {name: load_pack(packs / split, name) for name in ("music", "speech", "effects")}
        self.length = round(seconds * SAMPLE_RATE)
        self.fft = 1 << int(np.ceil(np.log2(self.length + SAMPLE_RATE // 2)))
        self.hz = np.fft.rfftfreq(self.fft, 1 / SAMPLE_RATE)
        self.no_rumble = 1 / np.sqrt(1 + (RUMBLE_HZ / np.maximum(self.hz, 1e-3)) ** 8)
        self.k_weights = _k_weighting(np.minimum(self.hz, 23_999.0))

    def loudness(self, audio: np.ndarray) -> float:
        """LUFS of a crop: K-weighted, blocks of 400 ms, the relative gate of BS.1770 at -10 LU; -inf for silence."""
        weighted = np.fft.irfft(np.fft.rfft(audio, self.fft) * self.k_weights)[: len(audio)]
        block = int(0.4 * SAMPLE_RATE)
        blocks = max(len(weighted) // block, 1)
        power = np.mean(weighted[: blocks * block].reshape(blocks, -1) ** 2, axis=1)
        power = power[power > 10 ** ((-70 + 0.691) / 10)]
        if not len(power):
            return -np.inf
        power = power[power > power.mean() * 0.1]
        return float(-0.691 + 10 * np.log10(power.mean()))

    def _group(self, pack: Pack, rng: np.random.Generator) -> np.ndarray:
        return pack.groups[rng.choice(len(pack.groups), p=pack.weights)]

    def _warped(self, audio: np.ndarray, rng: np.random.Generator, spread: float) -> np.ndarray:
        """Change pitch and speed together by up to `spread` octaves."""
        ratio = 2 ** rng.uniform(-spread, spread)
        warped: np.ndarray = soxr.resample(audio, SAMPLE_RATE * ratio, SAMPLE_RATE, quality="LQ")
        return warped

    def speech(self, rng: np.random.Generator) -> np.ndarray:
        """One speaker's successive clips with short pauses, from a random moment on."""
        pack = self.packs["speech"]
        found = self._group(pack, rng)
        at = int(rng.integers(len(found)))
        out = np.zeros(self.length, np.float32)
        rate = SAMPLE_RATE * 2 ** rng.uniform(-0.12, 0.12) if rng.random() < 0.4 else None
        position = -int(rng.integers(self.length // 2)) if rng.random() < 0.6 else int(rng.integers(self.length // 2))
        while position < self.length:
            clip = pack.clip(int(found[at % len(found)]))
            if rate is not None:  # the same voice throughout
                clip = soxr.resample(clip, rate, SAMPLE_RATE, quality="LQ")
            place(out, clip, position)
            position += len(clip) + int(rng.exponential(0.25) * SAMPLE_RATE)
            at += 1
        return out

    def music(self, rng: np.random.Generator) -> np.ndarray:
        """A passage of one piece, sometimes with a beginning or an end within the crop."""
        pack = self.packs["music"]
        number = int(rng.choice(self._group(pack, rng)))
        need = int(self.length * 1.3)
        clip = pack.clip(number, int(rng.integers(max(int(pack.lengths[number]) - need, 1))), need)
        if rng.random() < 0.4:
            clip = self._warped(clip, rng, 0.25)
        out = np.zeros(self.length, np.float32)
        shift = 0 if rng.random() < 0.75 else int(rng.uniform(-0.7, 0.7) * self.length)
        place(out, fade(clip[: self.length], 0.02 if shift == 0 else 0.2), shift)
        return out

    def effects(self, rng: np.random.Generator) -> np.ndarray:
        """One to five events of any packages, each at its own moment and level, sometimes repeated."""
        pack = self.packs["effects"]
        out = np.zeros(self.length, np.float32)
        for _ in range(int(rng.integers(1, 6))):
            clip = pack.clip(int(rng.choice(self._group(pack, rng))), 0, self.length)
            if rng.random() < 0.5:
                clip = self._warped(clip, rng, 0.5)
            level = np.sqrt(np.mean(clip**2) + 1e-9)
            clip = fade(clip, 0.005) * np.float32(0.05 / level * 10 ** (rng.uniform(-8, 4) / 20))
            position = int(rng.uniform(-0.3, 1.0) * self.length)
            for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
                place(out, clip, position)
                position += int(len(clip) * rng.uniform(1.0, 1.6)) + 1
        return out

    def background(self, rng: np.random.Generator) -> np.ndarray:
        """An ambience: effects looped with cross-fades and layered, or shaped noise (wind, rain, hum of a room)."""
        out = np.zeros(self.length, np.float32)
        if rng.random() < 0.25:
            spectrum = np.fft.rfft(rng.standard_normal(self.fft).astype(np.float32))
            shape = (np.maximum(self.hz, 20.0) / 1000) ** rng.uniform(-1.2, 0.3)
            noise = np.fft.irfft(spectrum * shape)[: self.length].astype(np.float32)
            swell = np.interp(np.arange(self.length), np.linspace(0, self.length, 9), rng.uniform(0.4, 1.0, 9))
            return noise * swell.astype(np.float32)
        pack = self.packs["effects"]
        for _ in range(int(rng.integers(1, 4))):
            some = rng.choice(self._group(pack, rng), 3)
            number = int(some[np.argmax(pack.lengths[some])])  # ambiences are long
            clip = self._warped(pack.clip(number, 0, 2 * self.length), rng, 0.7)
            clip = fade(clip, min(0.3, len(clip) / SAMPLE_RATE / 4))
            clip *= np.float32(0.05 / np.sqrt(np.mean(clip**2) + 1e-9))
            hop = max(int(len(clip) * 0.75), SAMPLE_RATE // 10)
            position = -int(rng.integers(hop))
            while position < self.length:
                place(out, clip, position)
                position += hop
        return out

    def colored(self, audio: np.ndarray, rng: np.random.Generator, kind: str) -> np.ndarray:
        """No rumble; random equalization, band limits (all classes alike, or treble alone would tell), reverb."""
        spectrum = np.fft.rfft(audio, self.fft) * self.no_rumble
        if rng.random() < 0.35:
            octaves = np.log2(np.maximum(self.hz, 30.0))
            gain_db = np.interp(octaves, np.linspace(octaves[0], octaves[-1], 7), rng.normal(0, 3.0, 7))
            spectrum *= 10 ** (gain_db / 20)
        if rng.random() < 0.22:
            spectrum *= 1 / np.sqrt(1 + (self.hz / rng.uniform(3400, 12_000)) ** 24)
        if rng.random() < 0.08:
            spectrum *= 1 / np.sqrt(1 + (rng.uniform(80, 350) / np.maximum(self.hz, 1.0)) ** 8)
        if rng.random() < (0.2 if kind == "speech" else 0.06):
            tail = np.arange(int(rng.uniform(0.15, 0.45) * SAMPLE_RATE))
            decay = rng.standard_normal(len(tail)) * np.exp(-6.9 * tail / len(tail))
            decay *= 10 ** (rng.uniform(-14, 0) / 20) / np.sqrt(np.sum(decay**2))
            decay[0] += 1.0
            spectrum *= np.fft.rfft(decay, self.fft)
        return np.fft.irfft(spectrum)[: self.length].astype(np.float32)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """One scene: stems float32 [3, samples], their sum about -27 LUFS. At least one class is present."""
        while True:
            present = {name: rng.random() < chance for name, chance in PRESENCE.items()}
            stems = np.zeros((3, self.length), np.float32)
            for stem, names in enumerate(STEM_CLASSES):
                for name in names:
                    if not present[name]:
                        continue
                    audio: np.ndarray = getattr(self, name)(rng)
                    if name == "speech" and rng.random() < 0.08:
                        audio = audio + self.speech(rng) * np.float32(rng.uniform(0.2, 1.0))
                    audio = self.colored(audio, rng, name)
                    level = self.loudness(audio)
                    if np.isfinite(level):
                        wanted = CLASS_LUFS[name] + rng.normal(0, 2.5)
                        stems[stem] += audio * np.float32(10 ** (np.clip(wanted - level, -60, 40) / 20))
            level = self.loudness(stems.sum(axis=0))
            if np.isfinite(level):
                return stems * np.float32(10 ** ((-27.0 + rng.normal(0, 2.5) - level) / 20))


def place(out: np.ndarray, clip: np.ndarray, position: int) -> None:
    """Add the clip to `out` [T] at a position that may lie before the start or reach past the end."""
    first, last = max(position, 0), min(position + len(clip), len(out))
    if first < last:
        out[first:last] += clip[first - position : last - position]


def fade(clip: np.ndarray, seconds: float) -> np.ndarray:
    """A copy with linear fades at both ends."""
    clip = clip.copy()
    length = min(int(seconds * SAMPLE_RATE), len(clip) // 2)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    clip[:length] *= ramp
    clip[len(clip) - length :] *= ramp[::-1]
    return clip


class Scenes(IterableDataset[torch.Tensor]):
    """Endless random scenes for a DataLoader, each worker with its own stream of the seed."""

    def __init__(self, packs: Path, split: str, seconds: float, seed: int) -> None:
        super().__init__()
        self.packs, self.split, self.seconds, self.seed = packs, split, seconds, seed

    def __iter__(self) -> Iterator[torch.Tensor]:
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        mixer = SceneMixer(self.packs, self.split, self.seconds)
        while True:
            yield torch.from_numpy(mixer.draw(rng))
