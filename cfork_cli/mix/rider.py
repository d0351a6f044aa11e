"""A fader that rides: curves of gain applied to a stream whose levels they follow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cfork_cli.mix.fifo import Fifo
from cfork_cli.mix.meter import Meter, step_samples
from cfork_cli.mix.riding import Curve

Listen = Callable[[np.ndarray], np.ndarray]
"""Takes rows of sound `[rows, channels, samples]` and gives one, `[channels, samples]`."""


@dataclass
class Fader:
    """A curve, and the rows of sound that it moves."""

    curve: Curve
    rows: Sequence[int]
    gains_db: deque[float] = field(default_factory=deque)  # of the steps that come next
    last_db: float | None = None  # of the step before


class Rider:
    """Follows the levels of a stream of several sounds, and moves some of them; all stay in step.

    Args:
        sample_rate: Hz.
        weights: of the channels, from `loudness.channel_weights`.
        voice, rest: what is measured, from the rows.
    """

    def __init__(
        self, sample_rate: int, weights: np.ndarray, faders: Sequence[Fader], *, voice: Listen, rest: Listen
    ) -> None:
        self._step = step_samples(sample_rate)
        self._voice, self._rest = voice, rest
        self._voice_meter, self._rest_meter = Meter(sample_rate, weights), Meter(sample_rate, weights)
        self._faders = list(faders)
        self._places = (np.arange(self._step) + 0.5) / self._step - 0.5  # of the samples around the middle of a step
        self._waiting: Fifo | None = None

    def push(self, rows: np.ndarray) -> np.ndarray:
        """Take a block `[rows, channels, samples]` and return what is ready."""
        if self._waiting is None:
            self._waiting = Fifo(rows.shape[:2])
        self._waiting.push(rows)
        self._follow(self._voice_meter.push(self._voice(rows)), self._rest_meter.push(self._rest(rows)))
        return self._ride(self._waiting, len(self._waiting) // self._step)

    def finish(self) -> np.ndarray | None:
        """Return the rest; None if nothing came."""
        if self._waiting is None:
            return None
        self._follow(self._voice_meter.finish(), self._rest_meter.finish())
        ahead = max(fader.curve.AHEAD for fader in self._faders) + 1
        self._follow([0.0] * ahead, [0.0] * ahead)
        length = len(self._waiting)
        steps = -(-length // self._step)
        self._waiting.push(np.zeros((*self._waiting.shape, steps * self._step - length), np.float32))
        return self._ride(self._waiting, steps)[:, :, :length]

    def _follow(self, voice: Sequence[float], rest: Sequence[float]) -> None:
        # both meters hear the same number of samples, so they are ready together
        for fader in self._faders:
            fader.gains_db.extend(fader.curve.push(voice, rest))

    def _ride(self, waiting: Fifo, most: int) -> np.ndarray:
        """Move up to so many steps whose gain, and that of the next step, is known."""
        steps = max(min(most, *(len(fader.gains_db) - 1 for fader in self._faders)), 0)
        out = waiting.take(steps * self._step)
        for number in range(steps):
            self._move(out[:, :, number * self._step : (number + 1) * self._step])
        return out

    def _move(self, step: np.ndarray) -> None:
        """Move one step in place."""
        moves: dict[int, np.ndarray] = {}
        for fader in self._faders:
            gain_db = fader.gains_db.popleft()
            before = gain_db if fader.last_db is None else fader.last_db
            after = fader.gains_db[0]
            fader.last_db = gain_db
            if not (before or gain_db or after):
                continue
            line_db = np.where(
                self._places < 0,
                gain_db - self._places * (before - gain_db),
                gain_db + self._places * (after - gain_db),
            )
            for row in fader.rows:
                moves[row] = moves[row] + line_db if row in moves else line_db
        for row, line_db in moves.items():
            step[row] *= (10 ** (line_db / 20)).astype(np.float32)
