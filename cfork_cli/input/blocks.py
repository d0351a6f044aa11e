"""Samples that ffmpeg writes into a pipe, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.complaints import first_complaint
from cfork_cli.input import nut
from cfork_cli.input.losses import Losses
from cfork_cli.input.placing import Placer
from cfork_cli.media.types import Stream


class Blocks:
    """Base of all decoders: a context manager, so that no ffmpeg goes on when nobody wants its sound any more.

    Attributes:
        channels, sample_rate: of the blocks, in Hz.
        samples: how many (of each channel) were delivered so far.
        notes: after the end, what the user should know about defects that did not stop us.
        losses: after the end, what was missing.
        track: the track that they are of.
    """

    track: Stream

    def __init__(self, channels: int, sample_rate: int) -> None:
        self.channels, self.sample_rate = channels, sample_rate
        self.samples = 0
        self.notes: tuple[str, ...] = ()
        self.losses = Losses()
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

    def _read(self, child: process.Child, placer: Placer, block_seconds: float, bits: int = 32) -> Iterator[np.ndarray]:
        """Yield a child's sound, which comes as NUT: `[channels, samples]`, floats of so many bits; all but the last of
        equal length.

        Args:
            placer: puts every packet in its place.
        """
        kind = np.dtype(f"<f{bits // 8}")
        offset = nut.OFFSET_SECONDS * self.sample_rate
        packets = (
            (stamp - offset, np.frombuffer(data, kind).reshape(-1, self.channels).T)
            for stamp, data in nut.packets(child.stdout)
        )
        return equal_blocks(placer.place(packets), max(1, round(block_seconds * self.sample_rate)), kind)


def equal_blocks(pieces: Iterable[np.ndarray], length: int, kind: np.dtype[Any]) -> Iterator[np.ndarray]:
    """Yield the same samples, `[channels, samples]`, in blocks of one length, but for the last.

    >>> [block.shape[1] for block in equal_blocks([np.zeros((1, 3)), np.zeros((1, 4))], 2, np.dtype("f4"))]
    [2, 2, 2, 1]
    """
    waiting: list[np.ndarray] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += piece.shape[1]
        if count < length:
            continue
        whole = np.concatenate(waiting, axis=1).astype(kind, copy=False)
        for first in range(0, count - length + 1, length):
            yield np.ascontiguousarray(whole[:, first : first + length])
        count %= length
        waiting = [whole[:, whole.shape[1] - count :]] if count else []
    if count:
        yield np.ascontiguousarray(np.concatenate(waiting, axis=1).astype(kind, copy=False))


def defects(path: object, log: str) -> tuple[str, ...]:
    """Return ffmpeg's complaints in words for the user."""
    why = first_complaint(log)
    return (f"ffmpeg found defects in '{path}' and skipped them (the first: {why})",) if why else ()
