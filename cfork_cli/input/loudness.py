"""Measure a sound track's integrated loudness after ITU-R BS.1770, by ffmpeg's `ebur128`."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import ffmpeg
import numpy as np

from cfork_cli.errors import DamagedInputError, FfmpegError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import compile_graph, raw_input_options, url
from cfork_cli.ffmpeg.complaints import complaint
from cfork_cli.ffmpeg.demuxers import GUARD, guarded
from cfork_cli.input import nut
from cfork_cli.input.decode import check_length, check_status, last_seconds
from cfork_cli.media import timeline
from cfork_cli.media.span import Reach, Span, reach, samples_of
from cfork_cli.media.timeline import clock_streams, tells_its_length, uniform
from cfork_cli.media.types import Media, Stream

GATE_LUFS = -70.0
"""BS.1770's absolute gate: what is not louder does not count, and `ebur128` says this when nothing counts."""

USUAL_LUFS = -23.0
"""Where a sound far from usual levels is brought before it is measured again: the target of EBU R 128."""

QUIETEST_LUFS, LOUDEST_LUFS = -50.0, 0.0
"""Below, the absolute gate cuts off passages that would count in the same film at a usual level; above, parts of it are
beyond the +10 LUFS up to which `ebur128` counts."""

SHIFT_DB = 60.0
"""Gain before the next measurement where nothing of the sound was inside the range of `ebur128`."""

MOST_SHIFTS = 2
"""Measurements with a gain: one to find the sound, one at a usual level."""


@dataclass(frozen=True)
class Loudness:
    """Loudness of a sound track.

    Attributes:
        integrated_lufs: of the whole track; -inf for silence.
        range_lu: loudness range (EBU Tech 3342).
        true_peak_dbtp: highest peak between the samples, -inf for digital silence; None if it was not asked for.
    """

    integrated_lufs: float
    range_lu: float
    true_peak_dbtp: float | None = None


def integrated_lufs(
    media: Media,
    track: Stream,
    progress: Callable[[float], None] | None = None,
    *,
    span: Span | None = None,
    accept_damaged: bool = False,
) -> float:
    """Measure a whole track in one pass; about 600 times faster than real time on one core.

    Args:
        progress: called now and then with the seconds measured so far.
        span: a piece of the film; None is all of it.
        accept_damaged: whether what is there is measured, however much is missing.

    Returns:
        LUFS, to 0.1 LU; -inf for silence.

    Raises:
        DamagedInputError, InputError, FfmpegError: see `measure`.
    """
    with measuring_lufs(media, track, span, accept_damaged=accept_damaged) as measured:
        return measured(progress)


def measure(
    media: Media, track: Stream, progress: Callable[[float], None] | None = None, *, true_peak: bool = False
) -> Loudness:
    """Measure a whole track in one pass; see `measuring`."""
    with measuring(media, track, true_peak=true_peak) as result:
        return result(progress)


@contextlib.contextmanager
def measuring(
    media: Media, track: Stream, *, true_peak: bool = False, span: Span | None = None, accept_damaged: bool = False
) -> Iterator[Callable[[Callable[[float], None] | None], Loudness]]:
    """Start to measure a whole track, in a process of its own, while something else is done here.

    A film far from usual levels is measured again with a gain that is taken off the result: so a film has the loudness
    of the same film 40 dB louder, minus 40, and one of -75 LUFS is not silent.

    Args:
        true_peak: whether to look for peaks between the samples too, which takes several times as long.
        span: a piece of the film; None is all of it.
        accept_damaged: whether what is there is measured, however much is missing.

    Yields:
        What waits for the result. It takes what is called now and then with the seconds measured so far, or None.

    Raises:
        DamagedInputError: the track cannot be decoded, or the film is shorter than it says: better known now than
            after the whole remix.
        InputError: this ffmpeg has no decoder for it.
        FfmpegError: ffmpeg cannot be started, or was killed.
    """
    strict = span is None and not accept_damaged

    def again(gain_db: float) -> Loudness:
        with _metered(media, track, true_peak, span, gain_db) as (reader, meter):
            return _result(reader, meter, media, track, None, is_strict=strict)

    with _metered(media, track, true_peak, span) as (reader, meter):
        yield lambda progress: _in_range(_result(reader, meter, media, track, progress, is_strict=strict), again)


@contextlib.contextmanager
def _metered(
    media: Media, track: Stream, true_peak: bool, span: Span | None, gain_db: float = 0.0
) -> Iterator[tuple[process.Child, process.Child]]:
    """Start the ffmpeg that decodes a track, and the one that measures it after a gain."""
    with process.Child(_reading(media, track, span), stdout=True) as reader:
        # The samples go from one ffmpeg into the other: a meter in the first would begin anew where the track changes.
        taken = reader.stdout.fileno()
        with process.Child(_metering(true_peak, gain_db), stdin=taken, stdout=True, source=reader) as meter:
            reader.stdout.close()
            yield reader, meter


@contextlib.contextmanager
def measuring_lufs(
    media: Media, track: Stream, span: Span | None = None, *, accept_damaged: bool = False
) -> Iterator[Callable[[Callable[[float], None] | None], float]]:
    """Measure only the integrated loudness, in LUFS; -inf for silence. See `measuring`."""
    with measuring(media, track, span=span, accept_damaged=accept_damaged) as result:
        yield lambda progress: result(progress).integrated_lufs


def _result(
    reader: process.Child,
    meter: process.Child,
    media: Media,
    track: Stream,
    progress: Callable[[float], None] | None,
    *,
    is_strict: bool,
) -> Loudness:
    seconds = 0.0
    for line in meter.stdout:
        found = re.match(rb"out_time_us=(\d+)", line)
        if found:
            seconds = int(found[1]) / 1e6
            if progress is not None:
                progress(seconds)
    failed, log = meter.wait(), meter.log()
    status, why = reader.wait(), reader.log()
    measured = _summary(log)
    if is_strict or measured is None:
        check_status(media, track, status, why)
    if is_strict:
        late = max(0.0, track.start_seconds - max(0.0, media.start_seconds))
        check_length(media, track, late + seconds, last_seconds(why))
    if measured is None or failed != 0:
        reason = complaint(why) or complaint(log) or "ffmpeg reported no result"
        raise DamagedInputError(f"the loudness of '{media.path}' could not be measured ({reason})")
    return measured


def lufs_of(blocks: Sequence[np.ndarray], sample_rate: int, channels: int, layout: str | None) -> float:
    """Integrated loudness of samples `[channels, any]` that lie in memory, in LUFS; -inf for silence, or for nothing.

    Raises:
        FfmpegError: ffmpeg cannot be run, or failed.
    """
    if not blocks:
        return -math.inf
    source = ffmpeg.input("pipe:0", **raw_input_options(sample_rate, channels, layout))
    graph = ffmpeg.output(source["a:0"], "-", f="null", af=_FILTER).global_args("-loglevel", "level+info")
    command = compile_graph(graph, {})
    sound = np.ascontiguousarray(np.concatenate(list(blocks), axis=1).T, "<f4")

    def measured(gain_db: float) -> Loudness:
        louder = sound * np.float32(10 ** (gain_db / 20)) if gain_db else sound
        finished = process.run(command, stdin=louder.tobytes())
        found = _summary(finished.log)
        if finished.status != 0 or found is None:
            raise FfmpegError(f"the loudness could not be measured ({complaint(finished.log) or 'no result'})")
        return found

    return _in_range(measured(0.0), measured).integrated_lufs


def _in_range(measured: Loudness, again: Callable[[float], Loudness]) -> Loudness:
    """Return the loudness, measured again with a gain in dB while it lies where `ebur128` does not count all of it."""
    gain_db = 0.0
    for _ in range(MOST_SHIFTS):
        lufs = measured.integrated_lufs
        if QUIETEST_LUFS <= lufs <= LOUDEST_LUFS or measured.true_peak_dbtp == -math.inf:
            break
        if lufs == -math.inf:
            gain_db += SHIFT_DB
        else:
            gain_db += min(max(USUAL_LUFS - lufs, -SHIFT_DB), SHIFT_DB)
        measured = again(gain_db)
    peak = measured.true_peak_dbtp
    return Loudness(
        measured.integrated_lufs - gain_db, measured.range_lu, None if peak is None else peak - gain_db
    )  # -inf stays


# "verbose" keeps the line for every 100 ms out of the log; the summary comes at "info"
_FILTER = "ebur128=framelog=verbose"


def _summary(log: str) -> Loudness | None:
    """Return what `ebur128` reports at its end, after any complaints; None if there is no report."""

    def last(words: str) -> float | None:
        found = re.findall(rf"^\s*{words}\s+(-?[\d.]+|-?inf|nan) ", log, re.MULTILINE)
        return float(found[-1]) if found else None

    lufs, spread, peak = last("I:"), last("LRA:"), last("Peak:")
    if lufs is None:
        return None
    loud = lufs > GATE_LUFS and math.isfinite(lufs)
    return Loudness(lufs if loud else -math.inf, spread if loud and spread is not None else 0.0, peak)


def _reading(media: Media, track: Stream, span: Span | None) -> list[str]:
    """Return the command that decodes a track, at one rate and in one layout, into a pipe."""
    rate = track.sample_rate or 0
    asked = Reach(0) if span is None or not rate else reach(media, rate, *samples_of(media, rate, span))
    film = ffmpeg.input("FILM", **guarded(media.container), **asked.options)
    how = uniform(track, asked.end)
    if span is not None:
        how += f",atrim=start_pts={asked.begin}"
    graph = ffmpeg.output(film[str(track.index)], "pipe:1", af=how, **nut.options())
    if span is not None and timeline.keeps_time_stamps(media):
        graph = graph.global_args("-copyts")
    if track.duration_seconds is None and tells_its_length(media) and span is None:
        # Only the whole film shows its length: the sound may rightly end before the picture, so both are read.
        clock = clock_streams(media)
        target, options = timeline.nowhere(clock)
        others = [film[str(stream.index)] for stream in clock]
        graph = ffmpeg.merge_outputs(ffmpeg.output(*others, target, **options), graph)
    graph = graph.global_args("-y", "-progress", "pipe:2", "-stats_period", "100000")
    return compile_graph(graph, {"FILM": url(media.path)})


def _metering(true_peak: bool, gain_db: float) -> list[str]:
    """Return the command that measures what `_reading` gives, after a gain."""
    sound = ffmpeg.input("pipe:0", f="nut", **GUARD)
    # In floats: a gain on integers would clip, or keep what was rounded off.
    gain = f"volume={gain_db}dB:precision=double," if gain_db else ""
    graph = ffmpeg.output(sound["a:0"], "-", f="null", af=f"{gain}{_FILTER}{':peak=true' if true_peak else ''}")
    graph = graph.global_args("-loglevel", "level+info", "-progress", "pipe:1")
    return compile_graph(graph, {})
