"""Separate a stream of sound of any length with a network that hears seconds at a time.

Blocks come in at the film's rate; they are brought to the network's rate, cut into overlapping windows,
separated a batch of windows and channels at a time, cross-faded, and brought back. The mixture itself takes
none of these ways: it waits in a delay line and goes out as it came, beside its stems. Memory depends on
windows and batch, never on the length of the film.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from .resample import TAIL, Delay, resample
from .stems import STEMS, positions
from .windows import Grid, Window, cut, overlap_add, plan

Audio = NDArray[np.float32]

# LSTMs are fastest on a CPU with 8 to 16 sequences; a larger batch only takes memory. A network may differ.
BATCH_SIZE = 8
CUDA_FACTOR = 4  # a GPU wants more at a time, and what does not fit is halved

# What the network may hear at most, 80 dB over full scale: beyond are only broken samples.
LOUDEST = 1e4


class Network(Protocol):
    """What the separator asks of a network: an `nn.Module` that carries its own facts.

    `network(x, stems=names)` takes `[B, T]` with any T of at least 1 and returns `[B, S, T]`, the stems in
    the order of the names. An attribute `batch_size` (sequences at a time) is optional.
    """

    @property
    def stems(self) -> tuple[str, ...]: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def hop(self) -> int: ...
    @property
    def input_lufs(self) -> float: ...
    @property
    def level_matched(self) -> bool: ...
    @property
    def window_seconds(self) -> float: ...
    @property
    def context_seconds(self) -> float: ...
    @property
    def crossfade_seconds(self) -> float: ...
    @property
    def training(self) -> bool: ...

    def __call__(self, x: torch.Tensor, stems: Sequence[str] | None = None) -> torch.Tensor: ...
    def parameters(self) -> Iterator[torch.nn.Parameter]: ...
    def eval(self) -> Any: ...
    def to(self, device: torch.device, /) -> Any: ...


def separate(
    blocks: Iterable[Audio],
    network: Network,
    *,
    sample_rate: int,
    channels: int,
    stems: Sequence[str] = STEMS,
    input_gain: float = 1.0,
    device: str | torch.device | None = None,
    batch_size: int | None = None,
    autocast: bool = False,
    untouched: Sequence[int] = (),
) -> Iterator[tuple[Audio, Audio]]:
    """Stems of a stream, each piece beside the very samples of the mixture that it belongs to.

    Exact digital silence is not computed, and neither is a window or a channel equal to another in the same
    batch. NaN, infinities and samples beyond `LOUDEST` are hidden from the network only. What a network
    cannot tell at another rate than its own (above 22.05 kHz in a film of 48 kHz or more) is in no stem, so
    it stays in `mixture + (gain - 1) * stem`.

    Args:
        blocks: float arrays `[C, any]` at `sample_rate`, full scale 1.0; empty ones are welcome. They are
            copied, not changed.
        network: see `Network`; it is moved to the device and set to evaluate.
        sample_rate: of the blocks, in Hz.
        channels: of the blocks; each is separated by itself.
        stems: names, in the order in which they are wanted. None at all is allowed and costs nothing.
        input_gain: factor that brings the film to `network.input_lufs`; divided out of the stems again.
        device: where to compute; None means where the network is.
        batch_size: sequences (one channel of one window) at a time; None means the network's own, or
            `BATCH_SIZE`, on CUDA `CUDA_FACTOR` times as many. Halved for good whenever the device has not
            enough memory.
        autocast: compute in bfloat16 where that is safe; only on CUDA.
        untouched: channels that the network never hears, such as the low-frequency one; their stems are silent.

    Yields:
        mixture `[C, N]` and stems `[S, C, N]`, float32, at `sample_rate`. N varies, up to about a second, and
        sums to the length of the input exactly.

    Raises:
        ValueError: an argument makes no sense, or a block has another shape or type than promised.
        torch.OutOfMemoryError: not even a single sequence fits the device.

    >>> from .mrx import MRX
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
    grid = plan(
        network.window_seconds,
        network.context_seconds,
        network.crossfade_seconds,
        sample_rate=network.sample_rate,
        hop=network.hop,
    )
    checked = (_check(block, channels) for block in blocks)
    if not stems:
        return ((block.copy(), np.zeros((0, *block.shape), np.float32)) for block in checked if block.size)
    if not set(untouched) <= set(range(channels)):
        raise ValueError(f"channels {list(untouched)} are not all among {channels}")
    batches = _Batches(network, tuple(stems), input_gain, device, batch_size, autocast)
    return _separate(checked, batches, grid, sample_rate, network.sample_rate, channels, list(untouched))


def _separate(
    blocks: Iterable[Audio],
    batches: "_Batches",
    grid: Grid,
    film_rate: int,
    network_rate: int,
    channels: int,
    untouched: list[int],
) -> Iterator[tuple[Audio, Audio]]:
    """The way of the sound, from one end to the other; see `separate`."""
    mixture = Delay(channels)
    count = len(batches.stems)

    def heard() -> Iterator[Audio]:
        for block in blocks:
            mixture.push(block)
            if untouched:
                block = block.copy()
                block[untouched] = 0
            yield _sane(block)

    windows = cut(resample(heard(), film_rate, network_rate, channels), grid, channels)
    separated = overlap_add(_infer(windows, batches), grid)
    # By the second, so that what comes after works on little at a time, however long the windows are.
    rows: Iterable[Audio] = (
        piece[..., at : at + network_rate].reshape(count * channels, -1)
        for piece in separated
        for at in range(0, piece.shape[-1], network_rate)
    )
    if film_rate != network_rate:
        rows = chain(rows, [np.zeros((count * channels, TAIL), np.float32)])
    for piece in resample(rows, network_rate, film_rate, count * channels):
        samples = min(piece.shape[-1], mixture.waiting)
        if samples:
            yield mixture.pop(samples), piece.reshape(count, channels, -1)[..., :samples]
    if mixture.waiting:
        # So short a film that it has no sample at the network's rate.
        rest = mixture.waiting
        yield mixture.pop(rest), np.zeros((count, channels, rest), np.float32)


def _check(block: Audio, channels: int) -> Audio:
    """The block as float32; ValueError if it is not `[channels, any]` of floating point."""
    block = np.asarray(block)
    if block.ndim != 2 or block.shape[0] != channels or block.dtype.kind != "f":
        raise ValueError(f"a float block of shape [{channels}, any] was due, not {block.dtype} {block.shape}")
    return block.astype(np.float32, copy=False)


def _sane(block: Audio) -> Audio:
    """The block without what poisons a filter: NaN and infinities become silence, monsters are cut off."""
    if (np.abs(block) <= LOUDEST).all():
        return block
    return np.clip(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0), -LOUDEST, LOUDEST)


def _infer(windows: Iterable[Window], batches: "_Batches") -> Iterator[tuple[Window, Audio]]:
    """Gather windows until they fill a batch, and let them out in order, each with stems `[S, C, N]`."""
    waiting: list[Window] = []
    distinct: dict[bytes, Audio] = {}
    for window in windows:
        waiting.append(window)
        for channel in window.samples:
            if channel.any():
                distinct.setdefault(channel.tobytes(), channel)
        # Windows are counted too, or an hour of silence would be gathered whole.
        if window.last or len(distinct) >= batches.size or len(waiting) >= batches.size:
            results = dict(zip(distinct, batches.run(list(distinct.values())), strict=True))
            for held in waiting:
                silence = np.zeros((len(batches.stems), held.samples.shape[-1]), np.float32)
                stems = [results.get(channel.tobytes(), silence) for channel in held.samples]
                yield held, np.stack(stems, axis=1)
            waiting, distinct = [], {}
            results.clear()  # or they would lie about while the next batch is computed


class _Batches:
    """Runs sequences through the network in batches that fit the device."""

    def __init__(
        self,
        network: Network,
        stems: tuple[str, ...],
        gain: float,
        device: str | torch.device | None,
        size: int | None,
        autocast: bool,
    ) -> None:
        if device is None:
            first = next(iter(network.parameters()), None)
            self.device = torch.device("cpu") if first is None else first.device
        else:
            self.device = torch.device(device)
            network.to(self.device)
        if network.training:
            network.eval()
        self.network = network
        self.stems = stems
        self.gain = gain
        if size is None:
            size = int(getattr(network, "batch_size", BATCH_SIZE))
            size *= CUDA_FACTOR if self.device.type == "cuda" else 1
        self.size = size
        self.autocast = autocast and self.device.type == "cuda"

    def run(self, sequences: Sequence[Audio]) -> list[Audio]:
        """Sequences `[N]` -> stems `[S, N]` in their order. Only a film's last window differs in length."""
        results: dict[int, Audio] = {}
        for length in sorted({len(sequence) for sequence in sequences}):
            queue = [place for place, sequence in enumerate(sequences) if len(sequence) == length]
            while queue:
                # Ten sequences in batches of at most eight are five and five: even batches keep both cores
                # busy.
                turns = -(-len(queue) // self.size)
                now = queue[: -(-len(queue) // turns)]
                stems = self._try([sequences[place] for place in now])
                if stems is None:
                    self.size = max(1, len(now) // 2)
                    # Out here, because inside the handler the exception still keeps the failed tensors alive.
                    if self.device.type == "cuda":
                        torch.cuda.empty_cache()
                    continue
                results.update(zip(now, stems, strict=True))
                queue = queue[len(now) :]
        return [results[place] for place in range(len(sequences))]

    def _try(self, sequences: Sequence[Audio]) -> Audio | None:
        """One batch, `[B, S, N]`, or None if it was too large for the device."""
        try:
            return self._forward(np.stack(sequences))
        except torch.OutOfMemoryError:
            if len(sequences) == 1:
                raise
            return None

    def _forward(self, batch: Audio) -> Audio:
        # Entered and left for each batch: the mode belongs to the thread, and must not leak out of a
        # suspended generator.
        with torch.inference_mode():
            x = torch.from_numpy(batch)
            cuda = self.device.type == "cuda"
            x = (x.pin_memory() if cuda else x).to(self.device, non_blocking=cuda)
            with torch.autocast("cuda", torch.bfloat16) if self.autocast else nullcontext():
                y = self.network(x * self.gain, stems=self.stems)
            expected = (len(batch), len(self.stems), batch.shape[-1])
            if tuple(y.shape) != expected:
                raise ValueError(f"the network gave {tuple(y.shape)} where {expected} was due")
            # A stem that is no number would spoil the film for good; without the stem the mixture just stays
            # as it is.
            y = (y.float() / self.gain).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
            result: Audio = y.cpu().numpy()
            return result
