"""How loud a sound track is as a whole: integrated loudness after ITU-R BS.1770, by ffmpeg's `ebur128`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import ffmpeg

from cfork_cli import process
from cfork_cli.decode import check_length, check_status, clock_streams, on_film_time, tells_its_length
from cfork_cli.errors import DamagedInputError
from cfork_cli.probe import Media, Stream

SILENCE_LUFS = -70.0
"""BS.1770's absolute gate: what is not louder does not count, and `ebur128` says this when nothing counts."""


def integrated_lufs(media: Media, track: Stream, progress: Callable[[float], None] | None = None) -> float:
    """Measure a whole track in one pass; about 250 times faster than real time on one core.

    Args:
        progress: called now and then with the seconds measured so far.

    Returns:
        LUFS, to 0.1 LU; -inf for silence.

    Raises:
        DamagedInputError: the track cannot be decoded, or the film is shorter than it says: better told now than
            after the whole remix.
        InputError: this ffmpeg has no decoder for it.
        FfmpegError: ffmpeg cannot be started, or was killed.
    """
    seconds = 0.0
    with process.Child(_command(media, track), stdout=True) as child:
        for line in child.stdout:
            found = re.match(rb"out_time_us=(\d+)", line)
            if found:
                seconds = int(found[1]) / 1e6
                if progress is not None:
                    progress(seconds)
        status, log = child.wait(), child.log()
    check_status(media, track, status, log)
    check_length(media, track, seconds, None)
    # the summary stands at the end, after any complaints
    summary = re.findall(r"^\s*I:\s+(-?[\d.]+|-?inf|nan) LUFS", log, re.MULTILINE)
    if not summary:
        why = process.words(log) or "ffmpeg told no result"
        raise DamagedInputError(f"the loudness of '{media.path}' could not be measured ({why})")
    lufs = float(summary[-1])
    return lufs if lufs > SILENCE_LUFS and math.isfinite(lufs) else -math.inf


def _command(media: Media, track: Stream) -> list[str]:
    film = ffmpeg.input("FILM", protocol_whitelist=process.PROTOCOLS)
    # "verbose" keeps the line for every 100 ms out of the log; the summary comes at "info"
    measure = f"{on_film_time(track)},ebur128=framelog=verbose"
    graph = ffmpeg.output(film[str(track.index)], "-", f="null", af=measure)
    if track.duration_seconds is None and tells_its_length(media):
        # Only the whole film tells its length: the sound may rightly end before the picture, so both are read.
        others = [film[str(stream.index)] for stream in clock_streams(media)]
        graph = ffmpeg.merge_outputs(ffmpeg.output(*others, "-", f="null", c="copy"), graph)
    graph = graph.global_args("-loglevel", "level+info", "-progress", "pipe:1")
    return process.command(process.find_ffmpeg(), graph, {"FILM": process.url(media.path)})
