"""Find the ffmpeg and ffprobe to use."""

from __future__ import annotations

import os
import shutil

from cfork_cli.errors import FfmpegError


def find_ffmpeg() -> str:
    """Path of the ffmpeg to use: `CFORK_FFMPEG`, else the one on PATH, else the one that `imageio-ffmpeg` carries.

    Raises:
        FfmpegError: there is none, or `CFORK_FFMPEG` names no program.
    """
    named = _named_program("CFORK_FFMPEG")
    if named is not None:
        return named
    found = shutil.which("ffmpeg")
    if found is not None:
        return os.path.abspath(found)
    try:
        import imageio_ffmpeg

        return os.path.abspath(str(imageio_ffmpeg.get_ffmpeg_exe()))
    except (ImportError, RuntimeError) as error:
        raise FfmpegError(
            "ffmpeg was not found: install it (for example 'apt install ffmpeg'), or 'pip install imageio-ffmpeg'"
        ) from error


def find_ffprobe() -> str | None:
    """Path of the ffprobe to use: `CFORK_FFPROBE`, else the one beside our ffmpeg, else the one on PATH, else None.

    None means that PyAV does the probing (see `pyav_probe`): imageio-ffmpeg brings no ffprobe.

    Raises:
        FfmpegError: `CFORK_FFPROBE` names no program.
    """
    named = _named_program("CFORK_FFPROBE")
    if named is not None:
        return named
    if os.environ.get("CFORK_FFMPEG"):
        # The two must be of one version: they may disagree about start times.
        beside = shutil.which("ffprobe", path=os.path.dirname(find_ffmpeg()))
        if beside is not None:
            return os.path.abspath(beside)
    found = shutil.which("ffprobe")
    return None if found is None else os.path.abspath(found)


def _named_program(variable: str) -> str | None:
    name = os.environ.get(variable)
    if not name:
        return None
    found = shutil.which(name)
    if found is None:
        raise FfmpegError(f"{variable} is set to '{name}', which is not a program: correct it or unset it")
    return os.path.abspath(found)
