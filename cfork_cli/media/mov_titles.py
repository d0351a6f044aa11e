"""Titles of the tracks of an MP4 or QuickTime file. They are kept as user data that ffmpeg 5.1 does not read, though it
writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

_LONGEST = 1000

MOST_BOXES = 200_000
"""That one look at a file goes through: a film of a day, in fragments of a second, has as many."""


def track_names(path: Path) -> list[str | None]:
    """The name of each track, in order (which is that of ffmpeg's streams); empty if there are no tracks."""
    names: list[str | None] = []
    with path.open("rb") as file:
        size, boxes = file.seek(0, 2), Boxes(file)
        for begin, end in boxes.inside(0, size, b"moov"):
            for start, stop in boxes.inside(begin, end, b"trak"):
                found = [
                    _text(file, first, last)
                    for data, after in boxes.inside(start, stop, b"udta")
                    for first, last in boxes.inside(data, after, b"name")
                ]
                names.append(next((name for name in found if name), None))
    return names


def add_titles(facts: Mapping[str, Any], path: Path) -> None:
    """Give the streams in ffprobe's JSON the titles that ffmpeg passes over."""
    names = track_names(path)
    for entry in facts.get("streams", []):
        name = names[entry["index"]] if entry["index"] < len(names) else None
        if name is not None:
            entry.setdefault("tags", {}).setdefault("title", name)


class Boxes:
    """The boxes of a file, up to so many in all that were looked at."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, MOST_BOXES

    def inside(self, begin: int, end: int, kind: bytes) -> Iterator[tuple[int, int]]:
        """Yield where the contents of the boxes of a kind begin and end; ISO/IEC 14496-12, section 4.2."""
        while begin + 8 <= end and self._left:
            self._left -= 1
            found = _box(self._file, begin, end)
            if found is None:
                return
            name, content, begin = found
            if name == kind:
                yield content, begin


def _box(file: BinaryIO, begin: int, end: int) -> tuple[bytes, int, int] | None:
    """Return kind, begin of the content, and end of a box; None if there is none."""
    file.seek(begin)
    head = file.read(16)
    size, content = int.from_bytes(head[:4], "big"), begin + 8
    if size == 1 and len(head) == 16:
        size, content = int.from_bytes(head[8:], "big"), begin + 16
    stop = end if size == 0 else begin + size
    return None if stop < content or stop > end else (head[4:8], content, stop)


def _text(file: BinaryIO, begin: int, end: int) -> str:
    file.seek(begin)
    data = file.read(min(end - begin, _LONGEST))
    try:
        return data.rstrip(b"\0").decode("utf-8").strip()
    except UnicodeDecodeError:
        return ""
