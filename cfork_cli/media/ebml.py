"""EBML, the elements that Matroska is made of (RFC 8794): a name, a size, and content, which may be elements again.

Names are handled with their marker bits, as they lie in the file. ffmpeg's own reader hides most elements, PyPI's
packages for Matroska read only, or call mkvmerge.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Container, Iterable, Iterator
from typing import BinaryIO

VOID = b"\xec"
CRC = b"\xbf"
_LONGEST_HEAD = 12


def element(name: bytes, content: bytes, size_bytes: int | None = None) -> bytes:
    """Return the bytes of an element. size_bytes: length of its size; None is the shortest."""
    return name + size(len(content), size_bytes) + content


def number(name: bytes, value: int) -> bytes:
    """Return the bytes of an element that holds a whole number, not negative."""
    return element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def size(value: int, length: int | None = None) -> bytes:
    """Return a number that shows its own length by the place of its highest bit.

    >>> size(5).hex(), size(127).hex(), size(5, 8).hex()
    ('85', '407f', '0100000000000005')
    """
    if length is None:
        length = next(bytes_ for bytes_ in range(1, 9) if value < (1 << 7 * bytes_) - 1)
    return (value | 1 << 7 * length).to_bytes(length, "big")


def void(length: int) -> bytes:
    """Return an element of so many bytes, at least two, that readers skip."""
    head = 2 if length < 2 + 127 else 9
    return element(VOID, bytes(length - head), head - 1)


def with_checksum(content: bytes) -> bytes:
    """Return the content of an element with its checksum before it."""
    return element(CRC, zlib.crc32(content).to_bytes(4, "little")) + content


def children(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and contents of the elements in an element; checksums and empty room are left out.

    Raises:
        ValueError: they do not fill it.
    """
    place = 0
    while place < len(content):
        name, length, head = read_head(content[place : place + _LONGEST_HEAD])
        if length is None or place + head + length > len(content):
            raise ValueError("an element ends after the one that holds it")
        if name not in (VOID, CRC):
            yield name, content[place + head : place + head + length]
        place += head + length


def count(parts: Iterable[bytes], masters: Container[bytes], most: int) -> int:
    """Return how many elements there are in some contents, at any depth; once it is more than `most`, nearly so many.

    Args:
        masters: names of the elements that hold others; what is damaged in them counts no further.
    """
    found, waiting = 0, list(parts)
    while waiting and found <= most:
        with contextlib.suppress(ValueError):
            for name, inner in children(waiting.pop()):
                found += 1
                if found > most:
                    break
                if name in masters:
                    waiting.append(inner)
    return found


def first(content: bytes, name: bytes) -> bytes | None:
    """Return the content of the first element of that name; None if there is none."""
    return next((inner for one, inner in children(content) if one == name), None)


def whole(parts: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return what `children` would take apart."""
    return b"".join(element(name, content) for name, content in parts)


def read_head(data: bytes) -> tuple[bytes, int | None, int]:
    """Return the name of the element that data begins with, the size of its content (None: unknown), and where it
    begins.

    Raises:
        ValueError: there is none.
    """
    if len(data) < 2 or not data[0]:
        raise ValueError("no element")
    name_length = 9 - data[0].bit_length()
    if len(data) <= name_length or not data[name_length]:
        raise ValueError("no element")
    length = 9 - data[name_length].bit_length()
    raw = data[name_length : name_length + length]
    if name_length > 4 or len(raw) < length:
        raise ValueError("no element")
    value = int.from_bytes(raw, "big") & (1 << 7 * length) - 1
    unknown = value == (1 << 7 * length) - 1
    return data[:name_length], None if unknown else value, name_length + length


def read_head_at(file: BinaryIO, place: int) -> tuple[bytes, int | None, int]:
    """Do the same in a file; its content begins at the last value of the answer, counted from the file's start."""
    file.seek(place)
    name, length, head = read_head(file.read(_LONGEST_HEAD))
    return name, length, place + head
