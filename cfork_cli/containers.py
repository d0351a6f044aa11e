"""Kinds of files: what ffmpeg calls them, and what is special about some."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cfork_cli.errors import UsageError
from cfork_cli.probe import Media

_BY_SUFFIX: Mapping[str, str] = {
    **dict.fromkeys((".mkv", ".mka", ".mk3d", ".mks"), "matroska"),
    ".webm": "webm",
    **dict.fromkeys((".mp4", ".m4v"), "mp4"),
    **dict.fromkeys((".m4a", ".m4b"), "ipod"),
    **dict.fromkeys((".mov", ".qt"), "mov"),
    ".3gp": "3gp",
    ".3g2": "3g2",
    **dict.fromkeys((".ts", ".m2ts", ".mts", ".m2t", ".trp"), "mpegts"),
    **dict.fromkeys((".mpg", ".mpeg", ".vob", ".m2p"), "vob"),
    ".avi": "avi",
    **dict.fromkeys((".wmv", ".wma", ".asf"), "asf"),
    ".flv": "flv",
    ".mxf": "mxf",
    **dict.fromkeys((".ogg", ".oga", ".ogv"), "ogg"),
    ".opus": "opus",
    ".wav": "wav",
    ".w64": "w64",
    ".flac": "flac",
    ".mp3": "mp3",
    ".aac": "adts",
    ".ac3": "ac3",
    ".eac3": "eac3",
    ".aif": "aiff",
    ".aiff": "aiff",
    ".caf": "caf",
    ".nut": "nut",
}

_BY_DEMUXER: Mapping[str, str] = {
    "matroska": "matroska",
    "mov": "mp4",
    "mpeg": "vob",
    "aac": "adts",
}
"""Muxers whose name is not the demuxer's."""

MOV_FAMILY = {"mp4", "mov", "ipod", "3gp", "3g2"}
"""Muxers that write QuickTime's file format."""

ANCHORED = {"matroska", "webm", "mov", "mp4", "avi", "wav", "w64", "flac", "mp3", "aiff", "caf"}
"""Containers in which time zero does not depend on which streams are used (see `decode.clock_streams`)."""


def container_for(output: Path, media: Media) -> str:
    """ffmpeg's name for the kind of file to write: by the output's suffix, else the film's own kind.

    Raises:
        UsageError: neither is known.
    """
    named = _BY_SUFFIX.get(output.suffix.lower())
    if named is not None:
        return named
    if "mov" in media.container.split(",") and media.tags.get("major_brand", "").strip() == "qt":
        return "mov"
    first = media.container.split(",")[0]
    known = _BY_DEMUXER.get(first, first)
    if known not in _BY_SUFFIX.values():
        raise UsageError(
            f"'{output.name}' does not say what kind of file to write: give it a suffix such as .mkv or .mp4"
        )
    return known
