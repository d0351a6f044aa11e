"""WAV headers: of files whose size is not known before (they become RF64 over 4 GiB), and of pipes, whose never is.

The layout follows EBU Tech 3306: room for the 64-bit sizes is kept at the start, as a chunk that readers skip, and only
becomes one of sizes in a file that needs it. Smaller files are plain WAV, for every old program.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cfork_cli.media import layouts

RIFF_BYTES = 2**32 - 1
"""The most that a plain WAV file holds; beyond, it is RF64."""

UNKNOWN = 0xFFFFFFFF
"""The size in the header of a pipe."""

_SIZES = 28  # bytes of a chunk of 64-bit sizes: RIFF, data, samples; and an empty table
_SPEAKERS = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR",
)  # fmt: skip
"""The bits of a channel mask, from the lowest; ffmpeg's names, and ffmpeg's order of the samples."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID = bytes.fromhex("000000001000800000aa00389b71")  # the rest of an extensible format's name, after its number


@dataclass(frozen=True)
class Format:
    """Format of a WAV's samples. bits: 32 are floats, all others signed integers. mask: speakers, 0 for unknown."""

    sample_rate: int
    channels: int
    bits: int
    mask: int = 0

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return self.channels * self.bits // 8

    def _chunk(self) -> bytes:
        kind = _FLOAT if self.bits == 32 else _PCM
        usual = {1: 4, 2: 3}.get(self.channels, 0)
        extended = self.channels > 2 or self.mask not in (0, usual)
        fields = struct.pack(
            "<HHIIHH", _EXTENSIBLE if extended else kind, self.channels, self.sample_rate,
            self.sample_rate * self.frame_bytes, self.frame_bytes, self.bits,
        )  # fmt: skip
        if extended:
            fields += struct.pack("<HHIH", 22, self.bits, self.mask, kind) + _GUID
        return b"fmt " + struct.pack("<I", len(fields)) + fields

    def header(self, samples: int | None, *, riff_bytes: int = RIFF_BYTES) -> bytes:
        """Return everything before the first sample; its length does not depend on the number of samples.

        Args:
            samples: of each channel; None for a pipe, where nobody knows.
            riff_bytes: the most that a plain WAV file holds (smaller in tests).
        """
        format_chunk = self._chunk()
        if self.bits == 32:  # formats other than integers have to store their length
            format_chunk += b"fact" + struct.pack("<II", 4, UNKNOWN if samples is None else min(samples, UNKNOWN))
        if samples is None:
            return _chunk_start(b"RIFF", UNKNOWN) + b"WAVE" + format_chunk + _chunk_start(b"data", UNKNOWN)
        data = samples * self.frame_bytes
        whole = 4 + 8 + _SIZES + len(format_chunk) + 8 + data + data % 2
        if whole <= riff_bytes:
            room = _chunk_start(b"JUNK", _SIZES) + bytes(_SIZES)
            return _chunk_start(b"RIFF", whole) + b"WAVE" + room + format_chunk + _chunk_start(b"data", data)
        sizes = _chunk_start(b"ds64", _SIZES) + struct.pack("<QQQI", whole, data, samples, 0)
        return _chunk_start(b"RF64", UNKNOWN) + b"WAVE" + sizes + format_chunk + _chunk_start(b"data", UNKNOWN)


def _chunk_start(name: bytes, size: int) -> bytes:
    return name + struct.pack("<I", size)


def channel_mask(layout: str | None) -> int:
    """Return the speakers of one of ffmpeg's layouts as WAV's bits; 0 if it is unknown, or has others than WAV has.

    Raises:
        FfmpegError: ffmpeg cannot be run.
    """
    places = layouts.speakers(layout) or ()
    bits = [_SPEAKERS.index(speaker) for speaker in places if speaker in _SPEAKERS]
    # a mask says nothing of the order, which is always that of the bits
    return sum(1 << bit for bit in bits) if len(bits) == len(places) and bits == sorted(set(bits)) else 0


def _made_up(data: int) -> bool:
    """Return whether a size is what programs write into a pipe: nothing, all ones, or about 2 GiB (sox, arecord)."""
    return data == 0 or 0x7FFF0000 <= data <= 0x80000000 or data >= 0xFFFFF000


def stored_seconds(start: bytes) -> float | None:
    """Return the length of a WAV from its first bytes; None if it is no WAV, or was made for a pipe."""
    told = _told(start)
    return None if told is None or told[1] is None else told[1] / told[0]


def is_endless(start: bytes) -> bool:
    """Return whether these are the first bytes of a WAV that does not know its own length."""
    told = _told(start)
    return told is not None and told[1] is None


def _told(start: bytes) -> tuple[int, int | None] | None:
    """Return bytes a second and bytes of samples (None: made up) from a header; None if it is not (all) there."""
    if start[:4] not in (b"RIFF", b"RF64") or start[8:12] != b"WAVE":
        return None
    rate, size64, place = 0, None, 12
    while place + 8 <= len(start):
        name, size = struct.unpack_from("<4sI", start, place)
        if name == b"fmt " and place + 20 <= len(start):
            rate = struct.unpack_from("<I", start, place + 16)[0]
        elif name == b"ds64" and place + 24 <= len(start):
            size64 = struct.unpack_from("<Q", start, place + 16)[0]
        elif name == b"data":
            length = size64 if size == UNKNOWN and size64 else None if _made_up(size) else size
            return (rate, length) if rate else None
        place += 8 + size + size % 2
    return None
