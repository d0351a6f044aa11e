"""Separate any stretch of a film by itself: for a player, which begins anywhere and jumps.

A stretch is either a window of the grid that a run over the whole film has, or a free one. Of both, the outer context
is thrown away. A window of the grid computed alone is that of the whole run, but for rounding: film, network and
output share a sample once in a while (48 kHz and 44.1 kHz each 10/3 ms), and sound is cut only there, so that the
filters of all rates stand where they stand in a run over the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, gcd
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from ..stems import STEMS, positions
from .batches import Batches
from .input_level import InputLevel
from .outcome import Outcome
from .resample import TAIL, resample
from .separator import _infer, _sane
from .windows import Grid, Window, make_grid

Audio = NDArray[np.float32]

MARGIN_SECONDS = 0.05
"""Sound beyond what the network hears, for the filters that change the rate: they reach 5 ms."""

FREE_CONTEXT_SECONDS = 0.75


class EndsBefore(ValueError):
    """A film ends before the stretch that was asked for."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of the film.

    Attributes:
        hears: the first sample at the network's rate that it is given, and the first that it is not.
        number: of the window of the grid; None is a free stretch.
        context: samples at either end, at the network's rate, that are thrown away where the film goes on.
    """

    hears: tuple[int, int]
    context: int
    number: int | None = None


@dataclass(frozen=True)
class Excerpt:
    """Stretch that was separated, at the rate of the output.

    Attributes:
        begin: place of the first sample.
        mixture: `[C, N]`. stems: `[S, C, N]`.
        number: of the window of the grid; None is a free stretch.
        last: whether it reaches to the film's end.
    """

    begin: int
    mixture: Audio
    stems: Audio
    number: int | None
    last: bool

    @property
    def end(self) -> int:
        """Place of the first sample after it."""
        return self.begin + int(self.mixture.shape[-1])


class Excerpts:
    """Stretches of one film through a network. A context manager: its threads end with it.

    Args:
        network, channels, stems, input_gain, device, untouched, pairs, workers, window_seconds, context_seconds: see
            `separator.separate`, whose windows these are.
        sample_rate: of the film. output_rate: of what comes out; None means the film's.
    """

    def __init__(
        self,
        network: Any,
        *,
        sample_rate: int,
        channels: int,
        output_rate: int | None = None,
        stems: Sequence[str] = STEMS,
        input_gain: float = 1.0,
        device: str | torch.device | None = None,
        untouched: Sequence[int] = (),
        pairs: Sequence[tuple[int, int]] = (),
        workers: int | None = None,
        window_seconds: float | None = None,
        context_seconds: float | None = None,
    ) -> None:
        positions(stems, network.stems)
        self.grid: Grid = make_grid(
            network.window_seconds if window_seconds is None else window_seconds,
            network.context_seconds if context_seconds is None else context_seconds,
            network.crossfade_seconds,
            sample_rate=network.sample_rate,
            hop=network.hop,
        )
        self.stems = tuple(stems)
        self.channels = channels
        self.sample_rate, self.network_rate = sample_rate, int(network.sample_rate)
        self.output_rate: int = output_rate or sample_rate
        self._hop = int(network.hop)
        self._shared = gcd(sample_rate, self.network_rate, self.output_rate)  # common samples a second
        self._untouched = list(untouched)
        self._outcome = Outcome(network.stems, self.stems, None, pairs)
        level = InputLevel(input_gain, network.input_lufs, self.network_rate)
        self._batches = Batches(
            network, self._outcome.asked[0], level=level, device=device, size=channels, workers=workers, most=channels
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads at once."""
        self._batches.close()

    def cancel(self) -> None:
        """Give up what another thread computes: its `separate` raises, at once or nearly, and each later one does."""
        self._batches.cancel()

    def window(self, number: int) -> Stretch:
        """Return a window of the grid, counted from 0."""
        begin = number * self.grid.stride
        return Stretch((begin, begin + self.grid.window), self.grid.context, number)

    def free(self, begin: int, end: int, context_seconds: float = FREE_CONTEXT_SECONDS) -> Stretch:
        """Return a stretch that gives at least the samples from `begin` to `end`, at the rate of the output."""
        context = ceil(context_seconds * self.network_rate)
        ratio = self.network_rate / self.output_rate
        first = max(0, floor((floor(begin * ratio) - context) / self._hop) * self._hop)
        return Stretch((first, ceil(end * ratio) + context), context)

    def kept(self, stretch: Stretch) -> tuple[int, int]:
        """Return the samples that a stretch gives where the film goes on, at the rate of the output."""
        first, after = stretch.hears
        ratio = self.output_rate / self.network_rate
        begin = 0 if first == 0 else ceil((first + stretch.context) * ratio)
        return begin, floor((after - stretch.context) * ratio)

    def needs(self, stretch: Stretch) -> tuple[int, int]:
        """Return the samples of the film to hand to `separate`: the first, and the first that is not needed."""
        first, after = stretch.hears
        begin = max(0, floor((first / self.network_rate - MARGIN_SECONDS) * self._shared)) * self.sample_rate
        return begin // self._shared, ceil((after / self.network_rate + MARGIN_SECONDS) * self.sample_rate)

    def separate(self, stretch: Stretch, sound: Audio) -> Excerpt:
        """Separate a stretch.

        Args:
            sound: float32 `[C, N]`, the film from the first sample of `needs`. If it is shorter than that says, the
                film ends there.

        Raises:
            EndsBefore: the film ends before the stretch begins.
            ValueError: the sound has another shape than promised.
            Cancelled, SystemExit: another thread gave it up; see `cancel`.
            RuntimeError, MemoryError: the device has not enough memory; see `allocator.is_out_of_memory`.
        """
        begin, after = self.needs(stretch)
        if sound.ndim != 2 or len(sound) != self.channels:
            raise ValueError(f"sound of {self.channels} channels was due, not {sound.shape}")
        first, heard_end = stretch.hears
        at = begin * self.network_rate // self.sample_rate
        brought = self._brought(self._hidden(sound), self.sample_rate, self.network_rate)
        heard = brought[:, first - at : heard_end - at]
        if not heard.shape[-1]:
            raise EndsBefore("the film ends before this stretch")
        ends = sound.shape[-1] < after - begin and at + brought.shape[-1] <= heard_end
        window = Window(first, np.ascontiguousarray(heard), last=True)  # nothing follows: it is computed at once
        ((_, stems),) = _infer([window], self._batches, self._outcome, True, self.network_rate)
        return self._excerpt(stretch, sound, begin, stems, ends)

    def _excerpt(self, stretch: Stretch, sound: Audio, begin: int, stems: Audio, ends: bool) -> Excerpt:
        """Bring sound and stems to the rate of the output, and throw the contexts away."""
        first = stretch.hears[0]
        keep_begin, keep_end = self.kept(stretch)
        mixture = self._brought(sound, self.sample_rate, self.output_rate)
        mixture_at = begin * self.output_rate // self.sample_rate
        if ends:
            keep_end = mixture_at + mixture.shape[-1]
        step = self.network_rate // self._shared
        lead = first % step  # silence in front, where the context is thrown away anyway
        tail = TAIL if ends else 0
        count = len(self.stems) * self.channels
        padded = np.pad(stems.reshape(count, -1), ((0, 0), (lead, tail)))
        back = self._brought(padded, self.network_rate, self.output_rate)
        back_at = (first - lead) * self.output_rate // self.network_rate
        kept = back[:, keep_begin - back_at : keep_end - back_at]
        kept = np.pad(kept, ((0, 0), (0, keep_end - keep_begin - kept.shape[-1])))
        return Excerpt(
            keep_begin,
            np.ascontiguousarray(mixture[:, keep_begin - mixture_at : keep_end - mixture_at]),
            kept.reshape(len(self.stems), self.channels, -1),
            stretch.number,
            ends,
        )

    def _hidden(self, sound: Audio) -> Audio:
        """Return the sound without what the network must not hear."""
        if self._untouched:
            sound = sound.copy()
            sound[self._untouched] = 0
        return _sane(sound)

    def _brought(self, sound: Audio, rate: int, other: int) -> Audio:
        """Return the sound at another rate; both begin at the same moment."""
        blocks = list(resample([sound], rate, other, len(sound)))
        if len(blocks) == 1:
            return blocks[0]
        return np.concatenate(blocks, axis=-1) if blocks else np.zeros((len(sound), 0), np.float32)
