"""Find the speaker of each channel of a layout by asking ffmpeg."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.remember import remembered


@remembered(4)
def standard_layouts() -> Mapping[str, tuple[str, ...]]:
    """Return ffmpeg's layouts: name -> speakers in the order of the channels ("5.1(side)": FL FR FC ...).

    Raises:
        FfmpegError: ffmpeg cannot be run.
    """
    text = process.answer("-layouts")
    rows = re.findall(r"^(\S+) +([A-Z0-9]+(?:\+[A-Z0-9]+)*)$", text.partition("layouts:")[2], re.MULTILINE)
    return {name: tuple(speakers.split("+")) for name, speakers in rows}


def speakers(layout: str | None) -> tuple[str, ...] | None:
    """Return the speaker of each channel ("FL", "LFE", ...); None if the layout is unknown.

    Args:
        layout: a name of ffmpeg's, or speakers joined by "+", as ffmpeg writes layouts that have no name.
    """
    if layout is None:
        return None
    if re.fullmatch(r"[A-Z]+[0-9]?(\+[A-Z]+[0-9]?)*", layout):
        return tuple(layout.split("+"))
    return standard_layouts().get(layout)


def pairs(layout: str | None, channels: int | None) -> tuple[tuple[int, int], ...]:
    """Return the places of the front left and right channels that may have a common middle. Where there is
    a center channel, voices are in that, and there is no pair."""
    if layout is None or layout in ("mono", "stereo"):
        return ((0, 1),) if channels == 2 else ()
    names = speakers(layout) or ()
    return ((names.index("FL"), names.index("FR")),) if {"FL", "FR"} <= {*names} and "FC" not in names else ()


def low_frequency(layout: str | None) -> tuple[int, ...]:
    """Return the places of the low-frequency channels (LFE): rumble for the subwoofer, with neither voices nor melodies
    that a network could tell apart."""
    if layout is None or layout in ("mono", "stereo"):
        return ()
    return tuple(place for place, name in enumerate(speakers(layout) or ()) if name.startswith("LFE"))
