"""A chain of filters as an effect: as long as what goes in, and in step with it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cfork_cli.filters.chain import parse_chain
from cfork_cli.filters.graph import FRAME, Graph
from cfork_cli.filters.latency import latency


def check_filters(text: str, sample_rate: int, channels: int, layout: str | None) -> None:
    """Build a chain and send a moment of silence through, before the work.

    Raises:
        UsageError: it is refused, by us or in libavfilter's own words, or gives other channels than it takes.
    """
    filters = parse_chain(text)
    graph = Graph(filters, sample_rate, channels, layout)
    for _ in graph.push(np.zeros((channels, FRAME), np.float32)):
        return
    for _ in graph.end():
        return


class FilterEffect:
    """A sound through a chain of ffmpeg's filters.

    What filters look ahead is taken out, what rings on after the end is cut off, and the caller's block lengths leave
    no trace.

    Args:
        text: the chain.
        sample_rate: Hz.
        layout: of the channels, as ffmpeg calls it; None where it is unknown.

    Raises:
        UsageError: see `check_filters`.
    """

    def __init__(self, text: str, sample_rate: int, channels: int, layout: str | None) -> None:
        filters = parse_chain(text)
        self._channels = channels
        self._late = sum(latency(one, sample_rate, channels, layout) for one in filters)
        self._graph = Graph(filters, sample_rate, channels, layout)
        self._skip = self._late
        self._waiting = np.zeros((channels, 0), np.float32)
        self._early: list[np.ndarray] = []  # what came out before its time: silence, where a filter delays
        self._taken = self._given = self._out = 0

    def push(self, block: np.ndarray) -> np.ndarray:
        """Take a block and return what is ready, both `[channels, samples]`, float32."""
        self._taken += block.shape[1]
        waiting = np.concatenate((self._waiting, block), axis=1, dtype=np.float32)
        whole = waiting.shape[1] // FRAME * FRAME
        self._filter(waiting[:, :whole])
        self._waiting = waiting[:, whole:]
        return self._ready()

    def finish(self) -> np.ndarray:
        """Return the rest; all together are as long as what was taken."""
        silence = np.zeros((self._channels, self._late), np.float32)
        self._filter(np.concatenate((self._waiting, silence), axis=1))
        if self._out < self._taken:
            self._keep(self._graph.end())
        missing = max(self._taken - self._out, 0)
        self._early.append(np.zeros((self._channels, missing), np.float32))
        return self._ready()

    def _filter(self, sound: np.ndarray) -> None:
        for start in range(0, sound.shape[1], FRAME):
            self._keep(self._graph.push(sound[:, start : start + FRAME]))

    def _keep(self, frames: Iterable[np.ndarray]) -> None:
        """Keep what is no delay. What is not needed yet stays in the graph: some filters would go on for ever."""
        if self._out >= self._taken:
            return
        for frame in frames:
            skipped = min(self._skip, frame.shape[1])
            self._skip -= skipped
            self._early.append(frame[:, skipped:])
            self._out += frame.shape[1] - skipped
            if self._out >= self._taken:
                return

    def _ready(self) -> np.ndarray:
        """Return as much as is due."""
        sound = np.concatenate((np.zeros((self._channels, 0), np.float32), *self._early), axis=1)
        due = min(self._taken - self._given, sound.shape[1])
        self._given += due
        self._early = [sound[:, due:]]
        return sound[:, :due]
