"""Cut a piece out of a film without decoding anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cfork_cli.errors import FfmpegError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import QUIET, url
from cfork_cli.ffmpeg.complaints import complaint, write_error, write_failure
from cfork_cli.ffmpeg.demuxers import GUARD_OPTIONS
from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.media.span import Span
from cfork_cli.media.types import Media

_LOOK_SECONDS = 0.05


def cut(media: Media, span: Span, seek_seconds: float, output: Path, container: str, tick: Callable[[], None]) -> None:
    """Copy all streams of a piece into a new file of the film's own kind, which begins at zero.

    Covers are taken from the whole film: theirs is its first moment. Sound and subtitles that come before the picture
    are left out, or the piece would begin with all the time since the last of them.

    Args:
        span: begins at a key frame, where there is a picture.
        seek_seconds: what ffmpeg must be told to land there.
        container: ffmpeg's name of the muxer.
        tick: called several times a second; what it raises ends the work.

    Raises:
        OutputError: the disk is full. FfmpegError: ffmpeg cannot cut such a film.
    """
    length = [] if span.end is None else ["-t", f"{span.end - span.begin:.6f}"]
    covers = [str(stream.index) for stream in media.streams if stream.is_cover]
    film = [*GUARD_OPTIONS, "-ss", f"{seek_seconds:.6f}", "-i", url(media.path)]
    whole = [*GUARD_OPTIONS, "-i", url(media.path)] if covers else []
    chosen = ["-map", "0", "-map", "-0:d?", *(part for cover in covers for part in ("-map", f"-0:{cover}"))]
    chosen += [part for cover in covers for part in ("-map", f"1:{cover}")]
    earlier = ["-copypriorss:a", "0", "-copypriorss:s", "0"] if media.picture is not None else []
    command = [
        find_ffmpeg(), *QUIET, "-y", *film, *whole, *length, *chosen, "-c", "copy", *earlier, "-map_metadata", "0",
        "-map_chapters", "0", "-strict", "experimental", "-avoid_negative_ts", "make_zero", "-f", container,
        url(output),
    ]  # fmt: skip
    with process.Child(command) as child:
        while child.running():
            tick()
            time.sleep(_LOOK_SECONDS)
        status, log = child.wait(), child.log()
    if status != 0 or write_error(log) is not None:
        if write_error(log) is not None:
            raise write_failure(output, status, log)
        raise FfmpegError(f"no piece can be cut out of '{media.path}' ({complaint(log) or f'status {status}'})")
