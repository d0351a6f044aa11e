"""Cut a piece out of a film without decoding anything."""

from __future__ import annotations

from pathlib import Path

from cfork_cli.errors import FfmpegError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import PROTOCOLS, QUIET, url
from cfork_cli.ffmpeg.complaints import complaint, write_error, write_failure
from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.media.span import Span
from cfork_cli.media.types import Media


def cut(media: Media, span: Span, seek_seconds: float, output: Path, container: str) -> None:
    """Copy all streams of a piece into a new file of the film's own kind, which begins at zero.

    Args:
        span: begins at a key frame, where there is a picture.
        seek_seconds: the value of `ffmpeg -ss` that lands there.
        container: ffmpeg's name of the muxer.

    Raises:
        OutputError: the disk is full. FfmpegError: ffmpeg cannot cut such a film.
    """
    length = [] if span.end is None else ["-t", f"{span.end - span.begin:.6f}"]
    command = [
        find_ffmpeg(), *QUIET, "-y", "-protocol_whitelist", PROTOCOLS, "-ss", f"{seek_seconds:.6f}",
        "-i", url(media.path), *length, "-map", "0", "-map", "-0:d?", "-c", "copy", "-map_metadata", "0",
        "-map_chapters", "0", "-strict", "experimental", "-avoid_negative_ts", "make_zero", "-f", container,
        url(output),
    ]  # fmt: skip
    with process.Child(command) as child:
        status, log = child.wait(), child.log()
    if status != 0 or write_error(log) is not None:
        if write_error(log) is not None:
            raise write_failure(output, status, log)
        raise FfmpegError(f"no piece can be cut out of '{media.path}' ({complaint(log) or f'status {status}'})")
