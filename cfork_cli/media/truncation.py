"""Find out from a file's first or last bytes whether it was cut off; ffmpeg reads to the end and says nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cfork_cli.media import unsized, wav
from cfork_cli.media.types import Media

_TAIL_BYTES = 131_072  # more than the largest Ogg page, 65,307
_LAST_PAGE = 4  # a bit of an Ogg page's flags: nothing follows it
_HEADERS_BYTES = 4096
_SEGMENT = b"\x18\x53\x80\x67"
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # size, file's own name, then its size


def missing_share(media: Media) -> float:
    """Return the missing part of the file, where its first bytes store its size: AVI, WAV, MP3 with a Xing header.

    ffmpeg sees the size too, and quietly shortens the duration to what is there.
    """
    size = media.path.stat().st_size
    with media.path.open("rb") as file:
        start = file.read(_HEADERS_BYTES)
    if start[:4] == b"RIFF" and media.container in ("wav", "avi"):  # ACT has such a header too, with other numbers
        promised = int.from_bytes(start[4:8], "little") + 8
        made_up = promised >= 2**32 - 256 or wav.is_endless(start)  # written to a pipe: size unknown
        return 0.0 if made_up else max(0.0, 1 - size / promised)
    if media.container == "mp3":
        return _missing_of_mp3(media.path, size)
    return 0.0


def is_whole(media: Media) -> bool:
    """Return whether the first bytes of a Matroska or ASF file tell its size, and all of it is there.

    Then what it tells about its length says nothing against the sound: it may be that of a subtitle, or count time
    before the first packet.
    """
    size = media.path.stat().st_size
    with media.path.open("rb") as file:
        start = file.read(_HEADERS_BYTES)
    names = media.container.split(",")
    if "matroska" in names:
        at = start.find(_SEGMENT)
        if at < 0 or at + 12 > len(start):
            return False
        length = 9 - start[at + 4].bit_length()
        body = int.from_bytes(start[at + 4 : at + 4 + length], "big") & (1 << 7 * length) - 1
        return body != (1 << 7 * length) - 1 and size >= at + 4 + length + body  # all ones: unknown
    if "asf" in names:
        return 0 < _promised_by_asf(start) <= size
    return False


def cut_off(media: Media) -> bool:
    """Return whether the last bytes show that more was to come, of which nobody says how much.

    MPEG-TS consists of packets of one size; the last page of an Ogg file says that it is the last. ASF tells its size,
    and ffmpeg does not believe its length any more where that is not there. What was written into a pipe tells no size;
    it consists of pieces that do.
    """
    names = media.container.split(",")
    if "mpegts" in names:
        return _ends_within_a_packet(media.path)
    if "ogg" in names:
        return _lacks_its_last_page(media.path)
    if not {"asf", "flv", "avi"}.isdisjoint(names):
        with media.path.open("rb") as file:
            size, start = os.fstat(file.fileno()).st_size, file.read(_HEADERS_BYTES)
            if "flv" in names:
                return unsized.flv_is_cut(file, size, start)
            if "avi" in names:
                return unsized.avi_is_cut(file, size, start)
            if promised := _promised_by_asf(start):
                return media.duration_seconds is None and size < promised
            packet = _packet_of_asf(start)
            return packet > 0 and unsized.asf_is_cut(file, size, start, packet)
    return False


def _promised_by_asf(start: bytes) -> int:
    """The size of an ASF file, from its first bytes; 0 where it was not known: in a broadcast, or written to a pipe."""
    at = start.find(_ASF_PROPERTIES)
    properties = start[at : at + 104] if at >= 0 else b""
    is_broadcast = len(properties) < 104 or properties[88] & 1
    return 0 if is_broadcast else int.from_bytes(properties[40:48], "little")


def _packet_of_asf(start: bytes) -> int:
    """The size of the packets of an ASF file, if all have the same; else 0."""
    at = start.find(_ASF_PROPERTIES)
    least, most = (int.from_bytes(start[at + place : at + place + 4], "little") for place in (92, 96))
    return least if at >= 0 and least == most else 0


def _missing_of_mp3(path: Path, size: int) -> float:
    """The frame with the number of bytes comes first, after an ID3 tag of any size.

    >>> import tempfile; from pathlib import Path
    >>> head = b"\\xff\\xfb\\x90\\x44" + bytes(32) + b"Xing\\0\\0\\0\\3" + bytes(4) + (1000).to_bytes(4, "big")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.mp3"
    ...     size = path.write_bytes(head + bytes(250 - len(head)))
    ...     _missing_of_mp3(path, size)
    0.75
    """
    with path.open("rb") as file:
        tag = file.read(10)
        begin = 0
        if tag[:3] == b"ID3":
            begin = 10 + sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(tag[6:10]))
        file.seek(begin)
        start = file.read(_HEADERS_BYTES)
    found = re.search(rb"\xff[\xe2-\xff].{2}(?:.{9}|.{17}|.{32})(?:Xing|Info)(.{4})(.{8})", start, re.DOTALL)
    if found is None or found[1][3] & 3 != 3:  # it stores the number of frames, then that of bytes
        return 0.0
    promised = int.from_bytes(found[2][4:], "big")
    return max(0.0, 1 - (size - begin - found.start()) / promised) if promised else 0.0


def _ends_within_a_packet(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(_HEADERS_BYTES)
    for length, sync in ((188, 0), (192, 4), (204, 0)):
        places = range(sync, len(start), length)
        if len(places) > 1 and all(start[place] == 0x47 for place in places):
            return path.stat().st_size % length != 0
    return False


def _lacks_its_last_page(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
    at = tail.rfind(b"OggS\0")
    if at < 0 or len(tail) < at + 27:
        return True
    lengths = tail[at + 27 : at + 27 + tail[at + 26]]
    complete = len(lengths) == tail[at + 26] and len(tail) >= at + 27 + len(lengths) + sum(lengths)
    return not (complete and tail[at + 5] & _LAST_PAGE)
