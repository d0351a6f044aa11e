"""MP4 files with what ffmpeg does not write."""

from __future__ import annotations

import struct
from pathlib import Path

IN_FRAGMENTS = ("-movflags", "frag_keyframe+empty_moov", "-frag_duration", "100000")
"""Options for a film in fragments of a tenth of a second."""


def promising(film: Path, count: int, ticks: int) -> Path:
    """A film whose tables promise so many samples of one byte, in a few bytes."""

    def again(data: bytes) -> bytes:
        out, place = b"", 0
        while place < len(data):
            size, name = struct.unpack_from(">I4s", data, place)
            content = data[place + 8 : place + size]
            place += size
            if name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
                content = again(content)
            elif name == b"stsz":
                content = struct.pack(">III", 0, 1, count)
            elif name == b"stsc":
                content = struct.pack(">IIIII", 0, 1, 1, count, 1)
            elif name == b"stts":
                content = struct.pack(">IIII", 0, 1, count, ticks)
            out += struct.pack(">I4s", len(content) + 8, name) + content
        return out

    path = film.with_name("promising.mp4")
    path.write_bytes(again(film.read_bytes()))
    return path


def promising_in_a_fragment(film: Path, count: int, name: str = "promising.mp4") -> Path:
    """A film in fragments, the last of which promises so many samples with its defaults: a byte each, 1,024 ticks."""
    data = film.read_bytes()
    begin = data.rindex(b"moof") - 4
    size = struct.unpack_from(">I", data, begin)[0]
    track = struct.unpack_from(">I", data, data.index(b"tfhd", begin) + 8)[0]
    defaults = struct.pack(">I4sIIIII", 28, b"tfhd", 0x020038, track, 1024, 1, 0)
    run = struct.pack(">I4sII", 16, b"trun", 0, count)
    fragment = struct.pack(">I4s", 8 + len(defaults + run), b"traf") + defaults + run
    header = data[begin + 8 : begin + 24]  # its number
    path = film.with_name(name)
    moof = struct.pack(">I4s", 8 + len(header + fragment), b"moof") + header + fragment
    path.write_bytes(data[:begin] + moof + data[begin + size :])
    return path
