"""Where a sound track has more channels than its header says: a recording that goes from stereo to 5.1.

ffmpeg builds its filters anew with every change of a track, and says so by `timeline.MARK`. What the sound is there is
looked up afterwards by PyAV, only in films that do change. A pipe is over by then: there `timeline.COUNT` says how many
channels come, though not which.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cfork_cli.ffmpeg.command import url
from cfork_cli.ffmpeg.demuxers import GUARD
from cfork_cli.media.pyav import open_film
from cfork_cli.media.timeline import COUNTED
from cfork_cli.media.types import Media, Stream

_MARKED = re.compile(r"^(?:\[Eval @ 0x[0-9a-f]+\] )?(-?\d+\.\d+)$", re.MULTILINE)
_MOST = 8  # changes that are looked up: a night of broadcasts has many
_SAME_SECONDS = 0.002  # containers round to milliseconds
_NEAR_SECONDS = 0.5  # at a splice frames lie over each other


@dataclass(frozen=True)
class Wider:
    """From where on a track has more channels than it is read with.

    Attributes:
        seconds: from the film's start.
        channels: that it has there.
        layout: in ffmpeg's words; "" if nobody knows.
        into: the layout that the whole track is read with.
    """

    seconds: float
    channels: int
    layout: str = ""
    into: str = ""

    @property
    def words(self) -> str:
        """What the track is there, in words: "is 5.1" of 5.1(side), or "has 6 channels"."""
        return f"is {self.layout.split('(')[0]}" if self.layout else f"has {self.channels} channels"


def marks(log: str) -> list[float]:
    """Return the times of `timeline.MARK` in the log of an ffmpeg, in seconds: the beginning, and every change.

    >>> marks("1.400000\\n[ac3 @ 0x5] error\\n[Eval @ 0x55d0] 7.5\\n")
    [1.4, 7.5]
    """
    return [time for time, _ in _changes(log)]


def counted(track: Stream, log: str) -> Wider | None:
    """Return the same as `wider` from the log of an ffmpeg alone, whose times are those of the film.

    >>> stereo = Stream(0, "audio", 0, "ac3", channels=2, layout="stereo")
    >>> counted(stereo, "1000000002.000000\\n0.000000\\n1000000006.000000\\n7.500000\\n")
    Wider(seconds=7.5, channels=6, layout='', into='stereo')
    """
    for time, channels in _changes(log):
        if channels > (track.channels or channels):
            return Wider(max(0.0, time), channels, into=track.layout or f"{track.channels} channels")
    return None


def _changes(log: str) -> Iterator[tuple[float, int]]:
    """Yield the time of each `timeline.MARK`, and the channels by the `timeline.COUNT` before it; 0: not told."""
    channels = 0
    for found in map(float, _MARKED.findall(log)):
        if found >= COUNTED:
            channels = round(found) - COUNTED
        else:
            yield found, channels


def wider(media: Media, track: Stream, times: Sequence[float]) -> Wider | None:
    """Return the first place at which a track has more channels than it is read with; None if there is none.

    Args:
        times: where it may change, in seconds of the time stamps of the file.
    """
    import av

    for time in times[:_MOST]:
        with contextlib.suppress(av.error.FFmpegError, ValueError), open_film(url(media.path), GUARD) as film:
            film.seek(max(0, math.floor((time - 2 * _NEAR_SECONDS) * av.time_base)))
            for frame in film.decode(film.streams[track.index]):
                if frame.time is None or frame.time < time - _SAME_SECONDS:
                    continue
                if frame.layout.nb_channels > (track.channels or frame.layout.nb_channels):
                    seconds, into = (
                        frame.time - media.start_seconds,
                        track.layout or f"{track.channels} channels",
                    )
                    return Wider(seconds, frame.layout.nb_channels, frame.layout.name, into)
                if frame.time > time + _NEAR_SECONDS:
                    break
    return None
