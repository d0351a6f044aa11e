"""Sound files to mono clips at 44.1 kHz: decoded, trimmed, speech cut at its pauses."""

from __future__ import annotations

import math
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from .. import SAMPLE_RATE

MUSIC_SECONDS = 120.0  # of one file: many pieces teach more than long ones
UTTERANCE_SECONDS = (0.3, 15.0)
PAUSE_SECONDS = 0.35  # a silence this long ends an utterance
SILENCE_DB = -45.0  # below the loudest 20 ms of the file
THROUGH_FFMPEG = {".g722": 16_000, ".wv": 44_100}  # what soundfile cannot read, and the rate it is decoded at, in Hz


class DecodeError(Exception):
    """A file cannot be decoded; the message says why."""


@dataclass(frozen=True)
class Source:
    """One audio file to import: where it lies, what it is, and who it is held out with."""

    path: Path
    split: str
    kind: str
    group: str
    name: str
    package: str = ""
    version: str = ""
    sha256: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Decoded:
    """The clips of one source, int16 [T] each, and its own rate in Hz; or why there are none."""

    source: Source
    clips: tuple[np.ndarray, ...] = ()
    rate: int = 0
    error: str = ""


def read_mono(
    path: Path, begin: float = 0.0, seconds: float = math.inf, *, ffmpeg: str = "ffmpeg"
) -> tuple[np.ndarray, int]:
    """Mono float32 [T] at 44.1 kHz of a file or a part of it (the mean of its channels), and its own rate in Hz.

    Raises:
        sf.SoundFileError, OSError, DecodeError: it cannot be read.
    """
    if path.suffix.lower() in THROUGH_FFMPEG:
        audio, rate = _through_ffmpeg(path, ffmpeg)
        first = round(begin * rate)
        audio = audio[first:] if math.isinf(seconds) else audio[first : first + math.ceil(seconds * rate)]
    else:
        with sf.SoundFile(path) as file:
            rate = file.samplerate
            if begin > 0:
                file.seek(min(round(begin * rate), max(file.frames, 0)))
            frames = -1 if math.isinf(seconds) else math.ceil(seconds * rate)
            audio = file.read(frames, dtype="float32", always_2d=True).mean(axis=1)
    return (audio if rate == SAMPLE_RATE else soxr.resample(audio, rate, SAMPLE_RATE)), rate


def _through_ffmpeg(path: Path, ffmpeg: str) -> tuple[np.ndarray, int]:
    rate = THROUGH_FFMPEG[path.suffix.lower()]
    command = [ffmpeg, "-v", "error", "-nostdin", "-i", str(path.absolute()), "-f", "f32le", "-ac", "1",
               "-ar", str(rate), "pipe:1"]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise DecodeError(f"'{path}' needs ffmpeg, and there is no '{ffmpeg}'") from error
    if done.returncode != 0:
        raise DecodeError(f"'{path}': {done.stderr.decode(errors='replace').strip()[-300:]}")
    return np.frombuffer(done.stdout, np.float32), rate


def active_spans(audio: np.ndarray) -> list[tuple[int, int]]:
    """Sample spans between silences of PAUSE_SECONDS or more, with 60 ms kept on either side.

    Shape: audio [T] -> [(start, end), ...]

    >>> tone = np.sin(np.arange(44100) * 0.1).astype(np.float32)
    >>> spans = active_spans(np.concatenate([tone, np.zeros(44100, np.float32), tone]))
    >>> [(round(a / 44100, 1), round(b / 44100, 1)) for a, b in spans]
    [(0.0, 1.1), (1.9, 3.0)]
    """
    frame = SAMPLE_RATE // 50
    frames = len(audio) // frame
    if frames == 0:
        return []
    level = np.sqrt(np.mean(audio[: frames * frame].reshape(frames, frame) ** 2, axis=1))
    active = np.flatnonzero(level > max(level.max() * 10 ** (SILENCE_DB / 20), 1e-4))
    if not len(active):
        return []
    breaks = np.flatnonzero(np.diff(active) > PAUSE_SECONDS * 50)
    starts, ends = active[np.r_[0, breaks + 1]], active[np.r_[breaks, len(active) - 1]] + 1
    margin = 3 * frame
    return [(max(int(s) * frame - margin, 0), min(int(e) * frame + margin, len(audio)))
            for s, e in zip(starts, ends, strict=True)]  # fmt: skip


def decode(ffmpeg: str, source: Source) -> Decoded:
    """Decode one file into trimmed clips. A broken file gives its error, a silent one nothing."""
    try:
        audio, rate = read_mono(source.path, ffmpeg=ffmpeg)
    except (sf.SoundFileError, DecodeError, OSError) as error:
        return Decoded(source, error=" ".join(str(error).split()))
    peak = float(np.abs(audio).max(initial=0.0))
    spans = active_spans(audio)
    if not spans or not np.isfinite(peak) or peak < 1e-3:
        return Decoded(source)
    if source.kind == "speech":
        shortest, longest = (round(s * SAMPLE_RATE) for s in UTTERANCE_SECONDS)
        spans = [(c, min(c + longest, b)) for a, b in spans for c in range(a, b - shortest, longest)]
    else:
        start, end = spans[0][0], spans[-1][1]
        if source.kind == "music" and end - start > (most := round(MUSIC_SECONDS * SAMPLE_RATE)):
            start += (end - start - most) // 4  # past the introduction
            end = start + most
        spans = [(start, end)]
    scale = 32767 * min(1.0 / peak, 8.0) * 0.98  # use the 16 bits; levels are drawn anew for each scene
    return Decoded(source, tuple(np.round(audio[a:b] * scale).astype(np.int16) for a, b in spans), rate)
