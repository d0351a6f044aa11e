"""How loud the stems of a film are, and how clear its speech is: a pass of the network that writes nothing."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.render import Lane, render
from cfork_cli.flows.report import Report
from cfork_cli.flows.separator import TrackSeparator
from cfork_cli.flows.source import Source
from cfork_cli.media.layouts import speakers
from cfork_cli.media.types import Media, Stream
from cfork_cli.mix.loudness import (
    MOMENTARY_HOPS,
    RELATIVE_GATE_LU,
    LoudnessMeter,
    channel_weights,
    integrated_lufs,
    lufs,
    over,
    range_lu,
)
from cfork_cli.mix.mixer import Mixer
from cfork_cli.output.meter_sink import MeterSink
from cfork_cli.output.sink import Sink
from cfork_cli.text import SPOKEN_ORDER

REST = "rest"
FAINTEST_SPEECH_LUFS = -55.0
"""What a network leaves in the dialogue of a film without speech is not louder."""


@dataclass(frozen=True)
class ListenJob:
    """A pass of the network that only listens; see `jobs.NetworkOptions`.

    Attributes:
        track: a word that names one sound track, see `tracks.one`; None for the one that a player would play.
        start, end: the piece of the film, in seconds from its start.
    """

    track: str | None = None
    start: float | None = None
    end: float | None = None
    model: str = "cfork"
    device: str = "auto"
    precision: str = "auto"
    input_lufs: float | None = None
    accept_damaged: bool = False


@dataclass(frozen=True)
class StemLevels:
    """Loudness of a track's stems over time.

    Attributes:
        powers: of dialogue, music, effects, and of the rest (all but the dialogue): K-weighted, a tenth of a second
            each, from `mix.loudness`.
        unassigned_db: energy of what no stem took against that of all the sound; -inf if they took all of it.
    """

    track: Stream
    powers: dict[str, np.ndarray]
    unassigned_db: float

    @property
    def dialogue_lufs(self) -> float:
        """Integrated loudness of the dialogue; -inf if nobody speaks."""
        loudness = integrated_lufs(self.powers["dialogue"])
        return loudness if loudness > FAINTEST_SPEECH_LUFS else -math.inf

    def speaking(self) -> np.ndarray:
        """Return for each span of 400 ms, one beginning every 100 ms, whether somebody speaks, `[spans]`, bool.

        Those spans count which the gates of BS.1770 let into the dialogue's loudness.
        """
        levels = lufs(over(self.powers["dialogue"], MOMENTARY_HOPS))
        spoken: np.ndarray = levels > max(self.dialogue_lufs + RELATIVE_GATE_LU, FAINTEST_SPEECH_LUFS)
        return spoken if math.isfinite(self.dialogue_lufs) else np.zeros(len(levels), bool)

    def over_rest_lu(self) -> np.ndarray:
        """Return how far the dialogue lies over all the rest, in the spans in which somebody speaks, `[spans]`, LU."""
        spoken = self.speaking()
        dialogue, rest = (lufs(over(self.powers[name], MOMENTARY_HOPS))[spoken] for name in ("dialogue", REST))
        # 70 LU over silence is as clear as can be
        clear: np.ndarray = np.clip(dialogue - np.maximum(rest, -100.0), -70.0, 70.0)
        return clear

    def facts(self) -> dict[str, Any]:
        """Return the figures, for machines."""
        spoken, clear = self.speaking(), self.over_rest_lu()
        low, median, high = np.percentile(clear, [10, 50, 90]) if clear.size else (math.nan,) * 3
        return {
            "track": self.track.number + 1,
            "stems": {
                name: {"integrated_lufs": _figure(integrated_lufs(self.powers[name])),
                       "range_lu": _figure(range_lu(self.powers[name]))}
                for name in SPOKEN_ORDER
            },
            "speech_share": _figure(float(spoken.mean()) if spoken.size else 0.0, 3),
            "dialogue_over_rest_lu": {"median": _figure(median), "low": _figure(low), "high": _figure(high)},
            "unassigned_db": _figure(self.unassigned_db),
        }  # fmt: skip


class _LevelsMixer(Mixer):
    """Gives the stems, and all but the dialogue, to be measured."""

    stems = SPOKEN_ORDER

    def __init__(self, weights: np.ndarray) -> None:
        self._counts = weights > 0
        self.whole = self.missing = 0.0

    def mix(self, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
        missing = (mixture - stems.sum(axis=0))[self._counts]
        self.whole += float(np.square(mixture[self._counts], dtype=np.float64).sum())
        self.missing += float(np.square(missing, dtype=np.float64).sum())
        return np.concatenate((stems, (mixture - stems[0])[None]))


def stem_levels(
    source: Source,
    media: Media,
    track: Stream,
    job: ListenJob,
    report: Report,
    *,
    loaded: LoadedNetwork | None = None,
    listeners: Sequence[Callable[[np.ndarray], None]] = (),
) -> StemLevels:
    """Separate a track, and measure its stems.

    Args:
        loaded: a network that was loaded before.
        listeners: called with every piece, `[4, channels, samples]`: dialogue, music, effects, and all but dialogue.

    Raises:
        CforkError: whatever went wrong.
    """
    weights = channel_weights(speakers(track.layout), track.channels or 0)
    separator = TrackSeparator.open(job, media, track, report, loaded=loaded, mixes_back=False, span=source.span)
    names = (*SPOKEN_ORDER, REST)
    mixer = _LevelsMixer(weights)
    with contextlib.ExitStack() as stack:
        blocks = stack.enter_context(source.decoder(media, track))
        meters = [LoudnessMeter(track.sample_rate or 0, weights) for _ in names]
        sinks: list[Sink] = [stack.enter_context(MeterSink(meter)) for meter in meters]
        lane = _ListenedLane(blocks, mixer, [(sink, 0) for sink in sinks], separator, listeners=tuple(listeners))
        for note in render([lane], sinks, report, stage="listen", total=source.seconds(media, track)):
            report.note(note)
    powers = {name: meter.powers() for name, meter in zip(names, meters, strict=True)}
    share = mixer.missing / mixer.whole if mixer.whole else 0.0
    return StemLevels(track, powers, 10 * math.log10(share) if share else -math.inf)


@dataclass
class _ListenedLane(Lane):
    """A lane to which others listen."""

    listeners: tuple[Callable[[np.ndarray], None], ...] = ()

    def write(self, sounds: np.ndarray) -> None:
        for listener in self.listeners:
            listener(sounds)
        super().write(sounds)


def _figure(value: float, digits: int = 2) -> float | None:
    """Return a figure as JSON can hold it."""
    return round(float(value), digits) + 0.0 if math.isfinite(value) else None
