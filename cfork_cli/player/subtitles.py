"""Text subtitles as browsers read them: WebVTT."""

from __future__ import annotations

from cfork_cli.errors import FfmpegError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import QUIET, url
from cfork_cli.ffmpeg.complaints import complaint
from cfork_cli.ffmpeg.demuxers import GUARD_OPTIONS
from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.media.timeline import film_zero
from cfork_cli.media.types import Media, Stream

TEXT = ("subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text", "subviewer", "microdvd", "sami", "ttml", "eia_608")
"""Codecs that are words; the others (DVD, Blu-ray, DVB) are pictures of words."""

_PATIENCE_SECONDS = 600.0
"""Subtitles lie all over the film, so all of it is read."""


def text_tracks(media: Media) -> list[Stream]:
    """Return the film's subtitles that browsers can be given."""
    return [one for one in media.streams if one.kind == "subtitle" and one.codec in TEXT]


def webvtt(media: Media, track: Stream) -> bytes:
    """Return a subtitle track as WebVTT, in seconds of the film.

    Raises:
        FfmpegError: ffmpeg cannot read it.
    """
    options = ["-map", f"0:{track.index}", "-output_ts_offset", f"{-film_zero(media):.6f}", "-f", "webvtt", "pipe:1"]
    command = [find_ffmpeg(), *QUIET, "-copyts", *GUARD_OPTIONS, "-i", url(media.path), *options]
    done = process.run(command, timeout=_PATIENCE_SECONDS)
    if done.status != 0 or not done.output.startswith(b"WEBVTT"):
        raise FfmpegError(f"the subtitles could not be read ({complaint(done.log) or 'no reason given'})")
    return done.output
