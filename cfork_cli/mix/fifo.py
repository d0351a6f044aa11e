"""Sound that waits: blocks in, any number of samples out, each copied once."""

from __future__ import annotations

from collections import deque

import numpy as np


class Fifo:
    """A queue of samples.

    >>> waiting = Fifo((1,))
    >>> waiting.push(np.array([[1.0, 2.0]])); waiting.push(np.array([[3.0]]))
    >>> waiting.take(2).tolist(), len(waiting)
    ([[1.0, 2.0]], 1)
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        """shape: of the blocks, without the last axis, which is time."""
        self.shape = shape
        self._empty = np.zeros((*shape, 0), np.float32)
        self._blocks: deque[np.ndarray] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, block: np.ndarray) -> None:
        """Add a block; it must not be changed afterwards."""
        if block.shape[-1]:
            self._blocks.append(block)
            self._length += block.shape[-1]

    def take(self, samples: int) -> np.ndarray:
        """Return and forget the first samples; there must be so many."""
        if samples > self._length:
            raise ValueError(f"{samples} samples were asked for, and {self._length} are there")
        self._length -= samples
        parts = []
        while samples:
            block = self._blocks.popleft()
            if block.shape[-1] > samples:
                self._blocks.appendleft(block[..., samples:])
                block = block[..., :samples]
            parts.append(block)
            samples -= block.shape[-1]
        return np.concatenate(parts, axis=-1) if parts else self._empty.copy()
