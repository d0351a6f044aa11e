"""The flow, in one sentence: probe, decode, separate, mix, write.

`plan_remix` and `plan_separate` do every check that needs no heavy work and return a plan; `remix` and `separate`
carry it out, streaming: ffmpeg decodes and encodes in processes of their own while the network computes here.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cfork_cli import process, remux
from cfork_cli import separate as stem_files
from cfork_cli.console import Console, clock
from cfork_cli.decode import decode
from cfork_cli.destination import check_destination
from cfork_cli.encode import FilmSink
from cfork_cli.errors import CforkError, ModelError, UsageError
from cfork_cli.jobs import SPOKEN_ORDER, RemixJob, RemixPlan, SeparateJob, SeparatePlan, levels
from cfork_cli.limiter import PeakGuard, guard_peaks
from cfork_cli.loudness import integrated_lufs
from cfork_cli.mix import remix as mix
from cfork_cli.probe import Media, Stream, probe
from model import STEMS

__all__ = [
    "RemixJob",
    "RemixPlan",
    "SeparateJob",
    "SeparatePlan",
    "load_network",
    "plan_remix",
    "plan_separate",
    "remix",
    "separate",
]


def plan_remix(job: RemixJob, console: Console) -> RemixPlan:
    """Probe the film and check all that can be checked before the work.

    Raises:
        InputError, OutputError, UsageError, FfmpegError, ModelError: see `cfork_cli.errors`.
    """
    _check_lufs(job.input_lufs)
    media, track = _choose(job.input, job.track)
    output = job.output or media.path.with_name(f"{media.path.stem}.cfork{media.path.suffix}")
    check_destination(output, source=media.path, force=job.force)
    stems = tuple(stem for stem in STEMS if job.gains_db[stem] != 0)
    if stems:
        _check_model(job.model)
    program = process.find_ffmpeg()
    container = remux.container_for(output, media)
    codec = remux.choose_codec(track, container, program, wanted=job.codec)
    film = remux.plan(media, track, codec, container, program)
    plan = RemixPlan(job, media, track, output, film, stems)
    for note in plan.notes:
        console.note(note)
    return plan


def remix(plan: RemixPlan, console: Console) -> None:
    """Write the film with its new levels.

    Raises:
        CforkError: whatever went wrong; the output does not exist then, or is what it was before.
    """
    job, track = plan.job, plan.track
    gains = [job.gains_db[stem] for stem in plan.stems]
    guard: PeakGuard | None = None
    began = time.monotonic()
    separator = _Separator.open(job, plan.media, track, console) if plan.stems else None
    with (
        decode(plan.media, track) as blocks,
        FilmSink(plan.media, track, plan.output, codec=plan.film.codec, force=job.force) as sink,
    ):
        console.stage("remix", track.duration_seconds or plan.media.duration_seconds)
        sound: Iterator[np.ndarray] = iter(blocks)
        if separator is not None:
            remixed = ((x, mix(x, stems, gains)) for x, stems in separator.run(sound, plan.stems))
            guard = PeakGuard(blocks.sample_rate) if plan.film.codec.clips else None
            sound = guard_peaks(remixed, guard) if guard else (y for _, y in remixed)
        for block in sound:
            sink.write(block)
            console.at(sink.samples / blocks.sample_rate)
        console.stage("finish")
    console.end()
    notes = (*blocks.notes, *_peak_notes(guard, blocks.sample_rate))
    _report(plan.facts(), notes, sink.samples / blocks.sample_rate, time.monotonic() - began, console,
            f"{plan.output}: {levels(job.gains_db)}")  # fmt: skip


def plan_separate(job: SeparateJob, console: Console) -> SeparatePlan:
    """Probe the film and check all that can be checked before the work.

    Raises:
        InputError, OutputError, UsageError, FfmpegError, ModelError: see `cfork_cli.errors`.
    """
    stem_files.subtype(job.format, job.bits)
    _check_lufs(job.input_lufs)
    wanted = tuple(dict.fromkeys(stem_files.stem_name(stem) for stem in job.stems)) or SPOKEN_ORDER
    media, track = _choose(job.input, job.track)
    decode(media, track)  # starts nothing, but refuses a track whose rate or channels nobody knows
    files = {stem: job.folder / f"{stem}.{job.format}" for stem in wanted}
    stem_files.check_channels(job.format, track.channels or 0)
    stem_files.check_folder(job.folder)
    if job.folder.exists():
        for path in files.values():
            check_destination(path, source=media.path, force=job.force)
    _check_model(job.model)
    return SeparatePlan(job, media, track, files)


def separate(plan: SeparatePlan, console: Console) -> None:
    """Write the stems.

    Raises:
        CforkError: whatever went wrong; none of the files exists then, or each is what it was before.
    """
    job, track = plan.job, plan.track
    began = time.monotonic()
    separator = _Separator.open(job, plan.media, track, console)
    stems = tuple(plan.files)
    with decode(plan.media, track) as blocks:
        sinks = stem_files.StemFiles(
            plan.files, sample_rate=blocks.sample_rate, channels=blocks.channels,
            subtype=stem_files.subtype(job.format, job.bits), source=plan.media.path, force=job.force,
            expected_seconds=track.duration_seconds or plan.media.duration_seconds,
        )  # fmt: skip
        with sinks:
            console.stage("separate", track.duration_seconds or plan.media.duration_seconds)
            for _, separated in separator.run(iter(blocks), stems):
                sinks.write(separated)
                console.at(sinks.samples / blocks.sample_rate)
    console.end()
    names = ", ".join(path.name for path in plan.files.values())
    _report(plan.facts(), (*blocks.notes, *sinks.notes), sinks.samples / blocks.sample_rate,
            time.monotonic() - began, console, f"{names} in {job.folder}")  # fmt: skip


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


@dataclass(frozen=True)
class _Separator:
    """A network ready for one track: placed, and told how loud the track is."""

    network: Any
    device: str
    track: Stream
    input_gain: float

    @classmethod
    def open(cls, job: RemixJob | SeparateJob, media: Media, track: Stream, console: Console) -> _Separator:
        """Load the network, then measure the track (unless its loudness is given)."""
        console.stage("load")
        network, device = load_network(job.model, job.device)
        if not network.level_matched and isinstance(job, RemixJob):
            raise ModelError(
                f"the stems of '{job.model}' do not keep the film's level, so they cannot be mixed back: "
                "choose another --model"
            )
        lufs = job.input_lufs
        if lufs is None:
            console.stage("measure", track.duration_seconds or media.duration_seconds)
            lufs = integrated_lufs(media, track, console.at)
        # BS.1770 adds the power of the channels, but the network hears one at a time
        together = SHARED_LU if (track.channels or 1) > 1 else 0.0
        gain = 10 ** ((network.input_lufs - lufs + together) / 20) if math.isfinite(lufs) else 1.0
        return cls(network, device, track, gain)

    def run(self, blocks: Iterator[np.ndarray], stems: tuple[str, ...]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Mixture `[channels, samples]` and stems `[stems, channels, samples]`, piece by piece.

        Raises:
            CforkError: the device has not enough memory.
        """
        import torch

        from model.separator import separate as run

        try:
            yield from run(
                blocks, self.network, sample_rate=self.track.sample_rate or 0, channels=self.track.channels or 0,
                stems=stems, input_gain=self.input_gain, device=self.device,
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


def _peak_notes(guard: PeakGuard | None, sample_rate: int) -> list[str]:
    """What the user should know about peaks that were turned down."""
    if guard is None or not guard.reduced_samples:
        return []
    seconds, most_db = guard.reduced_samples / sample_rate, -20 * math.log10(guard.lowest_gain)
    return [
        f"the new levels go over full scale: for {seconds:.1f} s in all, the sound was turned down by up to "
        f"{most_db:.1f} dB; lower gains avoid that"
    ]


def _check_model(name: str) -> None:
    """Find a missing model before the work; torch stays out of it."""
    from model.weights import WeightsError, resolve

    try:
        resolve(name)
    except WeightsError as error:
        raise ModelError(str(error)) from error


def _check_lufs(lufs: float | None) -> None:
    if lufs is not None and not -70 <= lufs <= 5:  # also true of NaN
        raise UsageError(f"{lufs} LUFS is no loudness of a sound track: give -70 to 5, or leave --input-lufs away")


def _choose(path: Path, number: int | None) -> tuple[Media, Stream]:
    """The film and its chosen sound track (counted from 1)."""
    if number is not None and number < 1:
        raise UsageError(f"there is no track {number}: tracks are counted from 1")
    media = probe(path)
    return media, media.default_audio() if number is None else media.audio_track(number - 1)


def _report(
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
