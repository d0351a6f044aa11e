"""Change the rate of a stream: python-soxr behind a generator, and a delay line for what must wait meanwhile.

libsoxr filters with a linear phase and takes its own delay out: sample n of the output lies at n / to_rate
seconds of the input, whatever the sizes of the blocks. The output has round(N * to_rate / from_rate) samples,
so a way back can end a few samples short: see `TAIL`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import soxr
from numpy.typing import NDArray

Audio = NDArray[np.float32]

# Silence to append before a way back, in samples: more than the rounding of both ways takes away at any rate
# up to 1 MHz.
TAIL = 64

_CHUNK = 1 << 16  # samples a channel


def resample(
    blocks: Iterable[Audio], from_rate: int, to_rate: int, channels: int, *, ahead: int = 0
) -> Iterator[Audio]:
    """Blocks at one rate become blocks at another, aligned with them in time.

    The pass band reaches 0.91 of the lower rate's half: flat within 1e-6 to 0.4 of it, within 1e-3 to 0.88.
    Equal rates hand the blocks through untouched.

    Args:
        ahead: blocks that may be taken before the first of them comes out; they are resampled in a thread
            meanwhile. 0: no thread, and no block is taken before the one before it is out.

    Shape:
        - Input: blocks `[C, any]`
        - Output: blocks `[C, any]`, together `round(N * to_rate / from_rate)` samples

    >>> tone = np.sin(np.arange(48_000, dtype=np.float32) / 10)[None]
    >>> sum(block.shape[-1] for block in resample([tone], 48_000, 44_100, 1))
    44100
    """
    if from_rate == to_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32", quality="HQ")
    for out in _each(stream.resample_chunk, (np.array(block.T, order="C") for block in blocks), ahead):
        if out.size:
            yield out.T
    out = stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)
    if out.size:
        yield out.T


def _each(work: Callable[[Audio], Audio], pieces: Iterable[Audio], ahead: int) -> Iterator[Audio]:
    """Yield the work on each piece, in order; done by a thread that is up to `ahead` pieces in front."""
    if not ahead:
        yield from map(work, pieces)
        return
    with ThreadPoolExecutor(1) as thread:
        begun: deque[Future[Audio]] = deque()
        for piece in pieces:
            begun.append(thread.submit(work, piece))
            if len(begun) > ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


class Delay:
    """Samples that wait, first in, first out, in memory for just so many, however small the blocks were.

    >>> line = Delay(channels=1)
    >>> line.push(np.array([[1, 2, 3]], np.float32))
    >>> line.pop(2).tolist(), line.waiting
    ([[1.0, 2.0]], 1)
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.waiting = 0
        self._chunks: deque[Audio] = deque()
        self._read = 0  # samples already taken from the first chunk
        self._written = _CHUNK  # samples already put into the last chunk

    def push(self, block: Audio) -> None:
        """Copy a block `[C, any]` to the end of the line."""
        taken = 0
        while taken < block.shape[-1]:
            if self._written == _CHUNK:
                self._chunks.append(np.empty((self.channels, _CHUNK), np.float32))
                self._written = 0
            count = min(block.shape[-1] - taken, _CHUNK - self._written)
            self._chunks[-1][:, self._written : self._written + count] = block[:, taken : taken + count]
            taken += count
            self._written += count
        self.waiting += taken

    def pop(self, samples: int) -> Audio:
        """Take the first `samples` samples, `[C, samples]`; ValueError if fewer are waiting."""
        if samples > self.waiting:
            raise ValueError(f"{samples} samples wanted, {self.waiting} waiting")
        out = np.empty((self.channels, samples), np.float32)
        given = 0
        while given < samples:
            count = min(samples - given, _CHUNK - self._read)
            out[:, given : given + count] = self._chunks[0][:, self._read : self._read + count]
            given += count
            self._read += count
            if self._read == _CHUNK:
                self._chunks.popleft()
                self._read = 0
        self.waiting -= samples
        return out
