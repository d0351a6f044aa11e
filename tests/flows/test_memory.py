"""Memory does not depend on how long a film is: what the loop keeps of an hour, it has kept after some minutes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np

from cfork_cli.flows.render import Lane
from cfork_cli.input.blocks import Blocks
from cfork_cli.mix.desk import Desk, DeskMixer
from cfork_cli.mix.loudness import LoudnessMeter
from cfork_cli.mix.settings import Processing
from cfork_cli.output.meter_sink import MeterSink
from model.stems import STEMS

RATE = 400  # samples cost time, and what is kept is kept by the second
EARLY, LATE = 150, 500  # seconds


class Film(Blocks):
    """Noise that swells and falls, second by second."""

    def __init__(self) -> None:
        super().__init__(1, RATE)

    def __iter__(self) -> Iterator[np.ndarray]:
        random = np.random.default_rng(0)
        for second in range(LATE + 60):
            yield (random.standard_normal((1, RATE)) * (1.2 if second // 20 % 2 else 0.01)).astype(np.float32)


class Shares:
    """Stands in for a network: every stem is a share of the sound."""

    def run(self, blocks: Iterator[np.ndarray], stems: tuple[str, ...], **_: Any) -> Iterator[tuple[Any, Any]]:
        for block in blocks:
            yield block, np.stack([block / 2 if stem == "dialogue" else block / 4 for stem in stems])


def test_the_loop_keeps_nothing_but_the_loudness() -> None:
    """All that follows levels, holds peaks and measures, together: 80 bytes a second for the loudness, and no more."""
    processing = Processing(speech_boost_lu=12.0, duck_db={"music": 6.0}, night=True)
    desk = Desk(STEMS, processing, {}, {"music": -3.0}, sample_rate=RATE, weights=np.ones(1), film_lufs=-23.0)
    sink = MeterSink(LoudnessMeter(RATE, np.ones(1)))
    separator: Any = Shares()
    lane = Lane(
        Film(), DeskMixer(STEMS, desk), [(sink, 0)], separator, guarded=True, counted=True, ceiling_dbtp=-1.0
    )  # fmt: skip
    kept = {}
    tracemalloc.start()
    try:
        for sounds in lane.sounds():
            lane.write(sounds)
            for second in (EARLY, LATE):
                if lane.seconds >= second and second not in kept:
                    gc.collect()
                    kept[second] = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert any("turned down" in note for note in lane.notes())  # so the guard had work to do
    assert kept[LATE] - kept[EARLY] < 100 * (LATE - EARLY) + 20_000
