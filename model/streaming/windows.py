"""Cut a stream into overlapping windows, and lay windows over one another again.

Let a window be W samples, of which the outer C on either side are context: given to the network, then thrown
away, because there the LSTMs are still warming up and the transforms see a reflection instead of sound. Two
neighbors are cross-faded over F samples inside their contexts, so they share V = 2 C + F samples and windows
start every H = W - V samples:

    window k      |--C--|/F rise/|-------- 1 --------|\\F fall\\|--C--|
    window k + 1                                |--C--|/F rise/|-------- 1 ---- ...

The first window has no left context and the last no right one: there the file truly begins and ends, and the
network reflects just as in a pass over the whole file. All of C, F, W and H are multiples of the network's
hop, so every frame of every window is a frame of the whole file's transform.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """Lengths of the scheme, in samples of the network's rate, every one a multiple of its hop."""

    window: int
    context: int
    crossfade: int

    @property
    def overlap(self) -> int:
        """Samples that two neighbors share."""
        return 2 * self.context + self.crossfade

    @property
    def stride(self) -> int:
        """Samples from the start of a window to the start of the next."""
        return self.window - self.overlap


@dataclass(frozen=True)
class Window:
    """One window of the stream: its first sample's place in the file, and the sound, `[C, N]`."""

    start: int
    samples: Audio
    last: bool


def make_grid(
    window_seconds: float, context_seconds: float, crossfade_seconds: float, *, sample_rate: int, hop: int
) -> Grid:
    """Turn lengths in seconds into a grid, rounded up to whole hops.

    Raises:
        ValueError: the window is too short for two contexts and two cross-fades.

    >>> make_grid(12.0, 1.0, 0.5, sample_rate=44_100, hop=256)
    Grid(window=529408, context=44288, crossfade=22272)
    """

    def whole_hops(seconds: float) -> int:
        return -(-round(seconds * sample_rate) // hop) * hop

    grid = Grid(whole_hops(window_seconds), whole_hops(context_seconds), whole_hops(crossfade_seconds))
    # With a stride shorter than the cross-fade a window would begin to fall before it has risen.
    if min(grid.context, grid.crossfade) < 0 or grid.stride < max(grid.crossfade, 1):
        raise ValueError(
            f"a window of {window_seconds:g} s is too short for twice {context_seconds:g} s of context "
            f"and twice {crossfade_seconds:g} s of cross-fade; make the window longer"
        )
    return grid


def cut(blocks: Iterable[Audio], grid: Grid, channels: int) -> Iterator[Window]:
    """Cut blocks of any length into windows. Holds one window, to know of each whether it is the last.

    Shape:
        - Input: blocks `[C, any]`; they are copied
        - Output: windows of `[C, grid.window]`; the last has more than `grid.overlap` samples, or is the only
        one.

    >>> blocks = [np.zeros((1, 7), np.float32)] * 3
    >>> grid = Grid(window=10, context=1, crossfade=2)
    >>> [(w.start, w.samples.shape[-1], w.last) for w in cut(blocks, grid, channels=1)]
    [(0, 10, False), (6, 10, False), (12, 9, True)]
    """
    held = np.empty((channels, grid.window), np.float32)
    start = filled = 0
    for block in blocks:
        taken = 0
        while taken < block.shape[-1]:
            if filled == grid.window:
                full, held = held, np.empty_like(held)
                held[:, : grid.overlap] = full[:, grid.stride :]
                yield Window(start, full, last=False)
                del full  # or it would be kept until the next one is full
                start += grid.stride
                filled = grid.overlap
            count = min(block.shape[-1] - taken, grid.window - filled)
            held[:, filled : filled + count] = block[:, taken : taken + count]
            taken += count
            filled += count
    if filled:
        yield Window(start, held[:, :filled].copy() if filled < grid.window else held, last=True)


def fades(crossfade: int) -> tuple[Audio, Audio]:
    """Return the weights with which one window rises and its neighbor falls.

    The rise is a squared sine, rounded to multiples of 2^-24. In float32 one minus such a number is exact, so
    rise and fall sum to exactly one and not to nearly one.

    Shape:
        - Output: `[crossfade]` each

    >>> rise, fall = fades(3)
    >>> (rise + fall).tolist(), rise.round(2).tolist()
    ([1.0, 1.0, 1.0], [0.07000000029802322, 0.5, 0.9300000071525574])
    """
    phase = (np.arange(crossfade) + 0.5) / max(crossfade, 1)
    rise = (np.round(np.sin(0.5 * np.pi * phase) ** 2 * 2**24) / 2**24).astype(np.float32)
    return rise, 1 - rise


def overlap_add(pieces: Iterable[tuple[Window, Audio]], grid: Grid) -> Iterator[Audio]:
    """Cross-fade what the network made of each window into one stream again.

    Of each window its right context is not waited for: what comes out reaches to the cross-fade before it.
    Holds one cross-fade. Asserts that the windows follow one another.

    Args:
        pieces: the windows of `cut`, in order, each with an array `[..., N]` as long as the window.

    Shape:
        - Output: arrays `[..., any]`, together as long as what was cut; most are views of the input.

    >>> sound = np.arange(21, dtype=np.float32)[None]
    >>> grid = Grid(window=10, context=1, crossfade=2)
    >>> parts = overlap_add(((w, w.samples) for w in cut([sound], grid, 1)), grid)
    >>> bool(np.allclose(np.concatenate(list(parts), axis=-1), sound))
    True
    """
    place = 0
    rise, fall = fades(grid.crossfade)
    falling: Audio | None = None
    for window, values in pieces:
        assert window.start == place, "windows must follow one another by the grid's stride"
        begin, end = 0, values.shape[-1]
        if falling is not None:
            begin = grid.context + grid.crossfade
            yield falling + values[..., grid.context : begin] * rise
        if not window.last:
            end -= grid.context + grid.crossfade
            falling = values[..., end : end + grid.crossfade] * fall
        yield values[..., begin:end]
        place += grid.stride
