"""What is damaged: a short film of every kind of file that the corpus has, models, presets. All small, all our own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.films import Sound, make

SECONDS = 1.0


@dataclass(frozen=True)
class Recipe:
    """How to make a film. tells_length: its header says how long it is, so that a cut is to be seen."""

    codec: str
    picture: str | None = "mpeg4"
    rate: int = 48_000
    options: tuple[str, ...] = ()
    rich: bool = False
    tells_length: bool = True


FILMS: Mapping[str, Recipe] = {
    "aac.mkv": Recipe("aac"),
    "flac.mkv": Recipe("flac"),
    "opus.mkv": Recipe("libopus"),
    "rich.mkv": Recipe("pcm_s16le", rich=True),
    "sound.mka": Recipe("pcm_s16le", None, 8_000),
    "film.webm": Recipe("libopus", "libvpx"),
    "film.mp4": Recipe("aac"),
    "rich.mp4": Recipe("aac", rich=True),
    "fragments.mp4": Recipe("aac", options=("-movflags", "frag_keyframe+empty_moov"), tells_length=False),
    "film.m4v": Recipe("ac3"),
    "film.mov": Recipe("pcm_s24le"),
    "sound.m4a": Recipe("alac", None),
    "film.ts": Recipe("mp2", "mpeg2video", tells_length=False),
    "film.m2ts": Recipe("ac3", "mpeg2video", options=("-mpegts_m2ts_mode", "1"), tells_length=False),
    "film.mpg": Recipe("mp2", "mpeg2video", tells_length=False),
    "film.avi": Recipe("libmp3lame"),
    "pcm.avi": Recipe("pcm_s16le", rate=11_025),
    "film.flv": Recipe("libmp3lame", "flv", 44_100),
    "film.wmv": Recipe("wmav2", "wmv2"),
    "film.mxf": Recipe("pcm_s16le", "mpeg2video"),
    "film.ogv": Recipe("libvorbis", "libtheora", tells_length=False),
    "sound.ogg": Recipe("flac", None, tells_length=False),
    "sound.opus": Recipe("libopus", None, tells_length=False),
    "pcm16.wav": Recipe("pcm_s16le", None),
    "float.wav": Recipe("pcm_f32le", None),
    "rf64.wav": Recipe("pcm_s16le", None, options=("-rf64", "always"), tells_length=False),
    "sound.w64": Recipe("pcm_s24le", None, tells_length=False),
    "sound.aiff": Recipe("pcm_s16be", None),
    "sound.flac": Recipe("flac", None),
    "sound.mp3": Recipe("libmp3lame", None),
    "sound.ac3": Recipe("ac3", None, tells_length=False),
    "sound.aac": Recipe("aac", None, tells_length=False),
}

PRESET = """label = "Quiet"
about = "For late hours."
speech-boost = "auto:7"
duck = ["music:6", "effects:4"]
night = true
loudness = "-23"
codec = "flac"

[gains]
dialogue = 3.0
music = -8.0
effects = -4.5

[dialogue]
bands = [
    { kind = "highpass", frequency = 80.0 },
    { kind = "peaking", frequency = 3000.0, gain = 2.0 },
]
fx = "acompressor"

[music]
reverb = "hall:-16"
"""

TINY = {"width": 8, "hidden": 8, "layers": 1, "overview": 8, "mask_hidden": 8}


def film(folder: Path, name: str) -> Path:
    """Return a film of that name in a folder, made where it is not there yet."""
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        recipe = FILMS[name]
        sound = Sound(recipe.codec, "mono", recipe.rate, language="eng" if recipe.rich else "")
        more = {"chapters": True, "cover": True} if recipe.rich else {}
        subtitles = {".mkv": "subrip", ".mp4": "mov_text"}.get(path.suffix) if recipe.rich else None
        part = path.with_name(f"{os.getpid()}-{name}")
        make(part, sound, seconds=SECONDS, picture=recipe.picture, options=recipe.options, subtitles=subtitles, **more)
        part.replace(path)
    return path


def model(folder: Path) -> Path:
    """Return a file with a small untrained network in that folder, made where it is not there yet."""
    path = folder / "tiny.safetensors"
    if not path.exists():
        import torch

        from model.hub.weights import save
        from model.networks.bandsplit import BandSplit

        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        part = path.with_name(f"{os.getpid()}-tiny.safetensors")
        save(BandSplit(**TINY), part, {"license": "MIT"})
        part.replace(path)
    return path


def checkpoint(folder: Path) -> Path:
    """Return a small checkpoint of MRX, as its authors save theirs, made where it is not there yet."""
    path = folder / "small.pth"
    if not path.exists():
        import torch

        from model.networks.mrx import MRX

        torch.manual_seed(0)
        part = path.with_name(f"{os.getpid()}-small.pth")
        torch.save(MRX(windows=(512, 1024), hidden=32, layers=2).state_dict(), part)
        part.replace(path)
    return path
