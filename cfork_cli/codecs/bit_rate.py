"""Estimate a sound track's bit rate from a few looks at it, where its container does not store it (Matroska mostly)."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

import ffmpeg

from cfork_cli.codecs.candidates import is_lossless
from cfork_cli.errors import UsageError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import compile_graph, url
from cfork_cli.ffmpeg.complaints import may_pass
from cfork_cli.ffmpeg.demuxers import GUARD
from cfork_cli.ffmpeg.remember import Passing, fingerprint, remembered
from cfork_cli.media.types import Media, Stream

_LOOK_SECONDS = 10.0
_PLACES = (0.0, 0.3, 0.6)


def with_bit_rate(media: Media, track: Stream) -> Stream:
    """Return the track with a bit rate, if one can be found: that of its densest look, since a track of a variable rate
    shall lose nothing anywhere. Lossless tracks come back as they are.

    Raises:
        FfmpegError: ffmpeg cannot be run.
    """
    if track.bit_rate is not None or is_lossless(track) or not track.sample_rate:
        return track
    length = track.duration_seconds or media.duration_seconds or 0.0
    found = _densest(media.path, fingerprint(media.path), track.index, length)
    return replace(track, bit_rate=found) if found > 0 else track


@remembered(256)
def _densest(path: Path, file: Hashable, index: int, length: float) -> int:
    """Return the bits a second of the densest look at a stream, 0 if there is nothing to see. length: seconds, or 0."""
    starts = [length * place for place in _PLACES] if length > 3 * _LOOK_SECONDS else [0.0]
    # less than a look's length comes where the film is shorter
    seconds = min(_LOOK_SECONDS, length) if length > 0 else _LOOK_SECONDS
    looks = process.run_together([_look(path, index, start, seconds) for start in starts])
    most = max(_bytes(look.output) if look.status == 0 else 0 for look in looks)
    found = round(most * 8 / seconds)
    if any(look.status != 0 and may_pass(look.status, look.log) for look in looks):
        raise Passing(found)
    return found


def _look(path: Path, index: int, start: float, seconds: float) -> list[str]:
    """Return the command that writes a line about each packet of such a part."""
    seek = {"ss": f"{start:.3f}"} if start > 0 else {}
    film = ffmpeg.input("FILM", **GUARD, **seek)
    graph = ffmpeg.output(film[str(index)], "pipe:1", f="framecrc", c="copy", t=f"{seconds:.3f}")
    return compile_graph(graph, {"FILM": url(path)})


def _bytes(told: bytes) -> int:
    """Return the size of the packets that ffmpeg tells of: stream, times, duration, size, checksum.

    >>> _bytes(b"#tb 0: 1/1000\\n0,          0,          0,       24,     1536, 0x9a3d\\n")
    1536
    """
    return sum(int(size) for size in re.findall(rb"^\d+(?:, *-?\d+){3}, *(\d+),", told, re.MULTILINE))


def parse_bit_rate(text: str) -> int:
    """Read a bit rate: "320k", "1.5M" or "320000", in bits a second; a bare number that is too small is in thousands.

    Raises:
        UsageError: it is anything else, or no rate of sound.

    >>> parse_bit_rate("320k"), parse_bit_rate("1.5M"), parse_bit_rate("320")
    (320000, 1500000, 320000)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([km]?)(?:b|bit)?(?:/s|ps)?", text.strip().lower())
    rate = round(float(match[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[2]]) if match else 0
    if match and not match[2] and rate < 6_000:
        rate *= 1_000
    if not 6_000 <= rate <= 20_000_000:
        raise UsageError(f"'{text}' is not a bit rate of sound: give bits a second, such as 320k or 1.5M")
    return rate
