"""What a network is asked for, and what is made of it.

What stands in two channels is told apart with all stems at hand, so wherever there are pairs of channels all are
computed, and those that are wanted, or their weighted sum, are taken last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..stems import positions

Audio = NDArray[np.float32]


def asked(
    available: Sequence[str], stems: Sequence[str], weights: Sequence[float] | None, pairs: Sequence[tuple[int, int]]
) -> tuple[tuple[str, ...], tuple[float, ...] | None]:
    """Return the stems and weights that the network is asked for when these are wanted: all, where there are pairs.

    >>> from model.stems import STEMS
    >>> asked(STEMS, ["dialogue"], [2.0], [(0, 1)])
    (('music', 'dialogue', 'effects'), None)
    >>> asked(STEMS, ["dialogue"], [2.0], [])
    (('dialogue',), (2.0,))
    """
    if pairs:
        return tuple(available), None
    return tuple(stems), None if weights is None else tuple(weights)


@dataclass(frozen=True)
class Outcome:
    """What is made of the stems of a network.

    Attributes:
        count: stems that come out.
        places: of the wanted stems, in those of the network; None if the network gives what is wanted.
        weights: one for each of these, where their sum is wanted.
        pairs: channels that are left and right of each other.
    """

    count: int
    places: tuple[int, ...] | None
    weights: tuple[float, ...] | None
    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def of(
        cls,
        available: Sequence[str],
        stems: Sequence[str],
        weights: Sequence[float] | None,
        pairs: Sequence[tuple[int, int]],
    ) -> Outcome:
        """Return it for what is wanted; see `separate`."""
        count = len(stems) if weights is None else 1
        if not pairs:
            return cls(count, None, None, ())
        given = None if weights is None else tuple(weights)
        return cls(count, positions(stems, available), given, tuple(pairs))

    def chosen(self, stems: Audio) -> Audio:
        """Return the wanted stems, or their sum, of all: `[S, C, N] -> [count, C, N]`."""
        if self.places is None:
            return stems
        if self.weights is None:
            return stems if self.places == tuple(range(len(stems))) else stems[list(self.places)]
        summed = np.zeros((1, *stems.shape[1:]), np.float32)
        for place, weight in zip(self.places, self.weights, strict=True):
            summed[0] += np.float32(weight) * stems[place]
        return summed
