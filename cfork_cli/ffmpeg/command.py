"""Build the command lines of ffmpeg."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cfork_cli.ffmpeg.demuxers import PROTOCOLS
from cfork_cli.ffmpeg.find import find_ffmpeg

QUIET = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error")
"""Options that every ffmpeg gets: it never asks, and prints nothing but errors."""


def raw_input_options(sample_rate: int, channels: int, layout: str | None, bits: int = 32) -> dict[str, str]:
    """ffmpeg's input options for our raw samples; a raw pipe forgets the layout, and 6 channels are not "5.1(side)"."""
    shape = {"ac": str(channels)} if layout is None else {"channel_layout": layout}
    return {"f": f"f{bits}le", "ar": str(sample_rate), **shape, "protocol_whitelist": PROTOCOLS}


def url(path: Path | str) -> str:
    """The name of a local file as ffmpeg must be given it, so that no part of it is read as a protocol or an option."""
    return "file:" + os.fspath(path)


def compile_graph(graph: Any, values: Mapping[str, str | Sequence[str]]) -> list[str]:
    """Compile a ffmpeg-python graph, then put in the values that ffmpeg-python cannot carry.

    It hashes its arguments as UTF-8, which a file name in another encoding breaks, and it turns a list into its `repr`
    instead of repeating the option. So both travel as short stand-ins.

    Args:
        graph: an output node of ffmpeg-python.
        values: stand-in -> the argument to put there, or several, for each of which the option is repeated.

    Returns:
        The whole command line, of the ffmpeg that `find_ffmpeg` finds.

    Raises:
        FfmpegError: there is no ffmpeg.
    """
    arguments: list[str] = []
    for argument in graph.compile(cmd=find_ffmpeg()):
        value = values.get(argument)
        if value is None:
            arguments.append(argument)
        elif isinstance(value, str):
            arguments.append(value)
        else:
            option = arguments.pop()
            for one in value:
                arguments += [option, one]
    return [arguments[0], *QUIET, *arguments[1:]]
