"""Fragments of MP4 as browsers take them piece by piece (ISO/IEC 14496-12, W3C's Media Source Extensions).

The head comes from libavformat's muxer, which knows every codec's configuration box; the fragments are written here,
because that muxer lets time begin at zero in each run.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cfork_cli.errors import InputError
from cfork_cli.media.pyav import why

_IS_KEY, _IS_NOT_KEY = 0x0200_0000, 0x0101_0000
"""Flags of a sample: depends on no other one; depends on others and is no key frame."""
_BASE_IS_MOOF = 0x02_0000
_WITH_DATA_OFFSET, _WITH_DURATION, _WITH_SIZE, _WITH_FLAGS, _WITH_CTS = 0x1, 0x100, 0x200, 0x400, 0x800


@dataclass(frozen=True)
class Sample:
    """One coded picture, or one frame of sound.

    Attributes:
        duration: until the next one is decoded, in units of the track's time scale.
        shown_later: by how much it is presented after it is decoded, in the same units; may be negative.
    """

    data: bytes
    duration: int
    is_key: bool = True
    shown_later: int = 0


def box(kind: str, *parts: bytes) -> bytes:
    """Return a box: its size, its four letters, its parts.

    >>> box("free", b"ab")
    b'\\x00\\x00\\x00\\nfreeab'
    """
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind.encode("ascii")) + b"".join(parts)


def _full_box(kind: str, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def fragment(samples: Sequence[Sample], begin: int, *, number: int = 1, track: int = 1) -> bytes:
    """Return a fragment (`moof` and `mdat`) of one track.

    Args:
        samples: in the order of decoding.
        begin: when the first one is decoded, in units of the time scale; not negative.
        number: of the fragment; players do not insist on an order.

    Raises:
        ValueError: there is no sample, or time is negative.
    """
    if not samples or begin < 0:
        raise ValueError("a fragment needs samples, and a time that is not negative")
    flags = _WITH_DATA_OFFSET | _WITH_DURATION | _WITH_SIZE | _WITH_FLAGS | _WITH_CTS
    table = b"".join(
        struct.pack(
            ">IIIi", one.duration, len(one.data), _IS_KEY if one.is_key else _IS_NOT_KEY, one.shown_later
        )
        for one in samples
    )  # fmt: skip

    def moof(data_at: int) -> bytes:
        run = _full_box("trun", 1, flags, struct.pack(">Ii", len(samples), data_at), table)
        head = _full_box("tfhd", 0, _BASE_IS_MOOF, struct.pack(">I", track))
        time = _full_box("tfdt", 1, 0, struct.pack(">Q", begin))
        return box("moof", _full_box("mfhd", 0, 0, struct.pack(">I", number)), box("traf", head, time, run))

    size = len(moof(0))
    return moof(size + 8) + box("mdat", *(one.data for one in samples))


def head(add: Callable[[Any], Any], *, time_scale: int, first: bytes = bytes(16)) -> bytes:
    """Return the head (`ftyp` and `moov`) for one track.

    Args:
        add: adds the track to PyAV's output container and returns it.
        time_scale: units a second, of all times in fragments.
        first: a packet of the track, for codecs whose configuration is read from one.

    Raises:
        InputError: MP4 cannot hold this codec.
    """
    import av

    target = io.BytesIO()
    options = {"movflags": "empty_moov+default_base_moof+frag_keyframe", "video_track_timescale": str(time_scale)}
    try:
        with av.open(target, "w", format="mp4", options=options) as container:
            track = add(container)
            container.start_encoding()
            packet = av.Packet(first)  # without any, there would be no head
            packet.stream, packet.time_base = track, track.time_base
            packet.pts, packet.dts, packet.is_keyframe = 0, 0, True
            container.mux(packet)
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(f"MP4 cannot hold this stream ({why(error)})") from error
    return b"".join(data for kind, data in boxes(target.getvalue()) if kind in ("ftyp", "moov"))


def boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the boxes of a file, or of the inside of a box: four letters, and the whole box with its head."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        size = size or len(data) - at
        yield kind.decode("latin-1"), data[at : at + size]
        at += max(8, size)
