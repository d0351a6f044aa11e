"""The head of a finished Matroska file, taken apart and written again in its place: no cluster is touched.

It lies between the list of elements and the first cluster. What is written anew has the same room; what does not fit
goes to the end of the file, as mkvpropedit does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from cfork_cli.media import ebml, matroska

_SIZE_BYTES = 8

MOST_BYTES = 256 << 20
"""Of a head, attachments included: to write it anew takes four times as much memory."""


@dataclass
class Layout:
    """The head of a file. parts: name -> content. begin, end: the room for them. cues: where those are, in the
    segment."""

    segment: int
    size_at: int
    begin: int
    end: int
    parts: dict[bytes, bytes]
    cues: int | None


def read(file: BinaryIO) -> Layout:
    """Take the head of a file apart.

    Raises:
        ValueError: it is not as ffmpeg writes it.
    """
    segment = matroska.segment_begin(file)
    places = {name: (begin, end) for name, begin, end in matroska.top_elements(file)}
    place, parts = segment, dict[bytes, bytes]()
    while True:
        name, size, begin = ebml.read_head_at(file, place)
        if name == matroska.CLUSTER:
            break
        if size is None:
            raise ValueError("an element without end before the first cluster")
        if begin + size - segment > MOST_BYTES:
            raise ValueError("a head too large to be written anew in memory")
        if name not in (matroska.SEEK_HEAD, ebml.VOID):
            file.seek(begin)
            parts[name] = ebml.whole(ebml.children(file.read(size)))  # without its checksum
        place = begin + size
    if not {matroska.INFO, matroska.TRACKS} <= parts.keys() or matroska.CUES in parts:
        raise ValueError("no head as ffmpeg writes it")
    cues = None
    if matroska.CUES in places:
        # its head is as long as ffmpeg makes it: found by looking back
        begin, end = places[matroska.CUES]
        cues = next(
            begin - back - segment for back in range(5, 13) if _begins_at(file, begin - back, matroska.CUES, begin, end)
        )
    return Layout(segment, segment - _SIZE_BYTES, segment, place, parts, cues)


def _begins_at(file: BinaryIO, place: int, name: bytes, begin: int, end: int) -> bool:
    try:
        found, size, inside = ebml.read_head_at(file, place)
    except ValueError:
        return False
    return (found, inside) == (name, begin) and size == end - begin


def write(file: BinaryIO, layout: Layout) -> bool:
    """Write the head: the list of elements, then those that fit, the rest at the file's end. Returns whether the tracks
    fit, before anything is written."""
    order = [matroska.INFO, matroska.TRACKS]
    order += [name for name in layout.parts if name not in (*order, matroska.CHAPTERS, matroska.TAGS)]
    order += [name for name in (matroska.CHAPTERS, matroska.TAGS) if name in layout.parts]
    encoded = {name: ebml.element(name, ebml.with_checksum(layout.parts[name]), _SIZE_BYTES) for name in order}
    room = layout.end - layout.begin
    longest_list = len(_seek_head(dict.fromkeys([*encoded, matroska.CUES], 2**40)))
    inside: list[bytes] = []
    used = longest_list + 2
    for name in order:
        # two bytes more, so that what is left over can be filled
        if used + len(encoded[name]) + 2 <= room:
            inside.append(name)
            used += len(encoded[name])
    if not {matroska.INFO, matroska.TRACKS} <= set(inside):
        return False
    at, place = {}, longest_list + 2
    for name in inside:
        at[name] = place
        place += len(encoded[name])
    end = file.seek(0, 2)
    for name in order:
        if name not in inside:
            at[name] = end - layout.segment
            file.write(encoded[name])
            end += len(encoded[name])
    if layout.cues is not None:
        at[matroska.CUES] = layout.cues
    seeks = _seek_head(at)
    head = seeks + ebml.void(longest_list + 2 - len(seeks))
    body = b"".join(encoded[name] for name in inside)
    file.seek(layout.begin)
    file.write(head + body + ebml.void(room - len(head) - len(body)))
    file.seek(layout.size_at)
    raw = file.read(_SIZE_BYTES)
    if raw[:1] == b"\x01" and raw != b"\x01" + b"\xff" * 7:
        file.seek(layout.size_at)
        file.write(ebml.size(end - layout.segment, _SIZE_BYTES))
    return True


def _seek_head(at: Mapping[bytes, int]) -> bytes:
    seeks = b"".join(
        ebml.element(matroska.SEEK, ebml.element(matroska.SEEK_ID, name) + ebml.number(matroska.SEEK_POSITION, place))
        for name, place in sorted(at.items(), key=lambda one: one[1])
    )
    return ebml.element(matroska.SEEK_HEAD, ebml.with_checksum(seeks))
