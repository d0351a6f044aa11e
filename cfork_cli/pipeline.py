"""What every flow shares: the network made ready for a track, checks before the work, the report after it.

The flows are `remixing` (a film with new levels), `separation` (stems) and `piping` (through pipes).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cfork_cli import tracks
from cfork_cli.console import Console, clock
from cfork_cli.errors import CforkError, ModelError, UsageError
from cfork_cli.layouts import low_frequency
from cfork_cli.limiter import PeakGuard
from cfork_cli.loudness import integrated_lufs
from cfork_cli.probe import Media, Stream, probe


def load_network(model: str, device: str) -> tuple[Any, str]:
    """The network in evaluation mode, and where it runs ("cpu" or "cuda").

    Raises:
        ModelError: the weights are missing or damaged. UsageError: there is no CUDA device.
    """
    import torch

    from model.weights import WeightsError, load

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device that torch can use: leave --device away, or install torch with CUDA")
    if device == "cpu":
        _keep_freed_memory()
    try:
        return load(model, device), device
    except WeightsError as error:
        raise ModelError(str(error)) from error


SHARED_LU = 3.0
"""LU that a film of several channels has more than each of them: 10 log10(2); of 5.1, about two are loud at a time."""


class Asked(Protocol):
    """What a job tells about the network."""

    @property
    def model(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def input_lufs(self) -> float | None: ...


@dataclass(frozen=True)
class Separator:
    """A network ready for one track: placed, and told how loud the track is."""

    network: Any
    device: str
    track: Stream
    input_gain: float

    @classmethod
    def open(
        cls,
        job: Asked,
        media: Media,
        track: Stream,
        console: Console,
        *,
        mixes_back: bool = True,
        measure: Callable[[], float] | None = None,
    ) -> Separator:
        """Load the network, then measure the track (unless its loudness is given).

        Args:
            mixes_back: whether the stems must keep the film's level.
            measure: gives the loudness, in LUFS, where the file cannot be read before.
        """
        console.stage("load")
        network, device = load_network(job.model, job.device)
        if not network.level_matched and mixes_back:
            raise _levels_differ(job.model)
        return cls._measured(network, device, job, media, track, console, measure)

    @classmethod
    def open_all(
        cls, job: Asked, media: Media, chosen: Sequence[Stream], console: Console, *, mixes_back: bool = True
    ) -> dict[int, Separator]:
        """The same for several tracks of a film, with one network: stream index -> separator."""
        first = cls.open(job, media, chosen[0], console, mixes_back=mixes_back)
        others = (cls._measured(first.network, first.device, job, media, one, console, None) for one in chosen[1:])
        return {one.track.index: one for one in (first, *others)}

    @classmethod
    def _measured(
        cls,
        network: Any,
        device: str,
        job: Asked,
        media: Media,
        track: Stream,
        console: Console,
        measure: Callable[[], float] | None,
    ) -> Separator:
        lufs = job.input_lufs
        if lufs is None:
            console.stage("measure", track.duration_seconds or media.duration_seconds)
            lufs = measure() if measure else integrated_lufs(media, track, console.at)
        # BS.1770 adds the power of the channels, but the network hears one at a time
        together = SHARED_LU if (track.channels or 1) > 1 else 0.0
        gain = 10 ** ((network.input_lufs - lufs + together) / 20) if math.isfinite(lufs) else 1.0
        return cls(network, device, track, gain)

    def run(
        self, blocks: Iterator[np.ndarray], stems: tuple[str, ...], *, batch_size: int | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Mixture `[channels, samples]` and stems `[stems, channels, samples]`, piece by piece.

        Args:
            batch_size: sequences that are gathered before they are computed; None leaves it to the network.

        Raises:
            CforkError: the device has not enough memory.
        """
        import torch

        from model.separator import separate as run

        try:
            yield from run(
                blocks, self.network, sample_rate=self.track.sample_rate or 0, channels=self.track.channels or 0,
                stems=stems, input_gain=self.input_gain, device=self.device, batch_size=batch_size,
                untouched=low_frequency(self.track.layout),
            )  # fmt: skip
        except torch.OutOfMemoryError as error:
            raise CforkError(
                "the GPU has too little free memory: end other programs on it, or use --device cpu"
            ) from error


def _keep_freed_memory() -> None:
    """Have glibc keep what torch frees: else every large tensor costs its page faults anew, a third of the time."""
    import ctypes

    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    with contextlib.suppress(OSError, AttributeError, TypeError):  # no mallopt; Windows wants a library's name
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, 2**31 - 1)


def peak_notes(guard: PeakGuard | None, sample_rate: int) -> list[str]:
    """What the user should know about peaks that were turned down."""
    if guard is None or not guard.reduced_samples:
        return []
    seconds, most_db = guard.reduced_samples / sample_rate, -20 * math.log10(guard.lowest_gain)
    return [
        f"the new levels go over full scale: for {seconds:.1f} s in all, the sound was turned down by up to "
        f"{most_db:.1f} dB; lower gains avoid that"
    ]


def check_model(name: str) -> None:
    """Find a missing model before the work; torch stays out of it."""
    from model.weights import WeightsError, resolve

    try:
        resolve(name)
    except WeightsError as error:
        raise ModelError(str(error)) from error


def check_levels(model: str, force: bool) -> tuple[str, ...]:
    """Refuse a model whose stems cannot be mixed back; with `force`, return the warning instead.

    Raises:
        ModelError: they cannot, or nothing tells.
    """
    from model.weights import WeightsError, is_level_matched

    try:
        if is_level_matched(model):
            return ()
    except WeightsError as error:
        raise ModelError(str(error)) from error
    if not force:
        raise _levels_differ(model)
    return (f"the stems of '{model}' do not have the film's level: the new levels are not what was asked for",)


def _levels_differ(model: str) -> ModelError:
    return ModelError(
        f"the stems of '{model}' do not keep the film's level, so they cannot be mixed back: "
        "choose another --model, or insist with --force-model"
    )


def check_lufs(lufs: float | None) -> None:
    if lufs is not None and not -70 <= lufs <= 5:  # also true of NaN
        raise UsageError(f"{lufs} LUFS is no loudness of a sound track: give -70 to 5, or leave --input-lufs away")


def choose_track(path: Path, named: int | str | None) -> tuple[Media, Stream]:
    """The film and one of its sound tracks, by number (from 1) or language; see `tracks.one`."""
    media = probe(path)
    return media, tracks.one(media, None if named is None else str(named))


def report(
    facts: dict[str, Any], notes: tuple[str, ...], seconds: float, elapsed: float, console: Console, done: str
) -> None:
    """Say what was done, and how fast."""
    for note in notes:
        console.note(note)
    speed = seconds / elapsed if elapsed > 0 else 0.0
    console.say(f"wrote {done} ({clock(seconds)} of sound in {clock(elapsed)}, {speed:.1f} times real time)")
    console.result(
        **{**facts, "notes": [*facts.get("notes", []), *notes]},
        processed_seconds=round(seconds, 3), elapsed_seconds=round(elapsed, 3), speed=round(speed, 2),
    )  # fmt: skip
