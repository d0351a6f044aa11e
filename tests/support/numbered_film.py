"""A film that tells by itself where it is: a number in each picture, a flash and a beep each second, a tone a stem."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from cfork_cli.ffmpeg.find import find_ffmpeg

RATE = 24
SAMPLE_RATE = 48_000
WIDTH, HEIGHT = 256, 144
BITS, CELL = 16, 16
"""The number: 16 squares in the top row, white for 1, most significant first; the rest is grey, or white in a flash."""
FLASH = 2
"""Pictures of a flash, at the begin of each second."""
TONES_HZ = {"dialogue": (300.0, 300.0), "music": (520.0, 640.0), "effects": (1000.0, 1000.0)}
LEVELS = {"dialogue": 0.10, "music": 0.08, "effects": 0.15}
BEEP_SECONDS = 0.06


def stems(begin: int, count: int) -> np.ndarray:
    """Dialogue, music and effects `[3, 2, count]` from a sample on: two steady tones, and beeps that swell and fade."""
    time = (begin + np.arange(count)) / SAMPLE_RATE
    out = np.zeros((3, 2, count))
    for number, (stem, tones) in enumerate(TONES_HZ.items()):
        for channel, tone in enumerate(tones):
            out[number, channel] = LEVELS[stem] * np.sin(2 * np.pi * tone * time)
    out[2] *= np.sin(np.pi * np.minimum(time % 1.0 / BEEP_SECONDS, 1.0)) ** 2
    return out.astype(np.float32)


def numbered_film(
    path: Path, seconds: float, *, options: tuple[str, ...] = ("-g", "48"), sound: tuple[str, ...] = ("-c:a", "flac")
) -> Path:
    """Make the film; its sound is the sum of the three stems. options, sound: further ones of ffmpeg."""
    command = [
        find_ffmpeg(), "-hide_banner", "-loglevel", "error", "-y",
        "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "pipe:0",
        "-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "2", "-i", str(path.with_suffix(".raw")),
        "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", *options, *sound, str(path),
    ]  # fmt: skip
    mixture = stems(0, round(seconds * SAMPLE_RATE)).sum(axis=0)
    path.with_suffix(".raw").write_bytes(mixture.T.astype("<f4").tobytes())
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log) as child:
        assert child.stdin is not None
        for number in range(round(seconds * RATE)):
            child.stdin.write(_picture(number))
        child.stdin.close()
        status = child.wait(250)
        log.seek(0)
        words = log.read().decode(errors="replace")
    path.with_suffix(".raw").unlink()
    assert status == 0, words
    return path


def _picture(number: int) -> bytes:
    picture = np.full((HEIGHT, WIDTH), 235 if number % RATE < FLASH else 60, np.uint8)
    for bit in range(BITS):
        picture[:CELL, bit * CELL : (bit + 1) * CELL] = 235 if number >> (BITS - 1 - bit) & 1 else 16
    return picture.tobytes()
