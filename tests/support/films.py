"""Tiny films, made on the spot with real ffmpeg; `readings` looks at what is in them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from support.store import program_key, remembered

from cfork_cli.ffmpeg.find import find_ffmpeg

SRT = "1\n00:00:00,200 --> 00:00:00,900\nHello there\n\n2\n00:00:01,200 --> 00:00:01,700\nGood-bye\n"

CHAPTERS = """;FFMETADATA1
title=The Film
comment=made for a test
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1000
title=One
[CHAPTER]
TIMEBASE=1/1000
START=1000
END=2000
title=Two
"""


@dataclass(frozen=True)
class Sound:
    """One sound track. samples: float32 `[channels, samples]`; None makes noise of the film's length."""

    codec: str = "pcm_s16le"
    layout: str = "stereo"
    sample_rate: int = 48_000
    samples: np.ndarray | None = None
    language: str = ""
    title: str = ""
    default: bool = False
    delay: float = 0.0
    options: Sequence[str] = ()


CHANNELS = {"mono": 1, "stereo": 2, "3.0": 3, "5.1": 6, "5.1(side)": 6, "7.1": 8}


def ffmpeg(*arguments: str | Path, stdin: bytes | None = None, program: str | None = None) -> bytes:
    """Run ffmpeg, insist that it succeeds, return its standard output."""
    command = [
        program or find_ffmpeg(),
        "-hide_banner",
        "-nostdin",
        "-loglevel",
        "error",
        "-y",
        *map(os.fspath, arguments),
    ]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=250)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def ffmpeg_of(maker: str, *arguments: str | Path) -> bytes:
    """The same with a certain ffmpeg: that of the "system", or that of the "wheels" (imageio-ffmpeg's).

    Where the system has none, both are the same.
    """
    return ffmpeg(*arguments, program=ffmpeg_program(maker))


def ffmpeg_program(maker: str) -> str:
    """Return the path of that ffmpeg."""
    found = shutil.which("ffmpeg") if maker == "system" else None
    return found or imageio_ffmpeg.get_ffmpeg_exe()


def noise(channels: int, samples: int, *, level: float = 0.1, bits: int | None = None, seed: int = 0) -> np.ndarray:
    """Noise `[channels, samples]`, float32; rounded to integers of so many bits."""
    values = np.random.default_rng(seed).standard_normal((channels, samples)) * level
    if bits is not None:
        full = 2.0 ** (bits - 1)
        values = np.clip(np.rint(values * full), -full, full - 1) / full
    return values.astype(np.float32)


def make(
    path: Path,
    *sounds: Sound,
    seconds: float = 2.0,
    picture: str | None = "mpeg4",
    subtitles: str | None = None,
    chapters: bool = False,
    font: bool = False,
    cover: bool = False,
    options: Sequence[str] = (),
) -> Path:
    """Make a film. picture and subtitles: encoders, None for none. Returns its path."""
    program = program_key(find_ffmpeg())
    facts = (*map(_sound_key, sounds), seconds, picture, subtitles, chapters, font, cover, tuple(options), program)

    def fresh(target: Path) -> None:
        _make(target, sounds, seconds, picture, subtitles, chapters, font, cover, options)

    return remembered(path, ("made", path.suffix, *facts), fresh)


def _sound_key(sound: Sound) -> tuple[object, ...]:
    told = sound.samples
    noted = None if told is None else (told.shape, hashlib.sha256(np.ascontiguousarray(told, "<f4")).hexdigest())
    return noted, *(
        tuple(value) if key == "options" else value for key, value in vars(sound).items() if key != "samples"
    )


def _make(
    path: Path,
    sounds: Sequence[Sound],
    seconds: float,
    picture: str | None,
    subtitles: str | None,
    chapters: bool,
    font: bool,
    cover: bool,
    options: Sequence[str],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs: list[str] = []
        maps: list[str] = []
        outs: list[str] = []
        count = 0

        def add(selector: str, *arguments: str) -> None:
            nonlocal count
            inputs.extend(arguments)
            maps.extend(["-map", f"{count}:{selector}"])
            count += 1

        if picture is not None:
            add("v", "-f", "lavfi", "-i", f"testsrc=size=96x64:rate=25:duration={seconds}")
            outs += ["-c:v:0", picture, "-pix_fmt:v:0", "yuv420p"]
        for number, sound in enumerate(sounds):
            channels = CHANNELS[sound.layout]
            samples = sound.samples
            if samples is None:
                samples = noise(channels, round((seconds - sound.delay) * sound.sample_rate), seed=number)
            raw = folder / f"{number}.f32"
            raw.write_bytes(np.ascontiguousarray(samples.T, dtype="<f4").tobytes())
            rate = ["-ar", str(sound.sample_rate), "-channel_layout", sound.layout]
            add("a", "-f", "f32le", *rate, "-i", str(raw))
            if sound.delay:  # not by -itsoffset, which ffmpeg 9 does not apply here
                outs += [f"-filter:a:{number}", f"asetpts=PTS+{sound.delay}/TB"]
            outs += [f"-c:a:{number}", sound.codec, *sound.options]
            outs += [f"-disposition:a:{number}", "default" if sound.default else "0"]
            for tag in ("language", "title"):
                if value := getattr(sound, tag):
                    outs += [f"-metadata:s:a:{number}", f"{tag}={value}"]
        if subtitles is not None:
            (folder / "s.srt").write_text(SRT)
            add("s", "-i", str(folder / "s.srt"))
            outs += ["-c:s", subtitles, "-metadata:s:s:0", "language=fra", "-disposition:s:0", "forced"]
        if chapters:
            (folder / "c.txt").write_text(CHAPTERS)
            inputs += ["-f", "ffmetadata", "-i", str(folder / "c.txt")]
            outs += ["-map_metadata", str(count), "-map_chapters", str(count)]
            count += 1
        if font:
            (folder / "letters.ttf").write_bytes(b"\x00\x01\x00\x00" + bytes(range(256)))
            outs += ["-attach", str(folder / "letters.ttf"), "-metadata:s:t:0", "mimetype=application/x-truetype-font"]
        if cover:
            ffmpeg("-f", "lavfi", "-i", "color=red:size=32x32", "-frames:v", "1", folder / "cover.jpg")
            if path.suffix == ".mkv":
                place = int(font)
                outs += ["-attach", str(folder / "cover.jpg")]
                outs += [f"-metadata:s:t:{place}", "mimetype=image/jpeg"]
            else:
                add("v", "-i", str(folder / "cover.jpg"))
                outs += [f"-c:v:{int(picture is not None)}", "copy"]
                outs += [f"-disposition:v:{int(picture is not None)}", "attached_pic"]
        ffmpeg(*inputs, *maps, *outs, *options, f"file:{path}")


def record(path: Path, codec: str) -> Path:
    """Make a film of 2 s, a tone with a picture, in a pipe: nobody went back to fill in how long it became."""
    form = {".mkv": "matroska", ".wmv": "asf", ".avi": "avi"}[path.suffix]
    inputs = ("-f", "lavfi", "-i", "testsrc=size=96x64:rate=25:duration=2", "-f", "lavfi", "-i", "sine=r=48000:d=2")
    command = (*inputs, "-c:v", "mpeg4", "-c:a", codec, "-f", form, "pipe:1")
    key = ("recorded", command, program_key(find_ffmpeg()))
    return remembered(path, key, lambda target: target.write_bytes(ffmpeg(*command)))
