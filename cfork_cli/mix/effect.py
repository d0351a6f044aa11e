"""Effects: sound in, as much sound out, in step with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Effect(Protocol):
    """Changes one sound, block by block.

    What comes out of all calls together is as long as what went in, and stands at the same time; where the caller cuts
    blocks makes no difference.
    """

    def push(self, block: np.ndarray) -> np.ndarray:
        """Take a block `[channels, samples]` and return what is ready, `[channels, any samples]`, float32."""
        ...

    def finish(self) -> np.ndarray:
        """Return the rest."""
        ...


class Series:
    """Several effects, one after the other; with none, the sound passes as it is."""

    def __init__(self, effects: Sequence[Effect]) -> None:
        self._effects = list(effects)

    def push(self, block: np.ndarray) -> np.ndarray:
        for effect in self._effects:
            block = effect.push(block)
        return block

    def finish(self) -> np.ndarray | None:
        """Return the rest; None if no effect holds anything back."""
        rest: np.ndarray | None = None
        for effect in self._effects:
            end = effect.finish() if rest is None else np.concatenate((effect.push(rest), effect.finish()), axis=1)
            rest = end
        return rest
