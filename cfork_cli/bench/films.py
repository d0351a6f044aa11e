"""Films to measure with: made on the spot, always the same, or the beginning of a real one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfork_cli.errors import FfmpegError, UsageError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import QUIET, url
from cfork_cli.ffmpeg.complaints import complaint
from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.input.decode import decode
from cfork_cli.media import tracks
from cfork_cli.media.containers import container_for
from cfork_cli.media.layouts import low_frequency
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Media, Stream
from cfork_cli.text import clock

SAMPLE_RATE = 48_000
MADE = "made on the spot (tones, noise and bursts, seeded; a small picture)"

LAYOUTS = {"mono": ("aac", 1), "stereo": ("aac", 2), "5.1": ("ac3", 6)}
"""Layout -> codec and channels of the films that are made."""

_PICTURE = "testsrc=size=160x90:rate=24"


@dataclass(frozen=True)
class Film:
    """A film on disk, the track of it that is measured, and how long that is."""

    path: Path
    media: Media
    track: Stream
    seconds: float

    @property
    def layout(self) -> str:
        """Name of the track's layout."""
        told = self.track.layout or {1: "mono", 2: "stereo"}.get(self.track.channels or 0)
        return (told or f"{self.track.channels} channels").replace("5.1(side)", "5.1")

    @property
    def network_channels(self) -> int:
        """Channels that a network hears: the low-frequency one is not among them."""
        return (self.track.channels or 0) - len(low_frequency(self.track.layout))


def open_film(path: Path) -> Film:
    """Look into a film. Where its length is not written down (it came through a pipe), its sound is decoded to know it.

    Raises:
        InputError: it is no film, or has no sound. DamagedInputError: its sound cannot be decoded.
    """
    media = probe(path)
    track = tracks.one(media, None)
    seconds = track.duration_seconds or media.duration_seconds
    if not seconds:
        with decode(media, track) as blocks:
            seconds = sum(block.shape[1] for block in blocks) / blocks.sample_rate
    return Film(path, media, track, seconds)


def film_sound(channels: int, seconds: float) -> Iterator[np.ndarray]:
    """Yield something like a film: `[channels, up to a second]`, float32. No two channels or seconds are equal, or
    the separator would compute only one of them.
    """
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    left = round(seconds * SAMPLE_RATE)
    for second in range(-(-left // SAMPLE_RATE)):
        rng = np.random.default_rng([7, second])
        syllables = np.abs(np.sin(2 * np.pi * 2 * time)) ** 2
        voice = sum(np.sin(2 * np.pi * rng.uniform(110, 220) * n * time) / n for n in range(1, 12)) * syllables
        chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in rng.choice([220, 262, 330, 392, 440, 523], 3))
        bursts = rng.standard_normal((channels, SAMPLE_RATE)) * np.exp(-8 * ((time * 2 + rng.uniform()) % 1))
        block = 0.06 * (voice + 0.5 * chord * rng.uniform(0.5, 1, (channels, 1)) + bursts)
        yield np.clip(block, -1, 1).astype(np.float32)[:, : left - second * SAMPLE_RATE]


def make_film(path: Path, layout: str, seconds: float) -> Film:
    """Write a film of that sound (of a layout in `LAYOUTS`), with a small picture.

    Raises:
        FfmpegError: ffmpeg failed. OutputError: the disk is full.
    """
    codec, channels = LAYOUTS[layout]
    arguments = [
        "-f", "f32le", "-ar", str(SAMPLE_RATE), "-channel_layout", layout, "-i", "pipe:0",
        "-f", "lavfi", "-i", f"{_PICTURE}:duration={seconds}", "-map", "1:v", "-map", "0:a",
        "-c:v", "mpeg4", "-b:v", "100k", "-c:a", codec, "-y", url(path),
    ]  # fmt: skip
    with process.Child([find_ffmpeg(), *QUIET, *arguments], stdin=True) as child:
        try:
            for block in film_sound(channels, seconds):
                child.stdin.write(np.ascontiguousarray(block.T, "<f4").data)
            child.stdin.close()
        except OSError:  # it has ended, and its status says why
            pass
        _check(child.wait(), child.log(), "the film to measure with could not be made")
    return open_film(path)


def cut_film(film: Film, path: Path, seconds: float) -> Film:
    """Write the first seconds of a film, picture and sound copied as they are. The suffixes should agree.

    Raises:
        UsageError: it is shorter. FfmpegError: ffmpeg failed.
    """
    if film.seconds and seconds > film.seconds + 0.5:
        raise UsageError(
            f"'{film.path}' has only {clock(film.seconds)} of sound: give --seconds up to {film.seconds:.0f}"
        )
    arguments = [
        "-i", url(film.path), "-t", str(seconds), "-map", "0:V?", "-map", "0:a", "-c", "copy",
        "-strict", "experimental", "-f", container_for(film.path, film.media), "-y", url(path),
    ]  # fmt: skip
    command = [find_ffmpeg(), *QUIET, *arguments]
    done = process.run(command, timeout=600)
    _check(done.status, done.log, f"the first {seconds:g} s of '{film.path}' could not be copied")
    return open_film(path)


def _check(status: int, log: str, what: str) -> None:
    if status != 0:
        raise FfmpegError(f"{what} ({complaint(log) or f'ffmpeg ended with status {status}'})")
