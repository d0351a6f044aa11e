"""Samples that ffmpeg writes into a pipe, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np

from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.complaints import first_complaint


class Blocks:
    """Base of all decoders: a context manager, so that no ffmpeg goes on when nobody wants its sound any more.

    Attributes:
        channels, sample_rate: of the blocks, in Hz.
        samples: how many (of each channel) were delivered so far.
        notes: after the end, what the user should know about defects that did not stop us.
    """

    def __init__(self, channels: int, sample_rate: int) -> None:
        self.channels, self.sample_rate = channels, sample_rate
        self.samples = 0
        self.notes: tuple[str, ...] = ()
        self._child: process.Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the blocks, `[channels, samples]`, once."""
        raise NotImplementedError

    def close(self) -> None:
        """End ffmpeg if it still runs. Stopping early is no error."""
        if self._child is not None:
            self._child.close()

    def _read(self, child: process.Child, block_seconds: float, bits: int = 32) -> Iterator[np.ndarray]:
        """Yield a child's output: `[channels, samples]`, floats of so many bits; all but the last of equal length."""
        kind = np.dtype(f"<f{bits // 8}")
        frame_bytes = kind.itemsize * self.channels
        block_bytes = max(1, round(block_seconds * self.sample_rate)) * frame_bytes
        while data := child.stdout.read(block_bytes):
            frames = np.frombuffer(data[: len(data) // frame_bytes * frame_bytes], kind)
            if frames.size:
                yield np.ascontiguousarray(frames.reshape(-1, self.channels).T)


def defects(path: object, log: str) -> tuple[str, ...]:
    """Return ffmpeg's complaints in words for the user."""
    why = first_complaint(log)
    return (f"ffmpeg found defects in '{path}' and skipped them (the first: {why})",) if why else ()
