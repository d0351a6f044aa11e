"""Which way of ffmpeg's AAC encoder to choose quantizers comes closer to the sound, and what it takes.

    python benchmarks/aac_coders.py dnr/cv --ffmpeg ffmpeg      # prints the table of docs/aac.md

Sound: parts of the scenes' mixtures, voices and music, mixed to as many channels. Encoded at a fixed bit rate, decoded,
and compared sample by sample:
- SNR of 50 ms pieces, median and worst 2 %, the quietest pieces (40 dB below the loudest) left out;
- noise-to-mask ratio: the error in 23 critical bands against the sound's own power, spread by 10 dB a Bark upward and
  25 dB downward and lowered by 13 dB. A rough model of hearing, after ITU-R BS.1387, alike for both.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf

CODERS = ("twoloop", "fast")
RATES = ((48, 1), (64, 1), (128, 1), (192, 1), (128, 2), (256, 2), (320, 2), (320, 5), (640, 5))  # kbit/s, channels
KINDS = ("mix", "speech", "music", "mix")
SECONDS, START, TURNS = 20, 10, 8
PIECE, FRAME = 0.05, 2048
BARK_HZ = (
    0, 100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150, 3700, 4400, 5300, 6400,
    7700, 9500, 12_000,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", type=Path, help="a split of a Divide-and-Remaster tree")
    parser.add_argument("--ffmpeg", default="ffmpeg")
    asked = parser.parse_args()
    scenes = sorted(path for path in asked.scenes.iterdir() if path.is_dir())
    heads = ("kbit/s", "channels", "SNR, median", "SNR, worst 2 %", "noise to mask, mean", "noise to mask, worst 2 %",
             "CPU", "size")  # fmt: skip
    print(f"| {' | '.join(heads)} |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for kbps, channels in RATES:
            found = {coder: [] for coder in CODERS}
            for turn in range(TURNS):
                sound, rate = material(scenes, turn, channels)
                for coder in CODERS:
                    found[coder].append(measure(asked.ffmpeg, Path(folder), sound, rate, kbps, coder))
            old, new = (np.array(found[coder]) for coder in CODERS)
            told = [f"{a:.1f} -> {b:.1f} dB" for a, b in zip(old.mean(0)[:4], new.mean(0)[:4], strict=True)]
            ratios = new.sum(0)[4:] / old.sum(0)[4:]
            print(f"| {kbps} | {channels} | {' | '.join(told)} | x {ratios[0]:.2f} | x {ratios[1]:.3f} |", flush=True)


def material(scenes: list[Path], turn: int, channels: int) -> tuple[np.ndarray, int]:
    """`[T, channels]`, each channel another part of some scene; two share what a stereo film would."""
    parts = []
    for channel in range(channels):
        path = scenes[(3 * turn + channel) % len(scenes)] / f"{KINDS[(turn + channel) % len(KINDS)]}.wav"
        rate = sf.info(path).samplerate
        parts.append(sf.read(path, start=START * rate, frames=SECONDS * rate)[0])
    sound = np.stack(parts, axis=1)
    if channels == 2:
        sound = sound @ np.array([[1.0, 0.5], [0.5, 1.0]])
    return np.clip(sound, -1, 1), rate


def measure(ffmpeg: str, folder: Path, sound: np.ndarray, rate: int, kbps: int, coder: str) -> list[float]:
    """SNR (median, worst), noise to mask (mean, worst), CPU seconds, bytes."""
    source, coded = folder / "sound.wav", folder / "sound.m4a"
    sf.write(source, sound, rate, subtype="FLOAT")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    options = ["-c:a", "aac", "-b:a", f"{kbps}k", "-aac_coder", coder]
    subprocess.run([ffmpeg, "-loglevel", "error", "-y", "-i", source, *options, coded], check=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    decode = [ffmpeg, "-loglevel", "error", "-i", coded, "-f", "f32le", "-"]
    decoded = np.frombuffer(subprocess.run(decode, stdout=subprocess.PIPE, check=True).stdout, "<f4")
    decoded = decoded.reshape(-1, sound.shape[1])
    length = min(len(sound), len(decoded))
    error = decoded[:length] - sound[:length]
    piece = round(PIECE * rate)
    signal, noise = (
        np.square(one[: length // piece * piece].reshape(-1, piece, sound.shape[1])).sum((1, 2))
        for one in (sound, error)
    )
    heard = signal > 1e-4 * signal.max()
    ratios = decibels(signal[heard] / noise[heard])
    masked = noise_to_mask(sound[:length], error, rate)
    return [
        float(np.median(ratios)), float(np.percentile(ratios, 2)), float(masked.mean()),
        float(np.percentile(masked, 98)), spent, coded.stat().st_size,
    ]  # fmt: skip


def noise_to_mask(sound: np.ndarray, error: np.ndarray, rate: int) -> np.ndarray:
    """dB of every frame of every channel that is not quiet."""
    bands = np.searchsorted(BARK_HZ, np.fft.rfftfreq(FRAME, 1 / rate), side="right") - 1
    distance = np.subtract.outer(np.arange(len(BARK_HZ)), np.arange(len(BARK_HZ)))
    spread = 10.0 ** np.where(distance >= 0, -1.0 * distance, 2.5 * distance)
    found = []
    for signal, noise in zip(sound.T, error.T, strict=True):
        power, wrong = (by_band(one, bands) for one in (signal, noise))
        mask = spread @ power * 10**-1.3 + 1e-7 * FRAME
        heard = power.sum(0) > 1e-4 * power.sum(0).max()
        found.append(decibels((wrong / mask)[:-1, heard].mean(0)))
    return np.concatenate(found)


def by_band(signal: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Power `[bands, frames]`."""
    frames = signal[: len(signal) // FRAME * FRAME].reshape(-1, FRAME) * np.hanning(FRAME)
    power = np.square(np.abs(np.fft.rfft(frames)))
    return np.stack([power[:, bands == band].sum(1) for band in range(len(BARK_HZ))])


def decibels(ratio: np.ndarray) -> np.ndarray:
    return 10 * np.log10(ratio + 1e-9)


if __name__ == "__main__":
    main()
