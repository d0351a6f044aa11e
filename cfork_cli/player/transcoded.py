"""The picture as H.264, made while it is watched, for browsers that cannot show what is in the film.

One ffmpeg runs on from the last place that was asked for; where nobody reads it waits, since its pipe is full.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from cfork_cli.errors import FfmpegError
from cfork_cli.ffmpeg.command import QUIET, url
from cfork_cli.ffmpeg.complaints import complaint
from cfork_cli.ffmpeg.demuxers import GUARD_OPTIONS
from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.ffmpeg.process import Child
from cfork_cli.media.timeline import film_zero
from cfork_cli.media.types import Media
from cfork_cli.player import fmp4, pictures

MIME = 'video/mp4; codecs="avc1.640028"'
PIECE_SECONDS = 2.0
"""Between key frames: short, since a piece is shown when it is whole."""
ROUNDING_SECONDS = 5e-4

_MOST_LINES = 1080
_STEPS_SECONDS = (5.0, 60.0, 600.0, 1e9)
"""Steps by which to look back for the last picture."""


class TranscodedPicture:
    """The picture of a film; one request at a time."""

    def __init__(self, media: Media, seconds: float | None) -> None:
        """
        Args:
            seconds: length of the film; a picture that ends earlier stands still until then.
        """
        self._media, self._seconds = media, seconds
        self._open = contextlib.ExitStack()
        self._running: Iterator[tuple[bytes, float, float]] | None = None
        self._next = 0.0
        self._head = b""

    def head(self) -> bytes:
        """Return the head of the track; there is none before the first piece."""
        if not self._head:
            self.fragment(0.0)
        return self._head

    def fragment(self, seconds: float) -> tuple[bytes, float, float] | None:
        """Return head and fragment, begin and end of the piece at a moment; None past the end of the film.

        Raises:
            FfmpegError: ffmpeg cannot do it.
        """
        seconds = max(0.0, seconds)
        if self._seconds is not None and seconds >= self._seconds - ROUNDING_SECONDS:
            return None
        running, self._running = self._running, None  # whatever goes wrong: it does not go on
        if running is None or abs(seconds - self._next) > ROUNDING_SECONDS:
            self.close()
            running = self._pieces(seconds)
        piece = next(running, None)
        if piece is None:
            self.close()
            return self._still(seconds)
        self._running, self._next = running, piece[2]
        return piece

    def _still(self, seconds: float) -> tuple[bytes, float, float] | None:
        """Return the last piece, which stands until the film ends; None if the film's length is not known."""
        if self._seconds is None:
            return None
        for step in _STEPS_SECONDS:
            pieces = list(self._pieces(max(0.0, seconds - step)))
            self.close()
            if pieces or step >= seconds:
                return pieces[-1] if pieces else None
        return None

    def close(self) -> None:
        """End ffmpeg."""
        self._running = None
        self._open.close()

    def _command(self, begin: float) -> list[str]:
        picture = self._media.picture
        if picture is None:
            raise ValueError("there is no picture to transcode")
        # ffmpeg counts from the earliest time stamp, also where that lies before the film's start
        moved = max(0.0, begin + film_zero(self._media) - self._media.start_seconds)
        seek = ["-ss", f"{moved:.6f}"] if moved else []
        keys = f"expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+{PIECE_SECONDS}))"
        filters = f"yadif=deint=interlaced,scale=-2:'min({_MOST_LINES},ih)':flags=bilinear,setsar=1,format=yuv420p"
        return [
            find_ffmpeg(), *QUIET, "-copyts", *GUARD_OPTIONS, *seek, "-i", url(self._media.path),
            "-map", f"0:{picture.index}", "-an", "-sn", "-dn", "-vf", filters,
            "-c:v", "libx264", "-preset", "ultrafast", "-crf", "21", "-bf", "0",
            "-enc_time_base", f"1:{pictures.TIME_SCALE}", "-force_key_frames", keys, "-f", "matroska", "pipe:1",
        ]  # fmt: skip

    def _pieces(self, begin: float) -> Iterator[tuple[bytes, float, float]]:
        """Yield pieces from a moment on, as ffmpeg makes them."""
        import av

        child = self._open.enter_context(Child(self._command(begin), stdout=True))
        try:
            with av.open(child.stdout, format="matroska") as container:
                yield from self._cut(container, begin)
        except (av.error.FFmpegError, OSError) as error:
            why = complaint(child.log())
            if child.last_status() == 0 and not why:
                return  # nothing is there: the picture has ended before
            raise FfmpegError(f"the picture could not be made fit for the browser ({why or error})") from error

    def _cut(self, container: Any, begin: float) -> Iterator[tuple[bytes, float, float]]:
        stream = container.streams.video[0]
        base = float(stream.time_base)
        piece: list[tuple[bytes, float, bool]] = []
        start, latest = begin, begin
        for packet in container.demux(stream):
            if packet.pts is None or not packet.size:
                continue
            at = packet.pts * base - film_zero(self._media)
            if packet.is_keyframe:
                if piece:
                    yield self._made(piece, start, at)
                    start = at
                else:
                    self._head = pictures.head(stream, bytes(packet))
                    at = begin  # the picture stands from where one begins to watch
                piece = []
            piece.append((bytes(packet), at, packet.is_keyframe))
            latest = max(latest, at + float((packet.duration or 0) * base))
        if piece:
            yield self._made(piece, start, max(latest, self._seconds or 0.0))

    def _made(self, piece: list[tuple[bytes, float, bool]], start: float, end: float) -> tuple[bytes, float, float]:
        made, begin = pictures.samples(piece, end)
        return self._head + fmp4.fragment(made, begin), start, end
