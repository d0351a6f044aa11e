"""Coded pictures on their way into fragments of MP4: names of codecs, units of streams, times of decoding."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Any

from cfork_cli.errors import InputError
from cfork_cli.player import fmp4

TIME_SCALE = 90_000
"""Units a second of the pictures' times; rounding to them moves a picture by 6 microseconds at most."""

COPIED = {"h264": "avcC", "hevc": "hvcC", "av1": "av1C", "vp9": "vpcC"}
"""Codecs that browsers may take as they are, and the box of MP4 that holds the configuration of each."""

_START_CODE = re.compile(rb"\x00*\x00\x00\x01")


def head(stream: Any, first: bytes) -> bytes:
    """Return the head of a track that is copied from a stream of PyAV's.

    Args:
        first: a packet that begins with a key frame.

    Raises:
        InputError: MP4 cannot hold it.
    """

    def add(file: Any) -> Any:
        return file.add_stream_from_template(stream, opaque=True)  # there need be no encoder of this kind

    return fmp4.head(add, time_scale=TIME_SCALE, first=first)


def mime(head: bytes) -> str:
    """Return how browsers call what such a head announces (RFC 6381, and the codecs' own rules); "" for others.

    >>> mime(b"....avcC" + bytes((1, 0x64, 0x00, 0x1F)))
    'video/mp4; codecs="avc1.64001f"'
    """
    for kind in COPIED.values():
        at = head.find(kind.encode())
        if at >= 0:
            return f'video/mp4; codecs="{_CODECS[kind](head[at + 4 :])}"'
    return ""


def _h264(box: bytes) -> str:
    return "avc1." + box[1:4].hex()


def _hevc(box: bytes) -> str:
    space, high, profile = box[1] >> 6, box[1] >> 5 & 1, box[1] & 31
    (flags,) = struct.unpack(">I", box[2:6])
    turned = int(f"{flags:032b}"[::-1], 2)
    rest = box[6:12].rstrip(b"\0")
    parts = [
        f"{' ABC'[space].strip()}{profile}",
        f"{turned:x}",
        f"{'LH'[high]}{box[12]}",
        *(f"{one:x}" for one in rest),
    ]
    return "hvc1." + ".".join(parts)


def _av1(box: bytes) -> str:
    bits = 8 if not box[2] & 0x40 else 12 if box[2] & 0x20 else 10
    return f"av01.{box[1] >> 5}.{box[1] & 31:02d}{'MH'[box[2] >> 7]}.{bits:02d}"


def _vp9(box: bytes) -> str:
    return f"vp09.{box[4]:02d}.{box[5]:02d}.{box[6] >> 4:02d}"


_CODECS = {"avcC": _h264, "hvcC": _hevc, "av1C": _av1, "vpcC": _vp9}


def units(data: bytes) -> list[bytes]:
    """Return the units of a packet of H.264 or HEVC as broadcasts have it, with start codes (Annex B of both norms)."""
    return [one for one in _START_CODE.split(data) if one]


def with_lengths(data: bytes) -> bytes:
    """Return the same packet as files have it: each unit behind its length.

    >>> with_lengths(b"\\0\\0\\0\\1ab\\0\\0\\1c")
    b'\\x00\\x00\\x00\\x02ab\\x00\\x00\\x00\\x01c'
    """
    return b"".join(struct.pack(">I", len(one)) + one for one in units(data))


def units_with_lengths(data: bytes, length_bytes: int) -> list[bytes]:
    """Return the units of a packet as files have it.

    >>> [unit.hex() for unit in units_with_lengths(bytes((0, 2, 7, 8, 0, 1, 9)), 2)]
    ['0708', '09']
    """
    found, at = [], 0
    while at + length_bytes < len(data):
        end = at + length_bytes + int.from_bytes(data[at : at + length_bytes], "big")
        found.append(data[at + length_bytes : end])
        at = end
    return found


def begins_alone(units: Sequence[bytes]) -> bool:
    """Return whether the units of a packet of H.264 are a picture before which nothing is needed.

    Files also call those key frames from which one can recover with time; browsers do not begin with them.
    """
    kinds = [one[0] & 31 for one in units]
    return 5 in kinds and 1 not in kinds


def samples(pictures: Sequence[tuple[bytes, float, bool]], end: float) -> tuple[list[fmp4.Sample], int]:
    """Return samples with times of decoding, and the first of these times, in units of `TIME_SCALE`.

    Files guess times of decoding or have none; they follow from the times of showing. The i-th picture to be decoded is
    decoded when the i-th one is shown, less what the most reordered one needs.

    Args:
        pictures: data, second at which it is shown, whether it is a key frame; in the order of decoding. What would be
            shown before zero flashes by at zero, for others may need it.
        end: second at which the next pictures begin.

    Raises:
        InputError: there are none.
    """
    if not pictures:
        raise InputError("there is no picture")
    shown = [round(seconds * TIME_SCALE) for _, seconds, _ in pictures]
    hidden = sorted(time for time in shown if time < 0)
    shown = [hidden.index(time) if time < 0 else time + len(hidden) if time < len(hidden) else time for time in shown]
    in_order = sorted(shown)
    reordering = max(later - time for later, time in zip(in_order, shown, strict=True))
    begin = max(0, in_order[0] - reordering)  # times of decoding cannot be negative; of showing less decoding, they can
    moved = begin - (in_order[0] - reordering)
    ends = [*in_order[1:], max(round(end * TIME_SCALE), in_order[-1] + 1)]
    made = []
    for (data, _, is_key), time, at, after in zip(pictures, shown, in_order, ends, strict=True):
        made.append(fmp4.Sample(data, after - at, is_key, time - (at - reordering + moved)))
    return made, begin
