"""What every flow shares: the network made ready for a track, checks before the work, the report after it.

The flows are `remixing` (a film with new levels), `separation` (stems) and `piping` (through pipes).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from cfork_cli.console.console import Console
from cfork_cli.errors import CforkError, ModelError, UsageError
from cfork_cli.flows import early_torch
from cfork_cli.input.loudness import integrated_lufs, measuring_lufs
from cfork_cli.media.layouts import low_frequency, pairs
from cfork_cli.media.types import Media, Stream
from cfork_cli.mix.limiter import PeakGuard
from cfork_cli.text import clock


def load_network(model: str, device: str, precision: str = "auto") -> tuple[Any, str]:
    """The network made ready to separate, and where it runs ("cpu" or "cuda").

    Args:
        precision: "float32", "bfloat16" or "auto"; see `model.inference.prepare`.

    Raises:
        ModelError: the weights are missing or damaged. UsageError: there is no CUDA device.
    """
    early_torch.wait()
    import torch

    from model.hub.weights import WeightsError, load
    from model.inference.prepare import prepare
    from model.streaming.allocator import keep_freed_memory

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device that torch can use: leave --device away, or install torch with CUDA")
    if device == "cpu":
        keep_freed_memory()
    try:
        return prepare(load(model), device=device, precision=precision), device
    except WeightsError as error:
        raise ModelError(str(error)) from error


SHARED_LU = 3.0
"""LU that a film of several channels has more than each of them: 10 log10(2); of 5.1, about two are loud at a time."""


LIVE_WINDOW_SECONDS, LIVE_CONTEXT_SECONDS = 12.0, 1.5
"""Of a pipe. The bundled network's own windows of 24 s are 0.2 to 0.4 dB better, but would come out 12 s later."""


Measure = Callable[[Callable[[float], None]], float]
"""What finds out the loudness of a track, in LUFS; meanwhile it tells how many seconds it has heard."""


class Asked(Protocol):
    """What a job tells about the network."""

    @property
    def model(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
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
        measure: Measure | None = None,
    ) -> Separator:
        """Load the network, and meanwhile measure the track (unless its loudness is given).

        Args:
            mixes_back: whether the stems must keep the film's level.
            measure: used where the file cannot be read before.
        """
        lufs = job.input_lufs
        if lufs is None and measure is not None:  # what comes is heard here, while torch is imported
            lufs = _heard(measure, media, track, console)
        if lufs is not None:
            network, device = _load(job, console, mixes_back)
        else:
            with measuring_lufs(media, track) as measured:
                network, device = _load(job, console, mixes_back)
                lufs = _heard(measured, media, track, console)
        return cls._told(network, device, track, lufs)

    @classmethod
    def open_all(
        cls, job: Asked, media: Media, chosen: Sequence[Stream], console: Console, *, mixes_back: bool = True
    ) -> dict[int, Separator]:
        """The same for several tracks of a film, with one network: stream index -> separator."""
        first = cls.open(job, media, chosen[0], console, mixes_back=mixes_back)
        found = {first.track.index: first}
        for track in chosen[1:]:
            lufs = job.input_lufs
            if lufs is None:
                lufs = _heard(partial(integrated_lufs, media, track), media, track, console)
            found[track.index] = cls._told(first.network, first.device, track, lufs)
        return found

    @classmethod
    def _told(cls, network: Any, device: str, track: Stream, lufs: float) -> Separator:
        """Ready for a track of this loudness."""
        # BS.1770 adds the power of the channels, but the network hears one at a time
        together = SHARED_LU if (track.channels or 1) > 1 else 0.0
        gain = 10 ** ((network.input_lufs - lufs + together) / 20) if math.isfinite(lufs) else 1.0
        return cls(network, device, track, gain)

    def run(
        self,
        blocks: Iterator[np.ndarray],
        stems: tuple[str, ...],
        *,
        weights: Sequence[float] | None = None,
        live: bool = False,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Mixture `[channels, samples]` and stems `[stems, channels, samples]`, piece by piece.

        Args:
            weights: one for each stem; then their weighted sum comes out in place of the stems, `[1, ...]`.
            live: whether somebody waits for the sound: windows are short then, and each is computed as soon as it
                is there.

        Raises:
            CforkError: the device has not enough memory.
        """
        from model.streaming.allocator import is_out_of_memory
        from model.streaming.separator import separate as run

        haste: dict[str, Any] = {}
        if live:
            haste["batch_size"] = 1
            if self.network.window_seconds > LIVE_WINDOW_SECONDS:
                haste.update(window_seconds=LIVE_WINDOW_SECONDS, context_seconds=LIVE_CONTEXT_SECONDS)
        try:
            yield from run(
                blocks, self.network, sample_rate=self.track.sample_rate or 0, channels=self.track.channels or 0,
                stems=stems, weights=weights, input_gain=self.input_gain, device=self.device,
                untouched=low_frequency(self.track.layout), pairs=pairs(self.track.layout, self.track.channels),
                **haste,
            )  # fmt: skip
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise CforkError(
                "there is too little free memory: end other programs"
                if self.device == "cpu"
                else "the GPU has too little free memory: end other programs on it, or use --device cpu"
            ) from error


def _load(job: Asked, console: Console, mixes_back: bool) -> tuple[Any, str]:
    """The network that was asked for, and where it runs."""
    console.stage("load")
    network, device = load_network(job.model, job.device, job.precision)
    if not network.level_matched and mixes_back:
        raise _levels_differ(job.model)
    return network, device


def _heard(measure: Measure, media: Media, track: Stream, console: Console) -> float:
    """The loudness of a track, measured now, in LUFS."""
    console.stage("measure", track.duration_seconds or media.duration_seconds)
    return measure(console.at)


def peak_notes(guard: PeakGuard | None, sample_rate: int, *, is_only_folded: bool = False) -> list[str]:
    """What the user should know about peaks that were turned down.

    Args:
        is_only_folded: whether no level was changed: then it is the sum of the channels that is too loud.
    """
    if guard is None or not guard.reduced_samples:
        return []
    seconds, most_db = guard.reduced_samples / sample_rate, -20 * math.log10(guard.lowest_gain)
    what, cure = (
        ("the channels folded together go", "") if is_only_folded else ("the new levels go", "; lower gains avoid that")
    )
    return [
        f"{what} over full scale: for {seconds:.1f} s in all, the sound was turned down by up to {most_db:.1f} dB{cure}"
    ]


def check_model(name: str) -> None:
    """Find a missing model before the work; torch stays out of it."""
    from model.hub.weights import WeightsError, resolve

    try:
        resolve(name)
    except WeightsError as error:
        raise ModelError(str(error)) from error


def check_levels(model: str, force: bool) -> tuple[str, ...]:
    """Refuse a model whose stems cannot be mixed back; with `force`, return the warning instead.

    Raises:
        ModelError: they cannot, or nothing tells.
    """
    from model.hub.weights import WeightsError, is_level_matched

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
