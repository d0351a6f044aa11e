"""Damage to bytes: pure functions of the bytes and of a generator of random numbers."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

Mutator = Callable[[bytes, random.Random], bytes]

MARKS = (
    b"RIFF", b"data", b"fmt ", b"LIST", b"idx1", b"movi", b"hdrl", b"moov", b"mdat", b"trak", b"stsz", b"stco", b"stts",
    b"elst", b"udta", b"meta", b"moof", b"ftyp", b"OggS", b"OpusHead", b"vorbis", b"fLaC", b"ID3", b"Xing", b"FORM",
    b"COMM", b"SSND", b"FLV", b"\x1f\x43\xb6\x75", b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\x15\x49\xa9\x66",
    b"\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xbd", b"\x06\x0e\x2b\x34", b"\x30\x26\xb2\x75", b"__metadata__",
    b"data_offsets", b"shape", b"dtype", b"PK\x03\x04", b"PK\x01\x02",
)  # fmt: skip
"""Where the boxes, chunks, pages and elements of our containers and files of weights begin."""

EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
BLOCKS = (188, 192, 512, 2048, 4096)


def bits(data: bytes, draw: random.Random) -> bytes:
    """Flip 1 to 16 bits anywhere."""
    return _flipped(data, draw, len(data))


def head(data: bytes, draw: random.Random) -> bytes:
    """Flip 1 to 16 bits of the first 600 bytes, where headers are."""
    return _flipped(data, draw, min(len(data), 600))


def _flipped(data: bytes, draw: random.Random, end: int) -> bytes:
    new = bytearray(data)
    for _ in range(draw.randint(1, 16)):
        new[draw.randrange(end)] ^= 1 << draw.randrange(8)
    return bytes(new)


def run(data: bytes, draw: random.Random) -> bytes:
    """Overwrite a run by zeros, ones or noise, as a bad sector or a hole of a download does."""
    length = draw.randint(1, max(1, len(data) // 6))
    at = draw.randrange(max(1, len(data) - length))
    filling = draw.choice((bytes(length), b"\xff" * length, draw.randbytes(length)))
    return data[:at] + filling + data[at + length :]


def cut(data: bytes, draw: random.Random) -> bytes:
    """Cut it off: anywhere, at a block, or at or just behind a mark."""
    block = draw.choice(BLOCKS)
    at = draw.choice((
        draw.randrange(len(data)), draw.randrange(len(data) // block + 1) * block, _marked(data, draw),
        _marked(data, draw) + draw.choice((1, 4, 8, 12)), len(data) - draw.randint(1, min(64, len(data))),
    ))  # fmt: skip
    return data[:at]


def swap(data: bytes, draw: random.Random) -> bytes:
    """Exchange two blocks of one size."""
    size = min(draw.choice((16, 188, 512, 1024)), max(1, len(data) // 3))
    first = draw.randrange(max(1, len(data) - 2 * size))
    second = draw.randrange(first + size, max(first + size + 1, len(data) - size + 1))
    middle = data[first + size : second]
    return data[:first] + data[second : second + size] + middle + data[first : first + size] + data[second + size :]


def size(data: bytes, draw: random.Random) -> bytes:
    """Write an extreme number where a size, a count or an offset may be: just before or behind a mark."""
    form = draw.choice(("<I", ">I", "<Q", ">Q", "<H", ">H", "B"))
    width = struct.calcsize(form)
    value = draw.choice((*EXTREMES, len(data), 2 * len(data), 2 ** (8 * width) - 1)) % 2 ** (8 * width)
    at = max(0, _marked(data, draw) + draw.choice((-8, -4, 1, 4, 4, 8, 12, 16, 20, 24)))
    return data[:at] + struct.pack(form, value) + data[at + width :]


def digits(data: bytes, draw: random.Random) -> bytes:
    """Write other digits in place of a number in a text, where there is one: TOML, JSON, playlists."""
    places = [at for at, byte in enumerate(data[:4096]) if 48 <= byte <= 57]
    if not places:
        return head(data, draw)
    at = draw.choice(places)
    new = draw.choice((b"-1", b"0", b"9" * 40, b"1e999", b"nan", b"0.5", b"", b'"', b"[", b"4294967296"))
    return data[:at] + new + data[at + 1 :]


def repeated(data: bytes, draw: random.Random) -> bytes:
    """Insert a copy of a part somewhere else."""
    length = draw.randint(1, max(1, len(data) // 4))
    at, to = draw.randrange(len(data)), draw.randrange(len(data))
    return data[:to] + data[at : at + length] + data[to:]


def dropped(data: bytes, draw: random.Random) -> bytes:
    """Take a part out."""
    length = draw.randint(1, max(1, len(data) // 4))
    at = draw.randrange(len(data))
    return data[:at] + data[at + length :]


def extended(data: bytes, draw: random.Random) -> bytes:
    """Put other bytes before or behind it."""
    more = draw.choice((draw.randbytes(700), bytes(5000), data, b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)))
    return more + data if draw.random() < 0.4 else data + more


MUTATORS: tuple[Mutator, ...] = (bits, head, run, cut, swap, size, digits, repeated, dropped, extended)
OF_MEDIA: tuple[Mutator, ...] = (bits, head, head, run, cut, cut, swap, size, size, repeated, dropped, extended)


def mutated(data: bytes, draw: random.Random, mutators: tuple[Mutator, ...] = OF_MEDIA) -> tuple[str, bytes]:
    """Return what was done, and the damaged bytes; sometimes two kinds of damage together."""
    names = []
    for _ in range(draw.choice((1, 1, 1, 2))):
        mutator = draw.choice(mutators)
        if data:
            data = mutator(data, draw)
            names.append(mutator.__name__)
    return "+".join(names), data


def _marked(data: bytes, draw: random.Random) -> int:
    """Return the place of one of the marks, or any place where none is."""
    for _ in range(8):
        mark = draw.choice(MARKS)
        at = data.find(mark, draw.randrange(max(1, len(data))))
        at = data.find(mark) if at < 0 else at
        if at >= 0:
            return at
    return draw.randrange(max(1, len(data)))
