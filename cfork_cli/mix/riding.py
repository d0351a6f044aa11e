"""Faders that ride by themselves: curves of gain from the levels of the voice and of the rest, step by step (100 ms).

All curves are in dB, look a bounded time ahead, change no faster than a bounded slope, and are exactly 0 where there is
nothing to do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from cfork_cli.mix.meter import STEP_SECONDS, level_lufs
from cfork_cli.mix.speech import SpeechDetector, envelope

MOST_BOOST_DB = 12.0
"""The voice is raised by so much at most: beyond, one hears what the network left in it."""

BOOST_DB_A_SECOND = 3.0
"""How fast the boost changes while somebody speaks."""

BOOST_ATTACK_SECONDS = 1.0
"""Before the first word it comes up within this; after the last one it goes as ducking does."""

DUCK_ATTACK_SECONDS, DUCK_HOLD_SECONDS, DUCK_RELEASE_SECONDS = 0.5, 1.0, 1.5
"""Music is down when the first word comes, waits after the last one, and comes back."""

NIGHT_RATIO = 4.0
"""Of what is over the film's own loudness, a quarter is left (in LU)."""

NIGHT_MOST_DB = 24.0
NIGHT_DOWN_DB_A_SECOND, NIGHT_UP_DB_A_SECOND = 40.0, 6.0

USUAL_LUFS = -23.0
"""Loudness of a film where it is not known (EBU R 128)."""

_NEAR_STEPS = 15  # the boost is judged over three seconds around
_FEWEST_STEPS = 3  # of speech within them


def _steps(seconds: float) -> int:
    return round(seconds / STEP_SECONDS)


class Curve(ABC):
    """A gain over time for one or more stems.

    Takes powers of the voice and of the rest, step by step; gives dB, `AHEAD` steps later.
    """

    BEFORE = 0
    AHEAD = 0

    def __init__(self) -> None:
        self._history: np.ndarray | None = None  # [rows, steps] of what the curve needs to know

    @abstractmethod
    def push(self, voice: Sequence[float], rest: Sequence[float]) -> list[float]:
        """Return the gains that are ready, in dB."""

    def _window(self, rows: np.ndarray, before: int, after: int) -> np.ndarray | None:
        """Add rows `[rows, steps]` and return them with `before` and `after` steps around those that are ready.

        None if no step is ready. Before the first step there is nothing.
        """
        if self._history is None:
            self._history = np.zeros((len(rows), before))
        whole = np.concatenate((self._history, rows), axis=1)
        ready = whole.shape[1] - before - after
        if ready <= 0:
            self._history = whole
            return None
        self._history = whole[:, ready:]
        return whole


class Duck(Curve):
    """Steps back while somebody speaks.

    Args:
        depth_db: by so much.
    """

    BEFORE = _steps(DUCK_HOLD_SECONDS + DUCK_RELEASE_SECONDS)
    _ENVELOPE_AHEAD = _steps(DUCK_ATTACK_SECONDS)
    AHEAD = _ENVELOPE_AHEAD + SpeechDetector.AHEAD

    def __init__(self, depth_db: float) -> None:
        super().__init__()
        self._depth_db = depth_db
        self._detector = SpeechDetector()

    def push(self, voice: Sequence[float], rest: Sequence[float]) -> list[float]:
        speaks = np.array(self._detector.push(voice, rest), np.float64)
        window = self._window(speaks[None], self.BEFORE, self._ENVELOPE_AHEAD)
        if window is None:
            return []
        return [-float(one) for one in self._depth_db * _around_speech(window[0], self._ENVELOPE_AHEAD)]


def _around_speech(speaks: np.ndarray, attack: int) -> np.ndarray:
    """Return 1 where somebody speaks, has just spoken, or will at once, falling to 0 before and after.

    Shape:
        speaks `[hold + release + steps + attack]`, 0 or 1 -> `[steps]`
    """
    hold, release = _steps(DUCK_HOLD_SECONDS), _steps(DUCK_RELEASE_SECONDS)
    held = speaks[hold:].copy()
    for back in range(1, hold + 1):
        np.maximum(held, speaks[hold - back : len(speaks) - back], out=held)
    return envelope(held, 1 / attack, 1 / release, release, attack)


class Boost(Curve):
    """Raises the voice until it stands `over_lu` over the rest, where it does not already.

    While somebody speaks it changes slowly. Before and after, it comes and goes as ducking does: what the network left
    of the rest in the voice must not be raised for longer.
    """

    _REACH = _steps(MOST_BOOST_DB / BOOST_DB_A_SECOND)
    AHEAD = _REACH + _NEAR_STEPS + SpeechDetector.AHEAD

    def __init__(self, over_lu: float) -> None:
        super().__init__()
        self._over_lu = over_lu
        self._detector = SpeechDetector()
        self._powers: list[tuple[float, float]] = []  # of steps for which it is not known yet whether somebody speaks
        self._needs = _Needs()

    def push(self, voice: Sequence[float], rest: Sequence[float]) -> list[float]:
        speaks = self._detector.push(voice, rest)
        self._powers += zip(voice, rest, strict=True)
        known, self._powers = self._powers[: len(speaks)], self._powers[len(speaks) :]
        rows = np.array([[*map(float, speaks)], [one[0] for one in known], [one[1] for one in known]])
        window = self._window(self._needs.push(rows.reshape(3, -1), self._over_lu), self._REACH, self._REACH)
        if window is None:
            return []
        slope = BOOST_DB_A_SECOND * STEP_SECONDS
        slowly = envelope(window[0], slope, slope, self._REACH, self._REACH)
        attack, before = _steps(BOOST_ATTACK_SECONDS), _steps(DUCK_HOLD_SECONDS + DUCK_RELEASE_SECONDS)
        near = _around_speech(window[1][self._REACH - before : window.shape[1] - self._REACH + attack], attack)
        return [float(one) for one in np.minimum(slowly, MOST_BOOST_DB * near)]


class _Needs:
    """By how much the voice is too soft, judged over the speech of three seconds around; and where somebody speaks."""

    def __init__(self) -> None:
        self._history = np.zeros((3, _NEAR_STEPS))

    def push(self, rows: np.ndarray, over_lu: float) -> np.ndarray:
        """Take whether somebody speaks, and both powers, `[3, steps]`.

        Returns:
            dB from 0, and whether somebody speaks, `[2, steps that are ready]`.
        """
        whole = np.concatenate((self._history, rows), axis=1)
        ready = max(whole.shape[1] - 2 * _NEAR_STEPS, 0)
        self._history = whole[:, ready:]
        count, voice, rest = _sums(whole, ready, np.zeros(ready))
        # as in BS.1770, steps 10 LU under the mean are pauses, and say nothing of the voice
        count, voice, rest = _sums(whole, ready, 0.1 * voice / np.maximum(count, 1))
        fraction = np.maximum(count, 1)
        missing = over_lu - (level_lufs(voice / fraction) - level_lufs(rest / fraction))
        needs = np.where(count >= _FEWEST_STEPS, np.clip(missing, 0, MOST_BOOST_DB), 0.0)
        return np.stack((needs, whole[0][_NEAR_STEPS : _NEAR_STEPS + ready]))


def _sums(rows: np.ndarray, ready: int, gate: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how many steps of speech are around each one, and the powers of voice and rest in them, summed."""
    count, voice, rest = np.zeros(ready), np.zeros(ready), np.zeros(ready)
    for shift in range(2 * _NEAR_STEPS + 1):
        speaks, voice_power, rest_power = rows[:, shift : shift + ready]
        counted = speaks * (voice_power >= gate)
        count += counted
        voice += counted * voice_power
        rest += counted * rest_power
    return count, voice, rest


class Night(Curve):
    """Turns down what is louder than the film as a whole.

    Args:
        film_lufs: integrated loudness of the film.
    """

    BEFORE = _steps(NIGHT_MOST_DB / NIGHT_UP_DB_A_SECOND)
    _ENVELOPE_AHEAD = _steps(NIGHT_MOST_DB / NIGHT_DOWN_DB_A_SECOND)
    AHEAD = _ENVELOPE_AHEAD + 2

    def __init__(self, film_lufs: float) -> None:
        super().__init__()
        self._film_lufs = film_lufs if np.isfinite(film_lufs) else USUAL_LUFS
        self._powers = np.zeros(4)
        self._late = 2  # the window of 400 ms stands around its step

    def push(self, voice: Sequence[float], rest: Sequence[float]) -> list[float]:
        whole = np.concatenate((self._powers, rest))
        self._powers = whole[-4:]
        mean = (whole[:-4] / 2 + whole[1:-3] + whole[2:-2] + whole[3:-1] + whole[4:] / 2) / 4
        late = min(self._late, len(mean))
        self._late -= late
        over = np.clip(level_lufs(mean[late:]) - self._film_lufs, 0, None) * (1 - 1 / NIGHT_RATIO)
        window = self._window(np.minimum(over, NIGHT_MOST_DB)[None], self.BEFORE, self._ENVELOPE_AHEAD)
        if window is None:
            return []
        down, up = NIGHT_DOWN_DB_A_SECOND * STEP_SECONDS, NIGHT_UP_DB_A_SECOND * STEP_SECONDS
        return [-float(one) for one in envelope(window[0], down, up, self.BEFORE, self._ENVELOPE_AHEAD)]
