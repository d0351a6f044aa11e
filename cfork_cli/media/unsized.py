"""Ends of files that were written into a pipe, so that their first bytes tell neither size nor length: FLV, AVI, ASF.

Each is a chain of pieces that tell their own size. A file that ends within one was cut off; one that ends between two
may have been.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from cfork_cli.bounded import part

_FLV_TAG = 11
"""Bytes of a tag before its data; after it comes the size of both, which leads back to it."""
_FLV_LENGTH = b"\0\x08duration\0"

_AVI_TAIL_BYTES = (1 << 18, 1 << 24)
"""The last packets are looked for in as many bytes; where a picture is larger than the first, in more."""
_AVI_CHUNK = re.compile(rb"(?:\d\d(?:d[bc]|wb|tx|pc|iv|__)|ix\d\d|idx1|JUNK|LIST|rec )")
_AVI_LEAST = 3
"""Chunks that lead to one another: two bytes that look like one may stand anywhere."""

_ASF_INDEXES = tuple(map(bytes.fromhex, (
    "90080033b1e5cf1189f400a0c90349cb", "d329e2d6da35d111903400a0c90349be", "f803b1fead12644c840f2a1d2f7ad48c",
)))  # fmt: skip
"""GUIDs of the index objects that may follow the packets: simple, of all streams, of media objects."""
_ASF_END = b"$E"
_ASF_DATA_HEAD, _ASF_END_BYTES = 50, 12
_ASF_MOST_INDEX = 1 << 20
"""Bytes at the end in which an index is looked for: a day of it has half as many."""


def flv_is_cut(file: BinaryIO, size: int, start: bytes) -> bool:
    """Return whether an FLV file that tells no length ends within a tag (Adobe's specification 10.1, annex E).

    Some writers leave the sizes after the tags away; then nothing is told.
    """
    at = start.find(_FLV_LENGTH)
    told = start[at + len(_FLV_LENGTH) :][:8] if at >= 0 else b""
    if len(told) == 8 and struct.unpack(">d", told)[0] > 0:
        return False
    first = int.from_bytes(start[5:9], "big") + 4
    after = first + _FLV_TAG + int.from_bytes(start[first + 1 : first + 4], "big")
    if int.from_bytes(part(file, after, 4), "big") != after - first:
        return False
    back = int.from_bytes(part(file, size - 4, 4), "big")
    if not _FLV_TAG <= back <= size - 4 - first:
        return True
    return int.from_bytes(part(file, size - 4 - back + 1, 3), "big") != back - _FLV_TAG


def avi_is_cut(file: BinaryIO, size: int, start: bytes) -> bool:
    """Return whether an AVI file whose RIFF list tells no size ends within a chunk.

    Raises:
        OSError: it cannot be read.
    """
    if not (int.from_bytes(start[4:8], "little") or 0xFFFFFFFF) >= 0xFFFFFF00:
        return False
    for most in _AVI_TAIL_BYTES:
        begin = max(0, size - most)
        tail = part(file, begin, size - begin)
        for found in _AVI_CHUNK.finditer(tail):
            count, is_cut = _avi_chain(tail, found.start())
            if count >= _AVI_LEAST:
                return is_cut
    return False


def _avi_chain(tail: bytes, place: int) -> tuple[int, bool]:
    """Return how many chunks follow one another from a place to the end, 0 if they do not, and whether that is cut."""
    count, end = 0, place
    while place + 8 <= len(tail):
        if not _AVI_CHUNK.match(tail, place):
            return 0, False
        length = int.from_bytes(tail[place + 4 : place + 8], "little")
        within = tail[place : place + 4] in (b"LIST", b"rec ")
        end = place + (12 if within else 8 + length)
        place, count = end + (0 if within else length % 2), count + 1
    if place < len(tail):
        return count, tail[place : place + 2].isdigit()  # a head that is not all there
    return count, end > len(tail)  # the byte that evens an odd size is not missed


def asf_is_cut(file: BinaryIO, size: int, start: bytes, packet: int) -> bool:
    """Return whether an ASF file ends within a packet, or within what follows them (ASF specification, sections 5, 6).

    Args:
        packet: the size of all its packets.
    """
    place = int.from_bytes(start[16:24], "little") + _ASF_DATA_HEAD
    rest = (size - place) % packet if size > place else 0
    for begin in range(size - rest, max(place, size - _ASF_MOST_INDEX) - 1, -packet):
        at = begin
        while (head := part(file, at, 24))[:16] in _ASF_INDEXES and len(head) == 24:
            at += max(24, int.from_bytes(head[16:], "little"))
        if at > size:
            return True
        if at > begin or begin == size - rest:
            left = size - at
            if left == 0 or (left == _ASF_END_BYTES and part(file, at, 2) == _ASF_END):
                return False
    return rest != 0
