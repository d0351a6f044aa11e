"""Find out whether a film is encrypted: ffmpeg reads such files to their end, and gives noise or a riddle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cfork_cli.media import ebml, matroska
from cfork_cli.media.mov_titles import Boxes

_ENCRYPTED_ENTRIES = {b"encv", b"enca", b"enct", b"encs", b"drms", b"drmi"}
"""Sample entries of protected tracks: Common Encryption (ISO/IEC 23001-7), and FairPlay."""
_ENTRY_TABLE_BYTES = 8
_CONTENT_ENCODINGS, _CONTENT_ENCODING, _CONTENT_ENCRYPTION = (bytes.fromhex(one) for one in ("6d80", "6240", "5035"))
_LOOK_BYTES = 1 << 20
_SYNC = 0x47
_ASF_KEYS = (bytes.fromhex("fbb31122 23bdd211 b4b700a0 c955fc6e"), bytes.fromhex("14e68a29 2226174c b935dae0 7ee9289c"))
"""GUIDs of ASF's objects with keys: Content Encryption, Extended Content Encryption."""
_ASF = bytes.fromhex("3026b275 8e66cf11 a6d900aa 0062ce6c")


def encryption(path: Path) -> str | None:
    """Return how the film is encrypted, in words; None if it is not, or if nothing tells."""
    try:
        with path.open("rb") as file:
            start = file.read(_LOOK_BYTES)
            if start[4:8] in (b"ftyp", b"styp", b"moov", b"moof", b"free", b"skip", b"wide", b"mdat", b"sidx"):
                return _in_mp4(file)
            if start[:4] == b"\x1a\x45\xdf\xa3":
                return _in_matroska(path)
            if start[:16] == _ASF:
                return "Windows Media DRM" if any(key in start[:65_536] for key in _ASF_KEYS) else None
            return _in_packets(start) or _in_sectors(start)
    except (OSError, ValueError):
        return None


def _in_mp4(file: BinaryIO) -> str | None:
    size = file.seek(0, 2)
    path = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    for begin, end in _inside(Boxes(file), 0, size, path):
        file.seek(begin + _ENTRY_TABLE_BYTES)
        kind = file.read(min(8, max(0, end - begin)))[4:8]
        if kind in _ENCRYPTED_ENTRIES:
            return "FairPlay" if kind.startswith(b"drm") else "Common Encryption"
    return None


def _inside(boxes: Boxes, begin: int, end: int, path: tuple[bytes, ...]) -> Iterator[tuple[int, int]]:
    for first, last in boxes.inside(begin, end, path[0]):
        if len(path) == 1:
            yield first, last
        else:
            yield from _inside(boxes, first, last, path[1:])


def _in_matroska(path: Path) -> str | None:
    for track in matroska.read(path).tracks:
        for name, inner in ebml.children(ebml.first(track, _CONTENT_ENCODINGS) or b""):
            if name == _CONTENT_ENCODING and ebml.first(inner, _CONTENT_ENCRYPTION) is not None:
                return "Matroska's encryption"
    return None


def _in_packets(start: bytes) -> str | None:
    """MPEG-TS: two bits of each packet tell whether it is scrambled. Blu-ray's are encrypted beyond that."""
    for length, sync in ((188, 0), (192, 4)):
        heads = [start[place : place + 4] for place in range(sync, len(start) - 4, length)]
        told = [head for head in heads if head[0] == _SYNC]
        if length == 192 and heads and heads[0][0] == _SYNC and start[0] & 0xC0 and len(told) < len(heads) // 2:
            return "AACS, as Blu-ray discs are"
        if len(heads) < 4 or len(told) < 0.9 * len(heads):
            continue
        media = [head for head in told if 0x20 <= (head[1] & 0x1F) << 8 | head[2] < 0x1FFF]
        scrambled = [head for head in media if head[3] & 0xC0]
        return "a broadcaster's scrambling" if len(scrambled) > len(media) / 2 else None
    return None


def _in_sectors(start: bytes) -> str | None:
    """Program streams of DVDs: sectors of 2048 bytes, one packet in each, which tells whether it is scrambled."""
    sectors = [start[place : place + 24] for place in range(0, len(start) - 24, 2048)]
    if len(sectors) < 2 or any(sector[:4] != b"\0\0\1\xba" for sector in sectors):
        return None
    media = [sector for sector in sectors if sector[14:17] == b"\0\0\1" and sector[17] & 0xE0 in (0xC0, 0xE0)]
    media = [sector for sector in media if sector[20] & 0xC0 == 0x80]
    return "CSS, as DVDs are" if media and sum(bool(one[20] & 0x30) for one in media) > len(media) / 2 else None
