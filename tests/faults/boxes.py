"""Containers taken apart and put together again with something in them that names other files: MP4, Matroska, ASF."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

INSIDE = frozenset({b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl"})

# ---- MP4 and MOV ----


def box(kind: bytes, content: bytes) -> bytes:
    """Return a box."""
    return struct.pack(">I", 8 + len(content)) + kind + content


def with_boxes(data: bytes, changed: Callable[[bytes, bytes], bytes | None]) -> bytes:
    """Return a file whose boxes are others.

    Args:
        changed: kind and content of each box -> new content; None leaves it.
    """
    return b"".join(_boxes(data, changed))


def _boxes(data: bytes, changed: Callable[[bytes, bytes], bytes | None]) -> Iterator[bytes]:
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if size < 8:  # up to the end, or a long one: of the sound itself
            yield data[place:]
            return
        content = data[place + 8 : place + size]
        new = changed(kind, content)
        if new is None:
            new = with_boxes(content, changed) if kind in INSIDE else content
        yield box(kind, new)
        place += size


def entries(*boxes: bytes) -> bytes:
    """Return the content of a list of data references."""
    return struct.pack(">II", 0, len(boxes)) + b"".join(boxes)


def address(url: str) -> bytes:
    """Return a data reference that is an address."""
    return box(b"url ", bytes(4) + url.encode() + b"\0")


def name(urn: str, url: str) -> bytes:
    """Return a data reference that is a name with an address."""
    return box(b"urn ", bytes(4) + urn.encode() + b"\0" + url.encode() + b"\0")


def alias(path: str) -> bytes:
    """Return a data reference of the Macintosh: an alias record (version 2) with an absolute path of both kinds."""
    words = path.encode()
    file = words.rpartition(b"/")[2][:63]
    record = (
        bytes(4) + struct.pack(">HHH", 0, 2, 0) + bytes([3]) + b"vol".ljust(27, b"\0") + bytes(4) + b"H+" + bytes(2)
    )
    record += bytes(4) + bytes([len(file)]) + file.ljust(63, b"\0") + bytes(16) + struct.pack(">HH", 1, 1) + bytes(16)
    for kind, text in ((2, b"vol:" + words.strip(b"/").replace(b"/", b":")), (18, words.strip(b"/")), (19, b"/")):
        record += struct.pack(">HH", kind, len(text)) + text + bytes(len(text) % 2)
    return box(b"alis", bytes(4) + record[4:] + struct.pack(">HH", 0xFFFF, 0))


def reference_movie(url: str, kind: bytes = b"url ") -> bytes:
    """Return the content of a movie box that only names another movie."""
    text = url.encode() + b"\0"
    named = box(b"rdrf", bytes(4) + kind + struct.pack(">I", len(text)) + text)
    return box(b"rmra", box(b"rmda", named + box(b"rmdr", bytes(4) + struct.pack(">I", 100))))


# ---- Matroska ----


def element(number: int, content: bytes) -> bytes:
    """Return an EBML element."""
    width = (number.bit_length() + 7) // 8
    return number.to_bytes(width, "big") + (len(content) | 1 << 56).to_bytes(8, "big") + content


def before_clusters(data: bytes, more: bytes) -> bytes:
    """Return a Matroska file, written into a pipe, with more before its first cluster."""
    place = data.index(b"\x1f\x43\xb6\x75")
    return data[:place] + more + data[place:]


def links(uid: bytes, file: str) -> bytes:
    """Return a segment's information that says which files come before and after it."""
    more = element(0x73A4, bytes(16)[:15] + b"\1") + element(0x7384, file.encode())
    for number, path in ((0x3CB923, 0x3C83AB), (0x3EB923, 0x3E83BB)):
        more += element(number, uid) + element(path, file.encode())
    more += element(0x4444, uid) + element(0x2AD7B1, (1_000_000).to_bytes(4, "big"))
    return element(0x1549A966, more + element(0x4D80, b"x") + element(0x5741, b"x"))


def ordered_chapters(uid: bytes) -> bytes:
    """Return chapters of which one is of another file."""
    atoms = b""
    for number, foreign in ((1, False), (2, True)):
        times = element(0x91, b"\0") + element(0x92, (500_000_000).to_bytes(4, "big"))
        more = element(0x6E67, uid) + element(0x6EBC, b"\1") if foreign else b""
        atoms += element(0xB6, element(0x73C4, bytes([number])) + times + more)
    return element(0x1043A770, element(0x45B9, element(0x45BC, b"\1") + element(0x45DD, b"\1") + atoms))


def attachment(file: str, mime: str, data: bytes) -> bytes:
    """Return an attached file."""
    facts = element(0x466E, file.encode()) + element(0x4660, mime.encode()) + element(0x46AE, b"\7")
    return element(0x1941A469, element(0x61A7, facts + element(0x465C, data) + element(0x467E, file.encode())))


# ---- ASF ----


def script(commands: list[tuple[str, str]]) -> bytes:
    """Return an object of ASF's header with commands, such as ("URL", an address)."""
    kinds = list(dict.fromkeys(kind for kind, _ in commands))
    data = bytes(16) + struct.pack("<HH", len(commands), len(kinds))
    for kind in kinds:
        data += struct.pack("<H", len(kind)) + kind.encode("utf-16-le")
    for number, (kind, text) in enumerate(commands):
        data += struct.pack("<IHH", 100 * number, kinds.index(kind), len(text)) + text.encode("utf-16-le")
    return asf_object("301afb1e620bd011a39b00a0c90348f6", data)


def asf_object(number: str, data: bytes) -> bytes:
    """Return an object: its GUID in hexadecimal as it is in the file, its size, its content."""
    return bytes.fromhex(number) + struct.pack("<Q", 24 + len(data)) + data


def in_asf_header(data: bytes, more: bytes) -> bytes:
    """Return a file with one more object at the end of its header."""
    size, count = struct.unpack_from("<QI", data, 16)
    return data[:16] + struct.pack("<QI", size + len(more), count + 1) + data[28:size] + more + data[size:]


# ---- ID3 ----


def id3(*frames: tuple[bytes, bytes]) -> bytes:
    """Return a tag of version 2.4."""
    data = b"".join(kind + syncsafe(len(content)) + b"\0\0" + content for kind, content in frames)
    return b"ID3\x04\0\0" + syncsafe(len(data)) + data


def syncsafe(size: int) -> bytes:
    """Return a size in four bytes of seven bits."""
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
