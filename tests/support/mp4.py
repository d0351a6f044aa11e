"""MP4 files with what ffmpeg does not write."""

from __future__ import annotations

import struct
from pathlib import Path


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
