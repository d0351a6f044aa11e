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


@dataclass(frozen=True)
class Outcome:
    """What is wanted of a network.

    Attributes:
        available: the network's stems.
        stems: those that are wanted.
        weights: one for each of these, where their sum is wanted.
        pairs: channels that are left and right of each other.
    """

    available: Sequence[str]
    stems: Sequence[str]
    weights: Sequence[float] | None = None
    pairs: Sequence[tuple[int, int]] = ()

    @property
    def count(self) -> int:
        """Stems that come out."""
        return len(self.stems) if self.weights is None else 1

    @property
    def asked(self) -> tuple[tuple[str, ...], tuple[float, ...] | None]:
        """The stems and weights that the network is asked for: all stems, where there are pairs.

        >>> from model.stems import STEMS
        >>> Outcome(STEMS, ["dialogue"], [2.0], [(0, 1)]).asked
        (('music', 'dialogue', 'effects'), None)
        >>> Outcome(STEMS, ["dialogue"], [2.0]).asked
        (('dialogue',), (2.0,))
        """
        if self.pairs:
            return tuple(self.available), None
        return tuple(self.stems), None if self.weights is None else tuple(self.weights)

    def chosen(self, stems: Audio) -> Audio:
        """Return what is wanted of what the network gave: `[S, C, N] -> [count, C, N]`."""
        if not self.pairs:
            return stems
        places = positions(self.stems, self.available)
        if self.weights is None:
            return stems if places == tuple(range(len(stems))) else stems[list(places)]
        summed = np.zeros((1, *stems.shape[1:]), np.float32)
        for place, weight in zip(places, self.weights, strict=True):
            summed[0] += np.float32(weight) * stems[place]
        return summed
