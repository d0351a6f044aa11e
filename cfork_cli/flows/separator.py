"""A network ready for one track: placed, and with the gain that brings the track to the level it expects."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from cfork_cli.errors import CforkError
from cfork_cli.flows import network as networks
from cfork_cli.flows.checks import levels_differ
from cfork_cli.flows.jobs import NetworkOptions
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.report import Report
from cfork_cli.input.loudness import integrated_lufs, measuring_lufs
from cfork_cli.media.layouts import low_frequency, pairs
from cfork_cli.media.span import Span
from cfork_cli.media.types import Media, Stream

SHARED_LU = 3.0
"""LU that a film of several channels has more than each of them: 10 log10(2); of 5.1, about two are loud at a time."""

LIVE_WINDOW_SECONDS, LIVE_CONTEXT_SECONDS = 12.0, 1.5
"""Windows of a pipe. The bundled network's own ones of 24 s are 0.2 to 0.4 dB better, but come out 12 s later."""

Measure = Callable[[Callable[[float], None]], float]
"""Finds out the loudness of a track, in LUFS; calls back with the seconds measured so far."""


@dataclass(frozen=True)
class Asked:
    """What a network is asked for, by which finished pieces are known again; picklable.

    Attributes:
        model, precision, device: of the network that is loaded.
        stems, weights: see `TrackSeparator.run`.
        input_gain: see `TrackSeparator`.
    """

    model: str
    precision: str
    device: str
    stems: tuple[str, ...]
    weights: tuple[float, ...] | None
    input_gain: float


class Pieces(Protocol):
    """Finished pieces of a separation, or those who compute them."""

    @property
    def workers(self) -> int | None:
        """How many batches to ask for at a time, at least 2; None: as many as are computed here."""

    @property
    def each(self) -> int:
        """How many sequences a batch has then."""

    def seen(self, asked: Asked) -> Asked:
        """Return what those are asked for who compute."""

    def of(self, asked: Asked) -> Any:
        """Return what is known of batches of one track; see `model.streaming.batches.Known`."""


elsewhere: ContextVar[Pieces | None] = ContextVar("elsewhere", default=None)
"""Those who compute the batches of the films that this thread does; None: all is computed here."""


@dataclass(frozen=True)
class TrackSeparator:
    """A network ready for one track.

    Attributes:
        input_gain: brings the track to the level that the network expects; it is divided out of the stems.
        lufs: integrated loudness of the track; -inf for silence.
        pieces: finished pieces of the work, or others who do it; None: all is computed here and now.
    """

    loaded: LoadedNetwork
    track: Stream
    input_gain: float
    lufs: float = -math.inf
    pieces: Pieces | None = None

    @classmethod
    def open(
        cls,
        job: NetworkOptions,
        media: Media,
        track: Stream,
        report: Report,
        *,
        loaded: LoadedNetwork | None = None,
        mixes_back: bool = True,
        measure: Measure | None = None,
        span: Span | None = None,
    ) -> TrackSeparator:
        """Load the network, and meanwhile measure the track (unless its loudness is given).

        Args:
            loaded: a network that was loaded before; then none is loaded.
            mixes_back: whether the stems must keep the film's level.
            measure: used where the file cannot be read before.
            span: the piece of the film that is separated, and measured; None is all of it.

        Raises:
            ModelError, UsageError: see `network.load_network`, or the stems do not keep the film's level.
            DamagedInputError, InputError, FfmpegError: the track cannot be measured.
        """
        lufs = job.input_lufs
        if lufs is None and measure is not None:  # measured while torch is imported
            lufs = _measured(measure, media, track, report, span)
        if lufs is not None:
            ready = _load(job, report, loaded, mixes_back)
        else:
            with measuring_lufs(media, track, span, accept_damaged=job.accept_damaged) as measured:
                ready = _load(job, report, loaded, mixes_back)
                lufs = _measured(measured, media, track, report, span)
        return cls.of(ready, track, lufs)

    @classmethod
    def open_all(
        cls,
        job: NetworkOptions,
        media: Media,
        chosen: Sequence[Stream],
        report: Report,
        *,
        loaded: LoadedNetwork | None = None,
        mixes_back: bool = True,
        span: Span | None = None,
    ) -> dict[int, TrackSeparator]:
        """Open one for each of several tracks of a film, with one network: stream index -> separator."""
        first = cls.open(job, media, chosen[0], report, loaded=loaded, mixes_back=mixes_back, span=span)
        found = {first.track.index: first}
        for track in chosen[1:]:
            lufs = job.input_lufs
            if lufs is None:
                measured = partial(integrated_lufs, media, track, span=span, accept_damaged=job.accept_damaged)
                lufs = _measured(measured, media, track, report, span)
            found[track.index] = cls.of(first.loaded, track, lufs)
        return found

    @classmethod
    def of(cls, loaded: LoadedNetwork, track: Stream, lufs: float) -> TrackSeparator:
        """Return one for a track of such a loudness, in LUFS; silence (-inf) needs no gain."""
        # BS.1770 adds the power of the channels, but the network hears one at a time
        together = SHARED_LU if (track.channels or 1) > 1 else 0.0
        gain = 10 ** ((loaded.network.input_lufs - lufs + together) / 20) if math.isfinite(lufs) else 1.0
        return cls(loaded, track, gain, lufs, elsewhere.get())

    def run(
        self,
        blocks: Iterator[np.ndarray],
        stems: tuple[str, ...],
        *,
        weights: Sequence[float] | None = None,
        live: bool = False,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield mixture `[channels, samples]` and stems `[stems, channels, samples]`, piece by piece.

        Args:
            weights: one for each stem; then their weighted sum comes out in place of the stems, `[1, ...]`.
            live: whether the sound is waited for: windows are short then, and each is computed as soon as it is there.

        Raises:
            CforkError: the device has not enough memory.
        """
        from model.streaming.allocator import is_out_of_memory
        from model.streaming.separator import separate

        network, device = self.loaded.network, self.loaded.device
        haste: dict[str, Any] = {}
        if self.pieces is not None and not live:
            haste["known"] = self.pieces.of(self.asked(stems, weights))
            if self.pieces.workers is not None:
                haste.update(workers=self.pieces.workers, batch_size=self.pieces.each * self.pieces.workers)
        if live:
            haste["batch_size"] = 1
            if network.window_seconds > LIVE_WINDOW_SECONDS:
                haste.update(window_seconds=LIVE_WINDOW_SECONDS, context_seconds=LIVE_CONTEXT_SECONDS)
        try:
            yield from separate(
                blocks, network, sample_rate=self.track.sample_rate or 0, channels=self.track.channels or 0,
                stems=stems, weights=weights, input_gain=self.input_gain, device=device,
                untouched=low_frequency(self.track.layout), pairs=pairs(self.track.layout, self.track.channels),
                **haste,
            )  # fmt: skip
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise no_memory(device) from error

    def asked(self, stems: Sequence[str], weights: Sequence[float] | None) -> Asked:
        """Return what the network will be asked for; see `run`."""
        from model.streaming.outcome import Outcome

        network = self.loaded.network
        whole = Outcome(network.stems, stems, weights, pairs(self.track.layout, self.track.channels)).asked
        return Asked(
            self.loaded.model, str(getattr(network, "precision", "")), self.loaded.device, *whole, self.input_gain
        )

    def kept_bytes(self, sounds: int, seconds: float) -> int:
        """Return how much it takes to keep all that the network gives for a track of this length; at most.

        Args:
            sounds: how many stems are wanted; 1 where it is their sum.
        """
        network = self.loaded.network
        if pairs(self.track.layout, self.track.channels):
            sounds = len(network.stems)
        channels = (self.track.channels or 0) - len(low_frequency(self.track.layout))
        stride: float = network.window_seconds - 2 * network.context_seconds - network.crossfade_seconds
        return int(4 * network.sample_rate * sounds * channels * seconds * network.window_seconds / stride)


def no_memory(device: str) -> CforkError:
    """Return the error about a device that has not enough memory."""
    return CforkError(
        "there is too little free memory: end other programs"
        if device == "cpu"
        else "the GPU has too little free memory: end other programs on it, or use --device cpu"
    )


def _load(job: NetworkOptions, report: Report, loaded: LoadedNetwork | None, mixes_back: bool) -> LoadedNetwork:
    """Return the network that was asked for."""
    report.stage("load")
    ready = loaded or networks.loaded(job)
    if mixes_back and not ready.level_matched:
        raise levels_differ(ready.model)
    return ready


def _measured(measure: Measure, media: Media, track: Stream, report: Report, span: Span | None) -> float:
    """Measure the loudness of a track now, in LUFS."""
    whole = track.duration_seconds or media.duration_seconds
    report.stage("measure", whole if span is None else span.seconds(whole))
    return measure(report.at)
