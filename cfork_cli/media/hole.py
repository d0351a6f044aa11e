"""Files that end in a hole: a download that was given its size at once and never finished. A hole takes no room on the
disk, and in many formats ffmpeg looks through all of it for the next packet.
"""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

LEAST_BYTES = 1 << 30
"""Of a hole that is looked for, at the end of a file. Zeros that were really stored are rarely a hole, and silence of
such a size is found in bare samples alone."""

_HEADER_BYTES = 4096
_BARE = (b"riff", b"FORM", b".snd", b"FRM8", b"DSD ", b"\x06\x0e\x2b\x34", b"Creative")
"""How files begin that may hold bare samples to their end."""


def ends_in_hole(path: Path) -> bool:
    """Return whether the last `LEAST_BYTES` of a file, or more, are a hole, and no samples that it tells of.

    Raises:
        OSError: it cannot be read.
    """
    if not hasattr(os, "SEEK_DATA"):  # Windows
        return False
    with path.open("rb", buffering=0) as file:
        last = os.fstat(file.fileno()).st_size - LEAST_BYTES
        if last <= 0 or not _is_hole(file.fileno(), last):
            return False
        file.seek(0)
        start = file.read(_HEADER_BYTES) or b""
    if start.startswith((b"RIFF", b"RF64", b"caff")):
        end = _samples_end(start)
        return end is not None and end <= last
    return not start.startswith(_BARE)


def _is_hole(descriptor: int, place: int) -> bool:
    """Return whether nothing is stored from a place on."""
    try:
        os.lseek(descriptor, place, os.SEEK_DATA)
    except OSError as error:
        return error.errno == errno.ENXIO
    return False


def _samples_end(start: bytes) -> int | None:
    """Return where the samples of a WAV or CAF end, from its first bytes; None where it does not tell."""
    is_caf = start.startswith(b"caff")
    place, head, long = (8, ">4sq", 0) if is_caf else (12, "<4sI", 0)
    if not is_caf and start[8:12] != b"WAVE":
        return None
    width = struct.calcsize(head)
    while place + width <= len(start):
        name, size = struct.unpack_from(head, start, place)
        if name == b"ds64" and place + 24 <= len(start):
            long = struct.unpack_from("<Q", start, place + 16)[0]
        if name == b"data":
            size = long if size == 0xFFFFFFFF else size
            return None if size <= 0 else place + width + size
        if size < 0:
            return None
        place += width + size + (0 if is_caf else size % 2)
    return None
