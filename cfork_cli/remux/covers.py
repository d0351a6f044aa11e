"""Cover pictures and attachments, where a container keeps them outside its streams.

Matroska attaches files; Ogg carries a picture in a comment, coded as FLAC codes it, in base64 (RFC 9639, section 8.8).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from pathlib import Path

from cfork_cli.ffmpeg.command import url
from cfork_cli.media.types import Stream
from cfork_cli.remux.plan import FilmPlan

IN_A_COMMENT = {"ogg", "opus"}
"""Muxers of containers whose pictures are comments."""

IN_A_STREAM = {"mp4", "ipod", "mp3", "flac", "aiff", "nut"}
"""Muxers that take a picture for a cover if its stream is marked as one. Others make a film of it, or nothing."""

_FRONT_COVER = 3


def attachment_tags(stream: Stream) -> list[str]:
    """Return tags of a file in Matroska: players ignore one without name and type."""
    tags = dict(stream.tags)
    names = {key.lower() for key in tags}
    kind = "png" if stream.codec == "png" else "jpg"
    if "filename" not in names:
        tags["filename"] = f"cover.{kind}"  # the name by which players know it
    if "mimetype" not in names:
        tags["mimetype"] = _media_type(stream)
    return [f"{key}={value}" for key, value in tags.items()]


def picture_comment(stream: Stream, data: bytes) -> str:
    """Return a cover as the value of a comment METADATA_BLOCK_PICTURE. Width, height and depth may be 0: unknown."""
    media_type, about = _media_type(stream).encode(), (stream.title or "").encode()
    block = struct.pack(">II", _FRONT_COVER, len(media_type)) + media_type
    block += struct.pack(">I", len(about)) + about + struct.pack(">5I", 0, 0, 0, 0, len(data)) + data
    return base64.b64encode(block).decode("ascii")


def with_picture_comment(arguments: list[str], target: str, film: FilmPlan, files: Mapping[int, Path]) -> list[str]:
    """Return the command with one more input, which holds the picture as a tag: it is too long for a command line.

    ffmpeg-python has no words for an input without streams.

    Args:
        target: the output, as it stands in the command.
        files: see `command.build`.
    """
    pictures = [entry.stream for entry in film.entries if entry.action == "picture"]
    if not pictures:
        return arguments
    (stream,) = pictures
    file = files[stream.index]
    tags = file.with_name(f"{file.name}.tags")
    value = picture_comment(stream, file.read_bytes()).replace("=", "\\=")
    tags.write_text(f";FFMETADATA1\nMETADATA_BLOCK_PICTURE={value}\n", encoding="ascii")
    inputs = [place for place, argument in enumerate(arguments) if argument == "-i"]
    streams = [entry for entry in film.entries if entry.action != "picture"]
    sound = next(place for place, entry in enumerate(streams) if entry.stream.kind == "audio")
    last = arguments.index(target)
    # several -map_metadata for one stream add up
    return [
        *arguments[: inputs[-1] + 2], "-f", "ffmetadata", "-i", url(tags),
        *arguments[inputs[-1] + 2 : last], f"-map_metadata:s:{sound}", f"{len(inputs)}:g", *arguments[last:],
    ]  # fmt: skip


def _media_type(stream: Stream) -> str:
    names = {"png": "image/png", "bmp": "image/bmp", "gif": "image/gif", "webp": "image/webp"}
    return names.get(stream.codec, "image/jpeg")
