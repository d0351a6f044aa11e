"""Find the ffmpeg and ffprobe to use."""

from __future__ import annotations

import os
import shutil
import sys
from functools import lru_cache

from cfork_cli.errors import FfmpegError


def find_ffmpeg() -> str:
    """Path of the ffmpeg to use: `CFORK_FFMPEG`, else the one on PATH, else the one that `imageio-ffmpeg` carries.

    The answer is remembered for as long as these variables stay as they are.

    Raises:
        FfmpegError: there is none, or `CFORK_FFMPEG` names no program.
    """
    return _ffmpeg(*_values("CFORK_FFMPEG", "IMAGEIO_FFMPEG_EXE", "PATH"))


def find_ffprobe() -> str | None:
    """Path of the ffprobe to use: `CFORK_FFPROBE`, else the one beside our ffmpeg, else the one on PATH, else None.

    None means that PyAV does the probing (see `pyav_probe`): imageio-ffmpeg brings no ffprobe. The answer is remembered
    for as long as the variables stay as they are.

    Raises:
        FfmpegError: `CFORK_FFPROBE` names no program.
    """
    return _ffprobe(*_values("CFORK_FFPROBE", "CFORK_FFMPEG", "IMAGEIO_FFMPEG_EXE", "PATH"))


def _values(*variables: str) -> list[str | None]:
    return [os.environ.get(variable) for variable in variables]


@lru_cache(maxsize=16)
def _ffmpeg(named: str | None, imageio: str | None, path: str | None) -> str:
    if named:
        return _program("CFORK_FFMPEG", named)
    found = _on_path("ffmpeg", path)
    if found is not None:
        return found
    try:
        import imageio_ffmpeg

        return os.path.abspath(str(imageio_ffmpeg.get_ffmpeg_exe()))  # which looks at `imageio` by itself
    except (ImportError, RuntimeError) as error:
        raise FfmpegError(
            "ffmpeg was not found: install it (for example 'apt install ffmpeg'), or 'pip install imageio-ffmpeg'"
        ) from error


@lru_cache(maxsize=16)
def _ffprobe(named: str | None, ffmpeg: str | None, imageio: str | None, path: str | None) -> str | None:
    if named:
        return _program("CFORK_FFPROBE", named)
    if ffmpeg:
        # The two must be of one version: they may disagree about start times.
        beside = _on_path("ffprobe", os.path.dirname(_ffmpeg(ffmpeg, imageio, path)))
        if beside is not None:
            return beside
    return _on_path("ffprobe", path)


def _on_path(name: str, path: str | None) -> str | None:
    """Return a program on PATH. Windows would look into the current folder first: one of downloads, perhaps, where an
    ffmpeg.exe that somebody put there must not be run."""
    if sys.platform == "win32":
        folders = (os.environ.get("PATH", "") if path is None else path).split(os.pathsep)
        named = (os.path.join(folder.strip('"'), f"{name}.exe") for folder in folders)
        return next((file for file in named if os.path.isabs(file) and os.path.isfile(file)), None)
    found = shutil.which(name, path=path)
    return None if found is None else os.path.abspath(found)


def _program(variable: str, name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise FfmpegError(f"{variable} is set to '{name}', which is not a program: correct it or unset it")
    return os.path.abspath(found)
