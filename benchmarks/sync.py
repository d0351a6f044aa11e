"""Sound and picture of a long film before and after: clicks at its start, middle and end, in milliseconds.

    python benchmarks/sync.py [--hours 2] [--gain DB]

Makes sparse films (a tiny picture, mono sound at 8 kHz, silent but for the clicks), remixes each with `cfork remix`,
finds the clicks again with PyAV, which reads time stamps as players do, and prints a table in Markdown. With `--gain`
the dialogue is turned up, so that the network has its part in it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from cfork_cli.ffmpeg.find import find_ffmpeg

SAMPLE_RATE = 8000
CLICK_SECONDS = 0.05
REACH_SECONDS = 0.2


@dataclass(frozen=True)
class Trip:
    """One film and what becomes of it. rate: pictures a second. delay: of the sound, in seconds."""

    film: str
    codec: str
    rate: str
    output: str
    delay: float = 0.0
    about: str = ""
    options: Sequence[str] = ()
    ask: Sequence[str] = ()


TRIPS = (
    Trip("aac.mkv", "aac", "1000/1001", "new.mkv"),
    Trip("late.mkv", "flac", "1000/1001", "new.mkv", delay=1.25),
    Trip("aac.mp4", "aac", "30000/30030", "new.mp4", delay=0.5),
    Trip("mp2.ts", "mp2", "24", "new.ts", options=("-output_ts_offset", "3600")),
    Trip("vfr.mkv", "pcm_s16le", "1", "new.mp4", about="pictures at odd times", ask=("--codec", "aac"),
         options=("-filter:v", "setpts=PTS+0.3*random(0)*gt(N\\,0)/TB", "-fps_mode", "vfr")),
    Trip("holes.mkv", "aac", "1", "opus.mkv", about="a hole of 10 s before the middle", ask=("--codec", "libopus")),
)  # fmt: skip


def click() -> np.ndarray:
    """A short burst of noise: it has one place in time, and survives every codec."""
    return np.random.default_rng(1).standard_normal(round(CLICK_SECONDS * SAMPLE_RATE)) * 0.2


def make(trip: Trip, folder: Path, seconds: float, places: Sequence[float]) -> Path:
    """Make a film with clicks at those places (seconds from where the sound begins)."""
    raw = folder / "clicks.s16"
    burst = np.rint(click() * 32767).astype("<i2")
    with raw.open("wb") as file:
        file.truncate(2 * round((seconds - trip.delay) * SAMPLE_RATE))
        for place in places:
            file.seek(2 * round(place * SAMPLE_RATE))
            file.write(burst.tobytes())
    path = folder / trip.film
    video = "mpeg2video" if path.suffix == ".ts" else "mpeg4"
    rate = ["-ar", "32000"] if trip.codec == "mp2" else []
    _ffmpeg(
        "-f", "lavfi", "-i", f"color=gray:size=32x32:rate={trip.rate}",
        "-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", str(raw), "-map", "0:v", "-map", "1:a",
        "-c:v", video, "-g", "1", "-c:a", trip.codec, *rate, "-filter:a", f"asetpts=PTS+{trip.delay}/TB",
        "-t", str(seconds), *trip.options, str(path),
    )  # fmt: skip
    raw.unlink()
    if "hole" in trip.about:
        hole = path.rename(folder / "whole.mkv")
        shift = f"setts=ts=TS+10*gte(TS*TB\\,{seconds / 3})/TB"
        _ffmpeg("-i", str(hole), "-c", "copy", "-bsf:a", shift, str(path))
        hole.unlink()
    return path


def found(path: Path, around: Sequence[float]) -> list[float]:
    """Where the clicks are, in seconds after the first picture. around: where to look, by the same clock."""
    with av.open(str(path)) as file:
        pictures = (packet.pts * packet.time_base for packet in file.demux(video=0) if packet.pts is not None)
        zero = float(next(pictures))
    wanted = [np.zeros(0)] * len(around)
    begins = [0.0] * len(around)
    rate = SAMPLE_RATE
    with av.open(str(path)) as file:
        place: Fraction | None = None
        for frame in file.decode(audio=0):
            rate = frame.sample_rate
            told = frame.pts * frame.time_base
            if place is None or abs(told - place) > Fraction(2, 1000):
                place = told
            start, end = float(place) - zero, float(place) - zero + frame.samples / rate
            for number, at in enumerate(around):
                if end > at - REACH_SECONDS and start < at + CLICK_SECONDS + REACH_SECONDS:
                    if not len(wanted[number]):
                        begins[number] = start
                    wanted[number] = np.concatenate((wanted[number], _mono(frame)))
            place += Fraction(frame.samples, rate)
    burst = np.interp(np.arange(round(CLICK_SECONDS * rate)) / rate, np.arange(len(click())) / SAMPLE_RATE, click())
    return [
        begin + int(np.correlate(piece, burst).argmax()) / rate for piece, begin in zip(wanted, begins, strict=True)
    ]


def measure(
    trip: Trip, folder: Path, seconds: float, remix: Callable[[Sequence[str]], None]
) -> list[tuple[float, float, float]]:
    """(seconds, milliseconds off before, after) of each click. remix: runs `cfork remix` with these arguments."""
    inner = [1.0, seconds / 2, seconds - trip.delay - (14.0 if trip.about else 4.0)]
    path = make(trip, folder, seconds, inner)
    output = folder / trip.output
    remix([str(path), "-o", str(output), *trip.ask])
    hole = 10.0 if "hole" in trip.about else 0.0
    told = [trip.delay + at + (hole if at > seconds / 3 else 0) for at in inner]
    before, after = found(path, told), found(output, told)
    path.unlink()
    output.unlink()
    return [(at, 1000 * (b - at), 1000 * (a - at)) for at, b, a in zip(told, before, after, strict=True)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--gain", type=float, default=0.0, help="of the dialogue, dB")
    parser.add_argument("--only", default="", help="films whose name contains this")
    arguments = parser.parse_args()
    print("| film | becomes | click at | off before | off after | moved by |\n|---|---|---|---|---|---|")
    command = [sys.executable, "-m", "cfork_cli.app", "remix", "--quiet"]
    if arguments.gain:
        command += [f"--dialog={arguments.gain}", "--input-lufs=-40"]

    def remix(more: Sequence[str]) -> None:
        subprocess.run([*command, *more], check=True, stdin=subprocess.DEVNULL, cwd=Path(__file__).parents[1])

    worst = 0.0
    for trip in TRIPS:
        if arguments.only not in trip.film:
            continue
        with tempfile.TemporaryDirectory() as folder:
            for at, before, after in measure(trip, Path(folder), 3600 * arguments.hours, remix):
                worst = max(worst, abs(after - before))
                print(
                    f"| {trip.film} {trip.about} | {trip.output} | {at:.2f} s | {before:+.2f} ms | {after:+.2f} ms | "
                    f"{after - before:+.2f} ms |",
                    flush=True,
                )
    print(f"\nThe largest move: {worst:.2f} ms")
    return int(worst > 1)


def _mono(frame: av.AudioFrame) -> np.ndarray:
    block = frame.to_ndarray()
    if not frame.format.is_planar:
        block = block.reshape(-1, frame.layout.nb_channels).T
    full = 1.0 if block.dtype.kind == "f" else -float(np.iinfo(block.dtype).min)
    return block[0].astype(np.float64) / full


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([find_ffmpeg(), "-nostdin", "-y", "-loglevel", "error", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
