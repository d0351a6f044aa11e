"""Plain looks at what is in a film, past the code under test: read by PyAV in this process, no program is started."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cfork_cli.media.pyav import open_film

KINDS = {"v": "video", "a": "audio", "s": "subtitle", "d": "data", "t": "attachment"}


def samples(path: Path, track: int = 0, channels: int = 2) -> np.ndarray:
    """Return a track as its decoder alone gives it, float32 `[channels, samples]`, whatever its time stamps say."""
    with _opened(path) as file:
        blocks = [_planes(frame) for frame in file.decode(file.streams.audio[track])]
    assert {len(block) for block in blocks} <= {channels}
    return np.concatenate([np.zeros((channels, 0), np.float32), *blocks], axis=1)


def packets(path: Path, stream: str) -> list[str]:
    """Return sizes and checksums of a stream's packets, in order: the stream as it lies in the file, without times.

    Args:
        stream: its kind and its number among those of the kind, or its number among all, as ffmpeg's "a:0" and "3".
    """
    return [f"{packet.size} {hashlib.md5(bytes(packet)).hexdigest()}" for packet in _demuxed(path, stream)]


def times(path: Path, stream: str) -> list[float]:
    """Return the presentation times of a stream's packets, in seconds."""
    return [float(packet.pts * packet.time_base) for packet in _demuxed(path, stream)]


def digest(path: Path) -> str:
    """Return the checksum of a whole file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with open_film(f"file:{path}", {}) as file:
        yield file


def _demuxed(path: Path, stream: str) -> list[Any]:
    kind, _, number = stream.partition(":")
    with _opened(path) as file:
        alike = [one for one in file.streams if kind.isdigit() or (one.type or "data") == KINDS[kind]]
        chosen = alike[int(number or kind)]
        return [packet for packet in file.demux(chosen) if packet.size]  # the last one is empty and only flushes


def _planes(frame: Any) -> np.ndarray:
    """The samples of a frame, `[channels, samples]`, full scale 1."""
    block = frame.to_ndarray()
    if not frame.format.is_planar:
        block = block.reshape(-1, frame.layout.nb_channels).T
    if block.dtype.kind == "f":
        return block.astype(np.float32)
    if block.dtype == np.uint8:
        return (block.astype(np.float32) - 128) / 128
    return (block / -float(np.iinfo(block.dtype).min)).astype(np.float32)
