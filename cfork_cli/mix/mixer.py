"""Mixers: which stems they need, and what becomes of them.

A mixer gives either weights, and the network sums the stems itself (it inverts one spectrum instead of one a stem), or
a function of the stems. New levels are a mixer, and so is the choice of stems to write; `desk` has those with effects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from cfork_cli.media.samples import over_full_scale
from cfork_cli.mix.gains import remix, weight
from cfork_cli.mix.residual import settle

Share = Callable[[np.ndarray, np.ndarray, Sequence[int]], np.ndarray]
"""Shares out what is missing: mixture, stems, and the stems that take part -> stems."""


class Mixer(ABC):
    """Turns a film's sound and its stems into new sound.

    Attributes:
        stems: names of the stems that it needs, in the order in which it takes them. If there is none, no network runs.
        weights: one for each of the stems: `mix` then takes their weighted sum in place of the stems.
        tells_dialogue: whether it calls `dialogue_listener` with the dialogue as it is in the remix, piece by piece.
    """

    stems: tuple[str, ...] = ()
    weights: tuple[float, ...] | None = None
    tells_dialogue: bool = False
    dialogue_listener: Callable[[np.ndarray], None] | None = None

    @abstractmethod
    def mix(self, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
        """Return the sounds to write for one piece of the film.

        Shape:
            mixture `[channels, samples]`; stems `[stems, channels, samples]`, or with `weights` their weighted sum
            `[1, channels, samples]`, or `[0, channels, samples]` where no stem is needed
            -> `[sounds, channels, samples]`.
        """

    def run(self, pieces: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Mix a stream, piece by piece; a mixer that looks ahead gives other pieces than it takes.

        Args:
            pieces: mixture and stems, as `mix` takes them.

        Yields:
            The mixture, and the sounds to write for the same time; all together are as long as what came.
        """
        return ((mixture, self.mix(mixture, stems)) for mixture, stems in pieces)

    def notes(self) -> tuple[str, ...]:
        """Return what the user should know after the last piece."""
        return ()


class GainMixer(Mixer):
    """New levels: `y = x + sum (g - 1) * stem`, on the original samples. All at 0 dB, the film's own samples pass.

    Args:
        gains_db: stem -> dB, from -inf.
        order: the order of the network's stems.
    """

    def __init__(self, gains_db: Mapping[str, float], order: Sequence[str]) -> None:
        self.stems = tuple(stem for stem in order if gains_db.get(stem, 0.0) != 0)
        self.weights = tuple(weight(gains_db[stem]) for stem in self.stems)

    def mix(self, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
        return (remix(mixture, stems) if self.stems else mixture)[None]


class StemMixer(Mixer):
    """The stems as sounds of their own, with the mixture before and the residual behind them if wanted.

    Args:
        stems: those to write, in order.
        mixture: whether the film's own sound is written too, first.
        takers: the stems, by number, that take what is missing from the sum; `len(stems)` is a sound of its own.
        bits: of the integers that are written; None for floats.
        cuts: whether what is written cuts off samples over full scale, and nobody else counts them.
        share: how the takers share what is missing.
    """

    def __init__(
        self,
        stems: Sequence[str],
        *,
        mixture: bool = False,
        takers: Sequence[int] = (),
        bits: int | None = None,
        cuts: bool = False,
        share: Share | None = None,
    ) -> None:
        self.stems = tuple(stems)
        self._mixture, self._takers, self._bits, self._cuts, self._share = mixture, list(takers), bits, cuts, share
        self._cut = 0

    def mix(self, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
        if self._takers:
            if len(stems) in self._takers:
                stems = np.concatenate((stems, np.zeros_like(mixture)[None]))
            elif self._share is not None:
                stems = self._share(mixture, stems, self._takers)
            stems = settle(mixture, stems, self._takers, self._bits)
        sounds = np.concatenate((mixture[None], stems)) if self._mixture else stems
        self._cut += over_full_scale(mixture if self._takers else sounds)
        return sounds

    def notes(self) -> tuple[str, ...]:
        if not self._cut or not self._cuts:
            return ()
        return (f"{self._cut} samples were over full scale and were cut: use float32 WAV",)
