"""Floats as integer samples, and as the bytes that files and pipes hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import numpy as np

RAW: Mapping[str, str] = {
    "s16le": "<i2", "s16be": ">i2", "s32le": "<i4", "s32be": ">i4", "f32le": "<f4", "f32be": ">f4",
    "f64le": "<f8", "f64be": ">f8", "s24le": "<i4", "s24be": ">i4", "s24in32le": "<i4",
}  # fmt: skip
"""Raw samples that we write, ffmpeg's name -> numpy's type; 24 bits are cut out of 32."""


LOUDEST = 1e4
"""80 dB over full scale. Samples beyond, and those that are no numbers, are broken: the network does not hear them
(`model.streaming.separator`), no level follows them, and nothing is turned down for them."""


def unbroken(block: np.ndarray) -> np.ndarray:
    """Return the block with silence in place of broken samples; the very block if it has none.

    >>> unbroken(np.array([0.5, np.nan, -np.inf, 1e30, -2.0])).tolist()
    [0.5, 0.0, 0.0, 0.0, -2.0]
    """
    if not block.size or (block.min() >= -LOUDEST and block.max() <= LOUDEST):  # both false for NaN
        return block
    mended: np.ndarray = np.where(np.abs(block) <= LOUDEST, block, 0)
    return mended


def over_full_scale(block: np.ndarray) -> int:
    """Return how many single samples are over full scale, where integers cut them off."""
    return int(np.count_nonzero(np.abs(block) > 1))


class Cuts:
    """Counts what integer samples will cut off, on the way to them.

    >>> cuts = Cuts()
    >>> blocks = list(cuts.counted([np.array([[0.5, 1.5, -2.0]])]))
    >>> cuts.notes()
    ['2 samples were over full scale and were cut: float samples (pcm_f32le) keep them']
    """

    def __init__(self) -> None:
        self.samples = 0

    def counted(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The very blocks, each looked at."""
        for block in blocks:
            self.samples += over_full_scale(block)
            yield block

    def notes(self) -> list[str]:
        """After the end, what the user should know."""
        if not self.samples:
            return []
        what, were = ("1 sample", "was") if self.samples == 1 else (f"{self.samples} samples", "were")
        return [f"{what} {were} over full scale and {were} cut: float samples (pcm_f32le) keep them"]


def to_integers(block: np.ndarray, bits: int) -> np.ndarray:
    """Round to integers of so many bits, full scale being 1.0; what is over is cut, and what is no number becomes 0.

    Shape:
        any, float -> the same, int64

    >>> to_integers(np.array([0.5, -1.0, 1.0, 7.0]), 16).tolist()
    [16384, -32768, 32767, 32767]
    """
    full = 2 ** (bits - 1)
    scaled = np.rint(np.asarray(block, np.float64) * full)
    whole: np.ndarray = np.clip(np.nan_to_num(scaled, nan=0.0), -full, full - 1).astype(np.int64)
    return whole


def from_integers(whole: np.ndarray, bits: int) -> np.ndarray:
    """The floats that become these integers again; exact up to 24 bits."""
    floats: np.ndarray = (whole / 2 ** (bits - 1)).astype(np.float32)
    return floats


def packed(block: np.ndarray, kind: str) -> bytes:
    """Interleaved raw samples of a block `[channels, samples]`.

    Args:
        kind: one of `RAW`.

    >>> packed(np.array([[0.5], [-0.5]]), "s16be").hex()
    '4000c000'
    """
    if kind[0] == "f":
        return np.ascontiguousarray(block.T, RAW[kind]).tobytes()
    bits = int(kind[1:3])
    whole = np.ascontiguousarray(to_integers(block, bits).T.astype(RAW[kind]))
    if bits != 24 or "in32" in kind:
        return whole.tobytes()
    quads = whole.view(np.uint8).reshape(-1, 4)
    return (quads[:, 1:] if kind.endswith("be") else quads[:, :3]).tobytes()


Subtype = Literal["float32", "pcm24", "pcm16"]
