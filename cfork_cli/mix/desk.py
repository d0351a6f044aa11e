"""The mixing desk: effects, gains and riding faders on the stems of a film.

Each stem has a strip: its effects, then its gain. Then faders ride: music and effects step back for the voice or for
the night, and the voice is raised over what is left of them. What the network missed stays in the film, as it does
with gains alone: `y = x + sum (strip(stem) - stem)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from cfork_cli.media.samples import over_full_scale
from cfork_cli.mix.effect import Effect, Series
from cfork_cli.mix.fifo import Fifo
from cfork_cli.mix.mixer import Mixer, StemMixer
from cfork_cli.mix.rider import Fader, Rider
from cfork_cli.mix.riding import Boost, Duck, Night
from cfork_cli.mix.settings import Processing

VOICE, BACKGROUND = "dialogue", ("music", "effects")


def needed_stems(gains_db: Mapping[str, float], processing: Processing, order: Sequence[str]) -> tuple[str, ...]:
    """Return the stems that a remix needs, in the network's order."""
    moved = {stem for stem in order if gains_db.get(stem, 0.0) != 0} | set(processing.treated)
    moved |= {stem for stem, depth in processing.duck_db.items() if depth}
    if processing.night:
        moved |= set(BACKGROUND)
    if processing.follows_speech:
        moved.add(VOICE)
    return tuple(stem for stem in order if stem in moved)


class Desk:
    """Strips and faders for one track: stems in, stems out, in step with the mixture.

    Args:
        stems: those that come, in order; the voice among them if faders ride.
        effects: stem -> what it goes through; a stem that is missing passes.
        gains_db: stem -> dB, behind its effects.
        sample_rate: Hz.
        weights: of the channels for loudness, from `loudness.channel_weights`.
        film_lufs: integrated loudness of the film, -inf where it is not known.
    """

    def __init__(
        self,
        stems: Sequence[str],
        processing: Processing,
        effects: Mapping[str, Sequence[Effect]],
        gains_db: Mapping[str, float],
        *,
        sample_rate: int,
        weights: np.ndarray,
        film_lufs: float,
    ) -> None:
        self._count = len(stems)
        self._strips = [Series(effects.get(stem, ())) for stem in stems]
        self._gains = [np.float32(10 ** (gains_db.get(stem, 0.0) / 20)) for stem in stems]
        self._dry: Fifo | None = None  # mixture and stems, `[1 + stems, channels, samples]`, waiting for the strips
        self._wet: list[Fifo] = []
        self._riders: list[Rider] = []
        if not processing.follows_speech:
            return
        voice, count = stems.index(VOICE), len(stems)

        def rest(rows: np.ndarray) -> np.ndarray:
            """All that is heard beside the voice."""
            heard: np.ndarray = rows[0] - rows[1 + voice]
            for number in range(count):
                if number != voice:
                    heard = heard + (rows[1 + count + number] - rows[1 + number])
            return heard

        behind = [(stem, 1 + count + number) for number, stem in enumerate(stems) if stem in BACKGROUND]
        faders = [Fader(Duck(depth), [row]) for stem, row in behind if (depth := processing.duck_db.get(stem, 0.0))]
        if processing.night and behind:
            faders.append(Fader(Night(film_lufs), [row for _, row in behind]))
        if faders:
            self._riders.append(Rider(sample_rate, weights, faders, voice=lambda rows: rows[1 + voice], rest=rest))
        if processing.speech_boost_lu is not None:
            raised = 1 + count + voice
            fader = Fader(Boost(processing.speech_boost_lu), [raised])
            self._riders.append(Rider(sample_rate, weights, [fader], voice=lambda rows: rows[raised], rest=rest))

    def push(self, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
        """Take a piece, and return what is ready: the mixture, the stems, the stems behind strips and faders.

        Shape:
            mixture `[channels, samples]`, stems `[stems, channels, samples]` -> `[1 + 2 stems, channels, any samples]`
        """
        if self._dry is None:
            self._dry = Fifo((1 + self._count, len(mixture)))
            self._wet = [Fifo((len(mixture),)) for _ in self._strips]
        self._dry.push(np.concatenate((mixture[None], stems), dtype=np.float32))
        for wet, strip, stem in zip(self._wet, self._strips, stems, strict=True):
            wet.push(strip.push(stem))
        rows = self._joined(self._dry)
        for rider in self._riders:
            rows = rider.push(rows)
        return rows

    def finish(self) -> np.ndarray | None:
        """Return the rest; None if there is none."""
        if self._dry is None:
            return None
        for wet, strip in zip(self._wet, self._strips, strict=True):
            end = strip.finish()
            if end is not None:
                wet.push(end)
        rows = self._joined(self._dry)
        for rider in self._riders:
            moved, rest = rider.push(rows), rider.finish()
            rows = moved if rest is None else np.concatenate((moved, rest), axis=2)
        return rows

    def _joined(self, dry: Fifo) -> np.ndarray:
        """Return as much as has come out of all strips, and what went in beside it."""
        ready = min((len(wet) for wet in self._wet), default=len(dry))
        treated = [wet.take(ready)[None] * gain for wet, gain in zip(self._wet, self._gains, strict=True)]
        return np.concatenate((dry.take(ready), *treated), dtype=np.float32)


class DeskMixer(Mixer):
    """A remix by a desk.

    Args:
        stems: those that the desk takes, in order.
    """

    tells_dialogue = True

    def __init__(self, stems: Sequence[str], desk: Desk) -> None:
        self.stems = tuple(stems)
        self._desk = desk

    def run(self, pieces: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for mixture, stems in pieces:
            yield from self._mixed(self._desk.push(mixture, stems))
        yield from self._mixed(self._desk.finish())

    def mix(self, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
        raise NotImplementedError("a desk looks ahead: it takes a stream, by `run`")

    def _mixed(self, rows: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if rows is None or not rows.shape[2]:
            return
        count = len(self.stems)
        sound = rows[0]
        if self.dialogue_listener is not None and VOICE in self.stems:
            self.dialogue_listener(rows[1 + count + self.stems.index(VOICE)])
        for number in range(count):
            sound = sound + (rows[1 + count + number] - rows[1 + number])
        yield rows[0], sound[None]


class DeskStemMixer(Mixer):
    """Stems as sounds of their own, behind a desk.

    Args:
        inner: the stems without the desk, with mixture and residual as they were asked for.
        stems: those that the desk takes, in order; all of the inner ones among them.
        first: number of the first stem among the inner mixer's sounds.
        cuts: whether what is written cuts off samples over full scale, and nobody else counts them.
    """

    def __init__(
        self, inner: StemMixer, stems: Sequence[str], desk: Desk, *, first: int = 0, cuts: bool = False
    ) -> None:
        self.stems = tuple(stems)
        self._inner, self._desk, self._first, self._cuts = inner, desk, first, cuts
        self._places = [self.stems.index(stem) for stem in inner.stems]
        self._sounds: Fifo | None = None  # of the inner mixer, waiting for the desk
        self._cut = 0

    def run(self, pieces: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for mixture, stems in pieces:
            sounds = self._inner.mix(mixture, stems[self._places])
            if self._sounds is None:
                self._sounds = Fifo(sounds.shape[:2])
            self._sounds.push(sounds)
            whole = np.array(stems)
            whole[self._places] = sounds[self._first : self._first + len(self._places)]
            yield from self._written(self._desk.push(mixture, whole))
        yield from self._written(self._desk.finish())

    def mix(self, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
        raise NotImplementedError("a desk looks ahead: it takes a stream, by `run`")

    def notes(self) -> tuple[str, ...]:
        if not self._cut or not self._cuts:
            return ()
        return (f"{self._cut} samples were over full scale and were cut: use float32 WAV",)

    def _written(self, rows: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if rows is None or not rows.shape[2] or self._sounds is None:
            return
        ready = rows.shape[2]
        sounds = self._sounds.take(ready)
        for number, place in enumerate(self._places):
            sounds[self._first + number] = rows[1 + len(self.stems) + place]
        self._cut += over_full_scale(sounds)
        yield rows[0], sounds
