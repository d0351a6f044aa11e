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
from cfork_cli.ffmpeg.command import PROTOCOLS, compile_graph, raw_input_options, url
from cfork_cli.ffmpeg.complaints import complaint
from cfork_cli.input.decode import check_length, check_status
from cfork_cli.media import timeline
from cfork_cli.media.span import Reach, Span, reach, samples_of
from cfork_cli.media.timeline import clock_streams, on_film_time, tells_its_length
from cfork_cli.media.types import Media, Stream

SILENCE_LUFS = -70.0
"""BS.1770's absolute gate: what is not louder does not count, and `ebur128` says this when nothing counts."""


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
    media: Media, track: Stream, progress: Callable[[float], None] | None = None, *, span: Span | None = None
) -> float:
    """Measure a whole track in one pass; about 600 times faster than real time on one core.

    Args:
        progress: called now and then with the seconds measured so far.
        span: a piece of the film; None is all of it.

    Returns:
        LUFS, to 0.1 LU; -inf for silence.

    Raises:
        DamagedInputError, InputError, FfmpegError: see `measure`.
    """
    with measuring_lufs(media, track, span) as measured:
        return measured(progress)


def measure(
    media: Media, track: Stream, progress: Callable[[float], None] | None = None, *, true_peak: bool = False
) -> Loudness:
    """Measure a whole track in one pass; see `measuring`."""
    with measuring(media, track, true_peak=true_peak) as result:
        return result(progress)


@contextlib.contextmanager
def measuring(
    media: Media, track: Stream, *, true_peak: bool = False, span: Span | None = None
) -> Iterator[Callable[[Callable[[float], None] | None], Loudness]]:
    """Start to measure a whole track, in a process of its own, while something else is done here.

    Args:
        true_peak: whether to look for peaks between the samples too, which takes several times as long.
        span: a piece of the film; None is all of it.

    Yields:
        What waits for the result. It takes what is called now and then with the seconds measured so far, or None.

    Raises:
        DamagedInputError: the track cannot be decoded, or the film is shorter than it says: better known now than
            after the whole remix.
        InputError: this ffmpeg has no decoder for it.
        FfmpegError: ffmpeg cannot be started, or was killed.
    """
    with process.Child(_command(media, track, true_peak, span), stdout=True) as child:
        yield lambda progress: _result(child, media, track, progress, is_piece=span is not None)


@contextlib.contextmanager
def measuring_lufs(
    media: Media, track: Stream, span: Span | None = None
) -> Iterator[Callable[[Callable[[float], None] | None], float]]:
    """Measure only the integrated loudness, in LUFS; -inf for silence. See `measuring`."""
    with measuring(media, track, span=span) as result:
        yield lambda progress: result(progress).integrated_lufs


def _result(
    child: process.Child,
    media: Media,
    track: Stream,
    progress: Callable[[float], None] | None,
    *,
    is_piece: bool,
) -> Loudness:
    seconds = 0.0
    for line in child.stdout:
        found = re.match(rb"out_time_us=(\d+)", line)
        if found:
            seconds = int(found[1]) / 1e6
            if progress is not None:
                progress(seconds)
    status, log = child.wait(), child.log()
    check_status(media, track, status, log)
    if not is_piece:
        check_length(media, track, seconds, None)
    measured = _summary(log)
    if measured is None:
        why = complaint(log) or "ffmpeg reported no result"
        raise DamagedInputError(f"the loudness of '{media.path}' could not be measured ({why})")
    return measured


def lufs_of(blocks: Sequence[np.ndarray], sample_rate: int, channels: int, layout: str | None) -> float:
    """Integrated loudness of samples `[channels, any]` that lie in memory, in LUFS; -inf for silence, or for nothing.

    Raises:
        FfmpegError: ffmpeg cannot be run, or failed.
    """
    if not blocks:
        return -math.inf
    sound = ffmpeg.input("pipe:0", **raw_input_options(sample_rate, channels, layout))
    graph = ffmpeg.output(sound["a:0"], "-", f="null", af=_FILTER).global_args("-loglevel", "level+info")
    data = np.ascontiguousarray(np.concatenate(list(blocks), axis=1).T, "<f4").tobytes()
    finished = process.run(compile_graph(graph, {}), stdin=data)
    measured = _summary(finished.log)
    if finished.status != 0 or measured is None:
        raise FfmpegError(f"the loudness could not be measured ({complaint(finished.log) or 'no result'})")
    return measured.integrated_lufs


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
    loud = lufs > SILENCE_LUFS and math.isfinite(lufs)
    return Loudness(lufs if loud else -math.inf, spread if loud and spread is not None else 0.0, peak)


def _command(media: Media, track: Stream, true_peak: bool, span: Span | None) -> list[str]:
    rate = track.sample_rate or 0
    asked = Reach(0) if span is None or not rate else reach(media, rate, *samples_of(media, rate, span))
    film = ffmpeg.input("FILM", protocol_whitelist=PROTOCOLS, **asked.options)
    how = f"{on_film_time(track, asked.begin, asked.end)},{_FILTER}{':peak=true' if true_peak else ''}"
    graph = ffmpeg.output(film[str(track.index)], "-", f="null", af=how)
    if span is not None and timeline.keeps_time_stamps(media):
        graph = graph.global_args("-copyts")
    if track.duration_seconds is None and tells_its_length(media) and span is None:
        # Only the whole film shows its length: the sound may rightly end before the picture, so both are read.
        clock = clock_streams(media)
        target, options = timeline.nowhere(clock)
        others = [film[str(stream.index)] for stream in clock]
        graph = ffmpeg.merge_outputs(ffmpeg.output(*others, target, **options), graph)
    graph = graph.global_args("-y", "-loglevel", "level+info", "-progress", "pipe:1")
    return compile_graph(graph, {"FILM": url(media.path)})
