"""Several raw sound tracks through one pipe: a Matroska stream with nothing in it but floats.

One pipe cannot dead-lock, whatever order ffmpeg wants to read in, and works on every system. The time stamps count
nanoseconds, so that none is rounded by as much as a sample.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cfork_cli.media import ebml

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_INFO = b"\x15\x49\xa9\x66"
_TRACKS = b"\x16\x54\xae\x6b"
_CLUSTER = b"\x1f\x43\xb6\x75"
_UNKNOWN_SIZE = b"\x01" + b"\xff" * 7
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class RawTrack:
    """Samples as they go through the pipe. bits: 32 or 64, of floats."""

    sample_rate: int
    channels: int
    bits: int = 32


def header(tracks: Sequence[RawTrack]) -> bytes:
    """Return the bytes before the first block."""
    entries = b"".join(_track(number, track) for number, track in enumerate(tracks, start=1))
    kind = _element(b"\x42\x82", b"matroska") + _number(b"\x42\x87", 4) + _number(b"\x42\x85", 2)
    info = _number(b"\x2a\xd7\xb1", 1) + _element(b"\x4d\x80", b"cfork") + _element(b"\x57\x41", b"cfork")
    return _element(_EBML, kind) + _SEGMENT + _UNKNOWN_SIZE + _element(_INFO, info) + _element(_TRACKS, entries)


def packet(number: int, track: RawTrack, at: int, block: np.ndarray) -> bytes:
    """Return the bytes of one block of one track.

    Args:
        number: the track's place, from 0.
        at: how many samples of it came before.
        block: `[channels, samples]`.
    """
    data = np.ascontiguousarray(block.T, dtype="<f8" if track.bits == 64 else "<f4").tobytes()
    time = (at * _NANOSECONDS + track.sample_rate // 2) // track.sample_rate
    # the block's own time is 0, relative to its cluster; 0x80: it can be decoded by itself
    simple = ebml.size(number + 1, 1) + b"\x00\x00\x80" + data
    return _element(_CLUSTER, _number(b"\xe7", time) + _element(b"\xa3", simple))


def in_step(sounds: Sequence[tuple[Iterable[np.ndarray], int, int]]) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of several sounds, each time one of the sound that is furthest behind.

    Args:
        sounds: blocks `[..., samples]`, the sample rate, and the place of the first sample in time, in samples.

    Yields:
        The sound's place, and the block.

    >>> a, b = [np.zeros((1, 2))] * 2, [np.zeros((1, 3))]
    >>> [place for place, _ in in_step([(a, 1, 0), (b, 1, 0)])]
    [0, 1, 0]
    """
    running = {place: (iter(blocks), rate) for place, (blocks, rate, _) in enumerate(sounds)}
    reached = {place: begin / rate for place, (_, rate, begin) in enumerate(sounds)}
    while running:
        place = min(running, key=lambda one: (reached[one], one))
        blocks, rate = running[place]
        block = next(blocks, None)
        if block is None:
            del running[place]
            continue
        reached[place] += block.shape[-1] / rate
        yield place, block


def _track(number: int, track: RawTrack) -> bytes:
    sound = (
        _element(b"\xb5", struct.pack(">d", track.sample_rate))
        + _number(b"\x9f", track.channels)
        + _number(b"\x62\x64", track.bits)
    )
    sound_type, codec = 2, b"A_PCM/FLOAT/IEEE"
    return _element(
        b"\xae",
        _number(b"\xd7", number) + _number(b"\x73\xc5", number) + _number(b"\x83", sound_type)
        + _number(b"\x9c", 0) + _element(b"\x86", codec) + _element(b"\xe1", sound),
    )  # fmt: skip


def _element(name: bytes, content: bytes) -> bytes:
    return ebml.element(name, content, 8)


def _number(name: bytes, value: int) -> bytes:
    return _element(name, value.to_bytes(8, "big"))
