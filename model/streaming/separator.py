"""Separate a stream of sound of any length with a network that hears seconds at a time.

Blocks come in at the film's rate; they are brought to the network's rate, cut into overlapping windows,
separated a batch of windows and channels at a time (`batches`, in threads), cross-faded, and brought back. The
mixture itself takes none of these ways: it waits in a delay line and goes out as it came, beside its stems.
Memory depends on windows and batch, never on the length of the film.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from ..networks.protocol import Network
from ..stems import STEMS, positions
from .batches import MOST_WORKERS, Batches, Known, Task
from .input_level import InputLevel
from .outcome import Outcome, mixed
from .resample import TAIL, Delay, resample
from .stereo import is_centered, to_left_and_right, to_middle_and_side
from .wiener import refined
from .windows import Grid, Window, cut, make_grid, overlap_add

Audio = NDArray[np.float32]

PIECE = 4096  # samples that are compared at a time
CUDA_AHEAD = 2  # a GPU outruns one core, so both ways of resampling have theirs; blocks in front

# What the network may hear at most, 80 dB over full scale: beyond are only broken samples.
LOUDEST = 1e4


def separate(
    blocks: Iterable[Audio],
    network: Network,
    *,
    sample_rate: int,
    channels: int,
    stems: Sequence[str] = STEMS,
    input_gain: float = 1.0,
    follows_level: bool = True,
    device: str | torch.device | None = None,
    batch_size: int | None = None,
    untouched: Sequence[int] = (),
    pairs: Sequence[tuple[int, int]] = (),
    weights: Sequence[float] | None = None,
    workers: int | None = None,
    window_seconds: float | None = None,
    context_seconds: float | None = None,
    known: Known | None = None,
) -> Iterator[tuple[Audio, Audio]]:
    """Separate a stream: yield stems, each piece beside the samples of the mixture that it belongs to.

    Exact digital silence is not computed, and neither is a window or a channel equal to another in the same
    batch. NaN, infinities and samples beyond `LOUDEST` are hidden from the network only. What a network
    cannot represent at its own rate (above 22.05 kHz in a film of 48 kHz or more) is in no stem, so
    it stays in `mixture + (gain - 1) * stem`.

    Args:
        blocks: float arrays `[C, any]` at `sample_rate`, full scale 1.0; empty ones are welcome. They are
            copied, not changed.
        network: see `Network`; it is moved to the device and set to evaluate.
        sample_rate: of the blocks, in Hz.
        channels: of the blocks; each is separated by itself, but for `pairs`.
        stems: names, in the order in which they are wanted. None at all is allowed and costs nothing.
        input_gain: factor that brings the film to `network.input_lufs`; divided out of the stems again.
        follows_level: whether passages far from the film's level are brought near it for the network, and a direct
            current is hidden from it; see `input_level`.
        device: where to compute; None means where the network is.
        batch_size: sequences (one channel of one window) at a time, of all workers together; None means the
            network's own. Halved for good whenever the device has not enough memory. 1 is for live sound:
            nothing is read ahead, every window is computed and out before the next is asked for.
        untouched: channels that the network never hears, such as the low-frequency one; their stems are silent.
        pairs: channels that are left and right of each other. In windows with something in the middle the
            network hears middle and side in their place; see `stereo`. Their stems go through a filter that knows
            where each stands between the two; see `wiener`. For it all of the network's stems are computed.
        weights: one for each of `stems`: then a single stem comes out, the sum of the weighted ones. Without pairs by
            `network.mix(x, weights)`, if the network has that: it costs less than the stems.
        workers: threads that compute. 1 is the calling thread. None means one for each core, but no more than
            `MOST_WORKERS`; see `batches.Batches`.
        window_seconds: what the network hears at a time; None means its own choice. Longer windows cost fewer
            computations and are closer to a pass over the whole, but take memory in proportion, and output
            waits for a whole window.
        context_seconds: what it hears beyond either end of what is kept; None means its own choice.
        known: what became of batches before, so that they need not be computed again; see `batches.Known`. They
            were asked for what `outcome.Outcome.asked` says.

    Yields:
        mixture `[C, N]` and stems `[S, C, N]` (`[1, C, N]` with weights), float32, at `sample_rate`. N varies, up
        to about a second, and sums to the length of the input exactly.

    Raises:
        ValueError: an argument makes no sense, or a block has another shape or type than promised.
        RuntimeError, MemoryError: not even a single sequence fits the device; see `allocator.is_out_of_memory`.

    >>> from model.networks.mrx import MRX
    >>> network = MRX(windows=(64, 128), hop=32, hidden=8, layers=2)
    >>> blocks = [np.zeros((2, 1000), np.float32)] * 3
    >>> [y.shape for _, y in separate(blocks, network, sample_rate=44_100, channels=2, stems=["dialogue"])]
    [(1, 2, 3000)]
    """
    positions(stems, network.stems)  # raises on a name that the network does not have
    if sample_rate < 1 or channels < 1:
        raise ValueError(f"sound needs a rate and channels, not {sample_rate} Hz and {channels} channels")
    if not (np.isfinite(input_gain) and input_gain > 0):
        raise ValueError(f"the input gain must be a positive number, not {input_gain}")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"the batch needs at least one sequence, not {batch_size}")
    if workers is not None and workers < 1:
        raise ValueError(f"at least one worker is needed, not {workers}")
    if weights is not None and not (len(weights) == len(stems) and np.isfinite(weights).all()):
        raise ValueError(f"a number was due for each of {len(stems)} stems, not {list(weights)}")
    grid = make_grid(
        network.window_seconds if window_seconds is None else window_seconds,
        network.context_seconds if context_seconds is None else context_seconds,
        network.crossfade_seconds,
        sample_rate=network.sample_rate,
        hop=network.hop,
    )
    checked = (_check(block, channels) for block in blocks)
    if not stems:
        none = 0 if weights is None else 1
        return ((block.copy(), np.zeros((none, *block.shape), np.float32)) for block in checked if block.size)
    if not set(untouched) <= set(range(channels)):
        raise ValueError(f"channels {list(untouched)} are not all among {channels}")
    paired = [place for pair in pairs for place in pair]
    if (
        any(len(pair) != 2 for pair in pairs)
        or len(set(paired)) != len(paired)
        or not set(paired) <= set(range(channels)) - set(untouched)
    ):
        raise ValueError(f"the pairs {list(pairs)} are not of different channels among the {channels} to separate")
    live = batch_size == 1
    level = InputLevel(input_gain, network.input_lufs if follows_level else None, network.sample_rate)
    outcome = Outcome(network.stems, stems, weights, pairs)
    asked, of_their_sum = outcome.asked
    batches = Batches(
        network, asked, weights=of_their_sum, level=level, device=device, size=batch_size, workers=workers,
        most=channels - len(set(untouched)) if live else MOST_WORKERS, known=known,
    )  # fmt: skip
    return _separate(
        checked, batches, outcome, live, grid, sample_rate, network.sample_rate, channels, list(untouched)
    )  # fmt: skip


def _separate(
    blocks: Iterable[Audio],
    batches: Batches,
    outcome: Outcome,
    live: bool,
    grid: Grid,
    film_rate: int,
    network_rate: int,
    channels: int,
    untouched: list[int],
) -> Iterator[tuple[Audio, Audio]]:
    """Run the sound through resampling, windows and the network; see `separate`."""
    mixture = Delay(channels)
    count = outcome.count

    def for_network() -> Iterator[Audio]:
        for block in blocks:
            mixture.push(block)
            if untouched:
                block = block.copy()
                block[untouched] = 0
            yield _sane(block)

    with batches:  # its threads end however this ends
        ahead = CUDA_AHEAD if batches.device.type == "cuda" and not live else 0
        windows = cut(resample(for_network(), film_rate, network_rate, channels, ahead=ahead), grid, channels)
        separated = overlap_add(_infer(windows, batches, outcome, live, network_rate), grid)
        # By the second, so that what comes after works on little at a time, however long the windows are.
        rows: Iterable[Audio] = (
            piece.reshape(count * channels, -1)[:, at : at + network_rate]
            for piece in separated
            for at in range(0, piece.shape[-1], network_rate)
        )
        if film_rate != network_rate:
            rows = chain(rows, [np.zeros((count * channels, TAIL), np.float32)])
        for piece in resample(rows, network_rate, film_rate, count * channels, ahead=ahead):
            samples = min(piece.shape[-1], mixture.waiting)
            if samples:
                yield mixture.pop(samples), piece.reshape(count, channels, -1)[..., :samples]
        if mixture.waiting:
            # So short a film that it has no sample at the network's rate.
            rest = mixture.waiting
            yield mixture.pop(rest), np.zeros((count, channels, rest), np.float32)


def _check(block: Audio, channels: int) -> Audio:
    """Return the block as float32; ValueError if it is not `[channels, any]` of floating point."""
    block = np.asarray(block)
    if block.ndim != 2 or block.shape[0] != channels or block.dtype.kind != "f":
        raise ValueError(f"a float block of shape [{channels}, any] was due, not {block.dtype} {block.shape}")
    return block.astype(np.float32, copy=False)


def _sane(block: Audio) -> Audio:
    """Return the block without what poisons a filter: NaN and infinities become silence, huge samples are clipped."""
    if not block.size or (block.min() >= -LOUDEST and block.max() <= LOUDEST):  # both false for NaN
        return block
    return np.clip(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0), -LOUDEST, LOUDEST)


@dataclass(frozen=True)
class _Held:
    """A window, the tasks of its channels (None for a silent one), and the pairs turned into middle and side."""

    window: Window
    tasks: list[Task | None]
    turned: list[tuple[int, int]]


def _infer(
    windows: Iterable[Window], batches: Batches, outcome: Outcome, live: bool, rate: int
) -> Iterator[tuple[Window, Audio]]:
    """Yield windows in order, each with stems `[S, C, N]`.

    While the workers compute, windows are read ahead: one batch more than there are workers. `live` reads
    nothing ahead: a window is computed and out before the next is asked for.
    """
    held: deque[_Held] = deque()
    ahead = batches.size * (batches.workers + 1 if batches.workers > 1 else 1)
    for window in windows:
        sound = list(window.samples)
        turned = [(left, right) for left, right in outcome.pairs if is_centered(sound[left], sound[right], rate)]
        for left, right in turned:
            sound[left], sound[right] = to_middle_and_side(sound[left], sound[right])
        tasks: list[Task | None] = []
        held.append(_Held(window, tasks, turned))
        for channel in sound:
            tasks.append((_same(channel, held) or batches.add(channel)) if channel.any() else None)
        batches.start(everything=live or window.last)
        # Windows are counted too, or an hour of silence would be gathered whole.
        while held and (live or window.last or len(held) >= ahead or _count(held) >= ahead or _is_done(held[0])):
            batches.start(everything=not all(task is None or task.started for task in held[0].tasks))
            yield _finished(held.popleft(), batches, outcome)


def _same(channel: Audio, held: Iterable[_Held]) -> Task | None:
    """Return the task of an equal sequence among the windows that are held; None if there is none."""
    for one in held:
        for task in one.tasks:
            if task is not None and _are_equal(channel, task.samples):
                return task
    return None


def _are_equal(one: Audio, other: Audio) -> bool:
    """Return whether two sequences are equal, early if they are not, as they mostly are not."""
    if len(one) != len(other):
        return False
    return all(np.array_equal(one[at : at + PIECE], other[at : at + PIECE]) for at in range(0, len(one), PIECE))


def _count(held: Iterable[_Held]) -> int:
    """Count the sequences of all windows that are held."""
    return len({id(task) for one in held for task in one.tasks if task is not None})


def _is_done(held: _Held) -> bool:
    return all(task is None or task.done for task in held.tasks)


def _finished(held: _Held, batches: Batches, outcome: Outcome) -> tuple[Window, Audio]:
    """Wait for the tasks of a window, and put their stems together."""
    stems = np.empty((batches.outputs, *held.window.samples.shape), np.float32)
    for channel, task in enumerate(held.tasks):
        stems[:, channel] = 0 if task is None else task.result()
    for left, right in held.turned:
        stems[:, left], stems[:, right] = to_left_and_right(stems[:, left], stems[:, right])
    if not outcome.pairs:
        return held.window, stems
    mixing, paired = outcome.mixing, [place for pair in outcome.pairs for place in pair]
    single = [place for place in range(stems.shape[1]) if place not in paired]
    found = np.empty((outcome.count, *stems.shape[1:]), np.float32)
    found[:, single] = mixed(stems[:, single], mixing)
    for pair in outcome.pairs:
        found[:, pair] = refined(stems[:, pair], mixing, batches.device)
    return held.window, found
