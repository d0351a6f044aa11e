"""What a player must know at once about a sound track of hours: its loudness, nearly, and where its frames begin.

Read in this process by PyAV, which seeks in a few milliseconds; a ffmpeg for each place would take seconds.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from typing import Any

import ffmpeg
import numpy as np

from cfork_cli.errors import DamagedInputError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import compile_graph, url
from cfork_cli.ffmpeg.demuxers import GUARD, guarded
from cfork_cli.input.loudness import integrated_lufs, lufs_of
from cfork_cli.media.pyav import open_film
from cfork_cli.media.timeline import Frames
from cfork_cli.media.types import Media, Stream

PLACES, EXCERPT_SECONDS = 20, 5.0
WHOLE_SECONDS = 150.0
"""A film no longer than this is measured as a whole."""


def nearly_integrated_lufs(media: Media, track: Stream, seconds: float | None) -> float:
    """Measure the loudness of a track by excerpts spread over it, in LUFS; -inf for silence.

    Args:
        seconds: length of the film; None if nobody knows: then the whole track is measured.

    Raises:
        DamagedInputError, InputError, FfmpegError: nothing can be decoded.
    """
    if seconds is None or seconds <= WHOLE_SECONDS:
        with contextlib.suppress(DamagedInputError):  # a film that was cut off can be played all the same
            return integrated_lufs(media, track)
    step = (seconds or WHOLE_SECONDS) / PLACES
    blocks: list[np.ndarray] = []
    with opened(media) as container:
        for place in range(PLACES):
            blocks += _excerpt(container, track, media.start_seconds + (place + 0.5) * step, min(step, EXCERPT_SECONDS))
    if not blocks:
        raise DamagedInputError(f"'{media.path}': no sound can be decoded of track {track.number + 1}")
    return lufs_of(blocks, track.sample_rate or 0, track.channels or 0, track.layout)


def frames(media: Media, track: Stream) -> Frames | None:
    """Return where the frames of a track lie; None if fewer than two can be decoded.

    ffmpeg itself is asked, since it alone says to the sample what becomes of stamps in milliseconds.
    """
    film = ffmpeg.input("FILM", **guarded(media.container))
    graph = ffmpeg.output(film[str(track.index)], "-", f="null", af="ashowinfo", **{"frames:a": 2})
    graph = graph.global_args("-loglevel", "info", "-copyts")
    log = process.run(compile_graph(graph, {"FILM": url(media.path)})).log
    found = re.findall(r"n:[01] +pts:(-?\d+) .*?nb_samples:(\d+)", log)
    if len(found) < 2:
        return None
    (begin, first), (_, size) = found
    return Frames(int(begin) + int(first), int(size))


def sound_seconds(media: Media, track: Stream) -> float:
    """Return where the last packet of a track ends, in seconds of its time stamps.

    For a film that does not say how long it is: the whole file is read, but nothing decoded.
    """
    end = 0.0
    with opened(media) as container, contextlib.suppress(_av().error.FFmpegError):
        for packet in container.demux(container.streams[track.index]):
            if packet.pts is not None and packet.time_base is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return end


@contextlib.contextmanager
def opened(media: Media) -> Iterator[Any]:
    """Open a film with PyAV.

    Raises:
        DamagedInputError: it cannot be read.
    """
    av = _av()
    try:
        container = open_film(url(media.path), GUARD)
    except av.error.FFmpegError as error:
        raise DamagedInputError(f"'{media.path}' cannot be read ({error.strerror})") from error
    with container:
        yield container


def _excerpt(container: Any, track: Stream, at: float, seconds: float) -> list[np.ndarray]:
    """Return blocks `[channels, samples]` from about a place on; what is damaged is left out."""
    av = _av()
    stream = container.streams[track.index]
    rate = track.sample_rate or 0
    bring = av.AudioResampler(format="fltp", layout=track.layout or stream.layout, rate=rate)
    found: list[np.ndarray] = []
    count = 0
    try:
        container.seek(max(0, math.floor(at * av.time_base)))
        for frame in container.decode(stream):
            if frame.time is not None and frame.time < at - 1.0:  # from the picture's key frame on
                continue
            for brought in bring.resample(frame):
                found.append(brought.to_ndarray())
                count += brought.samples
            if count >= seconds * rate:
                break
    except (av.error.FFmpegError, ValueError):
        pass
    return [block for block in found if block.shape[0] == track.channels]


def _av() -> Any:
    import av

    return av
