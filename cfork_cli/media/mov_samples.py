"""How many samples the tables and fragments of an MP4 or QuickTime file promise: ffmpeg takes memory for each, whether
it is there or not.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from cfork_cli.bounded import part
from cfork_cli.media.mov_titles import Boxes

MOST_SAMPLES = 24_000_000
"""Of all tracks together: five hours of TrueHD, or 140 of AAC. Each takes 24 bytes in every ffmpeg."""

_STARTS = (b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"free", b"skip", b"wide", b"mdat", b"pnot")


def promised(path: Path) -> int:
    """Return how many samples ffmpeg would keep an entry for; 0 for other files.

    Sizes that are all the same take four bytes, whatever their number (ISO/IEC 14496-12, section 8.7.3), and so do the
    samples of a fragment that all have its defaults (section 8.8.8). Bare samples, each a tick long, are read chunk by
    chunk, and do not count; in fragments they do.
    """
    try:
        with path.open("rb") as file:
            if file.read(8)[4:] not in _STARTS:
                return 0
            whole, boxes = (0, file.seek(0, 2)), Boxes(file)
            in_tables = sum(
                _in_table(file, boxes, *place, is_sound=_is_sound(file, boxes, *media))
                for media in _inside(boxes, [whole], (b"moov", b"trak", b"mdia"))
                for place in _inside(boxes, [media], (b"minf", b"stbl"))
            )
            return in_tables + _in_fragments(file, *whole)
    except OSError:
        return 0


def _in_fragments(file: BinaryIO, begin: int, end: int) -> int:
    boxes, found = Boxes(file), 0
    for moof in boxes.inside(begin, end, b"moof"):
        for place, _ in _inside(boxes, [moof], (b"traf", b"trun")):
            found += int.from_bytes(part(file, place, 8)[4:], "big")
        if found > MOST_SAMPLES:
            break
    return found


def _inside(boxes: Boxes, places: list[tuple[int, int]], path: tuple[bytes, ...]) -> list[tuple[int, int]]:
    for kind in path:
        places = [inner for begin, end in places for inner in boxes.inside(begin, end, kind)]
    return places


def _is_sound(file: BinaryIO, boxes: Boxes, begin: int, end: int) -> bool:
    return any(part(file, place, 12)[8:] == b"soun" for place, _ in boxes.inside(begin, end, b"hdlr"))


def _in_table(file: BinaryIO, boxes: Boxes, begin: int, end: int, *, is_sound: bool) -> int:
    counts = [
        int.from_bytes(part(file, place, 12)[8:], "big")
        for kind in (b"stsz", b"stz2")
        for place, _ in boxes.inside(begin, end, kind)
    ]
    times = [part(file, place, 16)[4:] for place, _ in boxes.inside(begin, end, b"stts")]
    is_bare = is_sound and bool(times) and all(one[:4] == b"\0\0\0\1" and one[8:] == b"\0\0\0\1" for one in times)
    return 0 if is_bare else sum(counts)
