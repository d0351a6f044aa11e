"""How many samples the tables and fragments of an MP4 or QuickTime file promise: ffmpeg takes memory for each, whether
it is there or not.

Sizes that are all the same take four bytes, whatever their number (ISO/IEC 14496-12, section 8.7.3), and so do the
samples of a fragment that all have its defaults (section 8.8.8). Bare samples, each a tick long, are read chunk by
chunk, and do not count; in fragments they do.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cfork_cli.bounded import part
from cfork_cli.errors import InputError

MOST_SAMPLES = 24_000_000
"""Of all tracks together: five hours of TrueHD, or 140 of AAC. Each takes 24 bytes in every ffmpeg."""

MOST_READS = 1_000_000
"""Of a file: one for each box. A day in fragments of a second takes 700,000."""

_STARTS = (b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"free", b"skip", b"wide", b"mdat", b"pnot")
_INSIDE = {
    b"": (b"moov", b"moof"), b"moov": (b"trak",), b"trak": (b"mdia",), b"mdia": (b"hdlr", b"minf"), b"minf": (b"stbl",),
    b"stbl": (b"stsz", b"stz2", b"stts"), b"moof": (b"traf",), b"traf": (b"trun",),
}  # fmt: skip
_BYTES = {b"hdlr": 12, b"stsz": 12, b"stz2": 12, b"stts": 16, b"trun": 8}
"""Of the contents of boxes that hold no others, as many as are looked at."""

_Walk = Generator[float, bytes, None]
"""Asks for the next so many bytes, which are sent to it; where the number is negative, to pass over so many."""


def check(path: Path) -> None:
    """Refuse a file that promises too much.

    Raises:
        InputError: it does, and what to do.
    """
    _check(promised(path), path)


def promised(path: Path) -> int:
    """Return how many samples ffmpeg would keep an entry for; 0 for other files."""
    found = _Found()
    walk, place = found.walk(), 0.0
    with suppress(OSError, StopIteration), path.open("rb") as file:
        size, asked = file.seek(0, 2), next(walk)
        for _ in range(MOST_READS):
            while asked < 0:
                place -= asked
                asked = next(walk)
            if place + asked > size:
                break
            data = part(file, int(place), int(asked))
            place += asked
            asked = walk.send(data)
    found.end_track()
    return found.samples


class Passing:
    """Looks at what comes through a pipe, piece by piece."""

    def __init__(self, name: Path) -> None:
        self._name, self._found = name, _Found()
        self._walk = self._found.walk()
        self._asked = next(self._walk)
        self._data = b""

    @property
    def samples(self) -> int:
        """What was promised so far."""
        return self._found.samples

    def check(self, data: bytes) -> None:
        """Refuse an input that has promised too much, this piece included.

        Raises:
            InputError: it does, and what to do.
        """
        data, at = self._data + data, 0
        try:
            while at < len(data) >= at + self._asked:
                count = int(min(abs(self._asked), len(data) - at))
                at += count
                if self._asked >= 0:
                    self._asked = self._walk.send(data[at - count : at])
                else:
                    self._asked += count
                    self._asked = self._asked or next(self._walk)
        except StopIteration:  # another format, or one that is over
            self._asked, at = -math.inf, len(data)
        self._data = data[at:]
        _check(self._found.samples, self._name)

    def end(self) -> None:
        """Look at what is left where the pipe ends: ffmpeg ends a track there that says it is longer.

        Raises:
            InputError: it has promised too much, and what to do.
        """
        self._found.end_track()
        _check(self._found.samples, self._name)


def _check(samples: int, name: Path) -> None:
    if samples > MOST_SAMPLES:
        raise InputError(
            f"'{name}' promises more than {MOST_SAMPLES:,} samples, which take ffmpeg gigabytes: "
            "its header is damaged, or made to fill the memory; get it again"
        )


@dataclass
class _Found:
    """The samples of all tracks, and what is known of the track at hand."""

    samples: int = 0
    sizes: int = 0
    is_sound: bool = False
    is_bare: bool = False

    def walk(self) -> _Walk:
        """Go through all boxes, if this is such a file."""
        yield from self._boxes(b"", math.inf)

    def _boxes(self, around: bytes, left: float) -> _Walk:
        """Go through boxes of so many bytes in all; section 4.2."""
        is_first = around == b""
        while left >= 8:
            size, name = struct.unpack(">I4s", (yield 8))
            if is_first and name not in _STARTS:
                return
            is_first, used = False, 8
            if size == 1 and left >= 16:
                (size,), used = struct.unpack(">Q", (yield 8)), 16
            left -= used
            content = min(size - used, left) if size else left
            if content < 0:
                break
            left = left - content if content < left else 0.0  # what has no end leaves nothing
            if name not in _INSIDE[around]:
                yield -content
            elif name not in _BYTES:
                yield from self._container(name, content)
            else:
                looked_at = min(content, _BYTES[name])
                self._look(name, (yield looked_at))
                yield looked_at - content
        yield -left

    def _container(self, name: bytes, content: float) -> _Walk:
        yield from self._boxes(name, content)
        if name == b"trak":
            self.end_track()

    def end_track(self) -> None:
        """Count the track at hand, if there is one."""
        if not (self.is_sound and self.is_bare):
            self.samples += self.sizes
        self.sizes, self.is_sound, self.is_bare = 0, False, False

    def _look(self, name: bytes, data: bytes) -> None:
        if name == b"trun":
            self.samples += int.from_bytes(data[4:], "big")
        elif name == b"hdlr":
            self.is_sound |= data[8:] == b"soun"
        elif name == b"stts":
            self.is_bare = data[4:8] == b"\0\0\0\1" and data[12:] == b"\0\0\0\1"
        else:
            self.sizes += int.from_bytes(data[8:], "big")
