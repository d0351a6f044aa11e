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
        """Sounds that come out."""
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

    @property
    def mixing(self) -> Audio:
        """The weight of each stem that the network gives in each sound that comes out: float32 `[count, asked]`.

        >>> from model.stems import STEMS
        >>> Outcome(STEMS, ["effects", "music"], None, [(0, 1)]).mixing.tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
        >>> Outcome(STEMS, ["effects", "music"], [2.0, 0.5], [(0, 1)]).mixing.tolist()
        [[0.5, 0.0, 2.0]]
        >>> Outcome(STEMS, ["effects", "music"], [2.0, 0.5]).mixing.tolist()
        [[1.0]]
        """
        if not self.pairs:
            return np.eye(self.count, dtype=np.float32)
        chosen = np.eye(len(self.available), dtype=np.float32)[list(positions(self.stems, self.available))]
        return chosen if self.weights is None else np.array([self.weights], np.float32) @ chosen


def mixed(stems: Audio, mixing: Audio) -> Audio:
    """Return weighted sums of stems; `mixing` is float32 `[K, S]`.

    Shape: `[S, C, N] -> [K, C, N]`

    >>> mixed(np.float32([[[1.0, 2.0]], [[3.0, 4.0]]]), np.float32([[1, 0], [0.5, 2]])).tolist()
    [[[1.0, 2.0]], [[6.5, 9.0]]]
    """
    found = np.zeros((len(mixing), *stems.shape[1:]), np.float32)
    for sound, weights in zip(found, mixing, strict=True):
        for stem, weight in zip(stems, weights, strict=True):
            if weight:
                sound += weight * stem
    return found
