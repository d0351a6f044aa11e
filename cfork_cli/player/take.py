"""Separated stretches, one after the other, joined and cut into the fragments that the browser is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FADE = 960
"""Samples (20 ms) of the cross-fade where sound of two estimates meets; at the joints of the grid of windows it is
longer, and theirs."""


@dataclass(frozen=True)
class Cut:
    """One fragment of sound, `[channels, length]`, and the sound next to it where the take begins or may end.

    Attributes:
        before, after: `[channels, FADE]` that this take has before and after the fragment; None where it has none, or
            the neighbor is of the same take.
    """

    index: int
    sound: np.ndarray
    before: np.ndarray | None = None
    after: np.ndarray | None = None


def rising(samples: int) -> np.ndarray:
    """Return the weights with which sound rises, a squared sine as in the overlap of windows: `[samples]`, float32."""
    phase = (np.arange(samples) + 0.5) / max(samples, 1)
    return (np.sin(0.5 * np.pi * phase) ** 2).astype(np.float32)


def faded(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return what is the old sound at its begin and the new at its end, `[channels, samples]` each.

    >>> faded(np.ones((1, 2)), np.zeros((1, 2))).round(2).tolist()
    [[0.85, 0.15]]
    """
    mixed: np.ndarray = old + (new - old) * rising(old.shape[1])
    return mixed


class Take:
    """A run of stretches from one fragment on, each overlapping the one before.

    Args:
        first: the fragment it begins with. length: of a fragment, in samples.
        neighbor: the sound `[channels, FADE]` that follows the fragment before, if that came from elsewhere.

    Attributes:
        next: the first fragment that was not given yet.
        end: place of the first sample that is not known yet.
        number: of the last window of the grid; None after a free stretch.
    """

    def __init__(self, first: int, length: int, neighbor: np.ndarray | None = None) -> None:
        self.next, self.length = first, length
        self.end = first * length
        self.number: int | None = None
        self._neighbor = neighbor
        self._held: np.ndarray | None = None

    def add(self, begin: int, sound: np.ndarray, number: int | None, *, last: bool, overlap: int) -> list[Cut]:
        """Add a stretch; return the fragments that are whole now.

        Args:
            begin: place of its first sample: at or before the begin of the take, or before the end of what is known.
            sound: `[channels, N]`. number: of a window of the grid; None is a free stretch.
            last: whether the film ends with it: then the last fragment is filled with silence.
            overlap: samples that neighbors of the grid have in common, and which the next will fade.
        """
        at = self.next * self.length
        head = None
        if self._held is None:
            lead = at - begin
            head = sound[:, lead - FADE : lead] if lead >= FADE else None
            held = sound[:, lead:].copy()
            if self._neighbor is not None and held.shape[1] >= FADE:
                held[:, :FADE] = faded(self._neighbor, held[:, :FADE])
        else:
            held = self._joined(at, begin, sound, number)
        end = at + held.shape[1]
        ready = end if last else end - (FADE if number is None else max(FADE, overlap))
        if last:
            held = np.pad(held, ((0, 0), (0, -held.shape[1] % self.length)))
            ready = at + held.shape[1]
        self._held, self.end, self.number = held, end, number
        return self._cut(ready, head)

    def _joined(self, at: int, begin: int, sound: np.ndarray, number: int | None) -> np.ndarray:
        held = self._held
        assert held is not None
        neighbors = number is not None and self.number is not None and number == self.number + 1
        start = max(begin, at)
        stop = self.end if neighbors else min(start + FADE, self.end)
        mixed = faded(held[:, start - at : stop - at], sound[:, start - begin : stop - begin])
        return np.concatenate((held[:, : start - at], mixed, sound[:, stop - begin :]), axis=1)

    def _cut(self, ready: int, head: np.ndarray | None) -> list[Cut]:
        held = self._held
        assert held is not None
        count = max(0, ready - self.next * self.length) // self.length
        cuts = []
        for place in range(count):
            after = None
            if place == count - 1 and held.shape[1] >= (place + 1) * self.length + FADE:
                after = held[:, (place + 1) * self.length :][:, :FADE].copy()
            sound = held[:, place * self.length : (place + 1) * self.length]
            cuts.append(Cut(self.next + place, sound, head if place == 0 else None, after))
        self._held = held[:, count * self.length :].copy()
        self.next += count
        return cuts
