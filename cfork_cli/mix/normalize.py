"""Loudness goals: how loud a remix is to become, and the mixers that measure it and then move it there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cfork_cli.errors import UsageError
from cfork_cli.media.samples import LOUDEST, unbroken
from cfork_cli.mix.mixer import Mixer

QUIETEST_LUFS, LOUDEST_LUFS = -50.0, -5.0
TRUE_PEAK_DBTP = -1.0
"""Where something was raised, no peak is over this, as EBU R 128 has it."""

DIALOGUE = "dialogue"


@dataclass(frozen=True)
class LoudnessGoal:
    """How loud new sound is to become.

    Attributes:
        lufs: integrated loudness; None is that of the film's own sound.
        of_dialogue: whether that is the loudness of the voices alone, to which all the rest is moved along.
    """

    lufs: float | None
    of_dialogue: bool = False

    @property
    def keeps(self) -> bool:
        """True if the new sound is to be as loud as the old one."""
        return self.lufs is None

    def __str__(self) -> str:
        if self.lufs is None:
            return "as loud as before"
        return f"dialogue at {self.lufs:g} LUFS" if self.of_dialogue else f"{self.lufs:g} LUFS"


def parse_loudness(text: str | float | None) -> LoudnessGoal | None:
    """Read a goal: "-16", "-23 LUFS", "keep", "dialogue:-27". None stays None.

    Raises:
        UsageError: it is anything else.

    >>> str(parse_loudness("-23 LUFS")), str(parse_loudness("dialog:-27")), parse_loudness("keep").keeps
    ('-23 LUFS', 'dialogue at -27 LUFS', True)
    """
    if text is None:
        return None
    word = str(text).strip().lower().replace("\N{MINUS SIGN}", "-")
    if word == "keep":
        return LoudnessGoal(None)
    match = re.fullmatch(r"(?:(dialogue|dialog|speech|voice|voices):)?\s*([-+]?\d+(?:\.\d*)?)\s*(?:lufs|lkfs)?", word)
    lufs = float(match[2]) if match else math.nan
    if match is None or not QUIETEST_LUFS <= lufs <= LOUDEST_LUFS:
        meant = f", such as -{lufs:g}" if QUIETEST_LUFS <= -lufs <= LOUDEST_LUFS else ""
        raise UsageError(
            f"'{text}' is not a loudness: give LUFS from {QUIETEST_LUFS:g} to {LOUDEST_LUFS:g}{meant} (-23 for "
            "television, -16 for the web), keep, or dialogue:-27"
        )
    return LoudnessGoal(lufs, match[1] is not None)


class TappedMixer(Mixer):
    """Another mixer, and somebody who listens to the dialogue in its remix.

    Args:
        inner: makes one sound.
        dialogue_gain: of the dialogue in the remix, as a factor; a desk knows better, and tells it by itself.
        order: the order of the network's stems.
        listener: called with the dialogue, `[channels, samples]`, piece by piece.
    """

    def __init__(
        self, inner: Mixer, dialogue_gain: float, order: Sequence[str], listener: Callable[[np.ndarray], None]
    ) -> None:
        self._inner, self._gain, self._listener = inner, np.float32(dialogue_gain), listener
        self.stems = tuple(stem for stem in order if stem in inner.stems or stem == DIALOGUE)
        self._wanted = [self.stems.index(stem) for stem in inner.stems]
        self._weights = None if inner.weights is None else np.array(inner.weights, np.float32)
        self._dialogue = self.stems.index(DIALOGUE)
        self._tells = DIALOGUE in inner.stems and inner.tells_dialogue
        if self._tells:
            inner.dialogue_listener = listener

    def run(self, pieces: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return self._inner.run((mixture, self._heard(stems)) for mixture, stems in pieces)

    def mix(self, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
        return self._inner.mix(mixture, self._heard(stems))

    def notes(self) -> tuple[str, ...]:
        return self._inner.notes()

    def _heard(self, stems: np.ndarray) -> np.ndarray:
        """Listen to the dialogue, and return the stems as the other mixer takes them."""
        if not self._tells:
            self._listener(self._gain * stems[self._dialogue])
        wanted = stems[self._wanted]
        if self._weights is not None and len(wanted):
            summed: np.ndarray = np.tensordot(self._weights, wanted, 1)[None]
            return summed
        return wanted


class LevelMixer(Mixer):
    """All of a sound moved by one gain. At 0 dB the samples pass bit for bit.

    Broken samples become silence: whoever measures what is written would hear nothing else.
    """

    def __init__(self, gain_db: float) -> None:
        self._gain = np.float32(10 ** (gain_db / 20))
        self._broken = 0

    def mix(self, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
        sound = unbroken(mixture)
        if sound is not mixture:
            self._broken += int(np.count_nonzero(~(np.abs(mixture) <= LOUDEST)))
        return (sound if self._gain == 1 else sound * self._gain)[None]

    def notes(self) -> tuple[str, ...]:
        if not self._broken:
            return ()
        what, are = ("1 sample was", "is") if self._broken == 1 else (f"{self._broken} samples were", "are")
        return (f"{what} no number, or 80 dB over full scale, and {are} silent now",)
