"""How far a film's streams really go, read by PyAV without decoding."""

from __future__ import annotations

import contextlib

from cfork_cli.ffmpeg.command import url
from cfork_cli.ffmpeg.demuxers import GUARD
from cfork_cli.media.pyav import open_film
from cfork_cli.media.types import Media


def furthest_seconds(media: Media) -> float:
    """Return where the last packet of any stream ends, in seconds from the film's start; 0 if nothing can be read.

    The whole file is read: only for a film that seems to end too early. What ffmpeg reports as its progress is at the
    end, from its version 6 on, the time of whichever stream it counted last, and not of the one that went furthest.
    """
    import av

    end = 0.0
    with contextlib.suppress(av.error.FFmpegError), open_film(url(media.path), GUARD) as container:
        for packet in container.demux():
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and packet.time_base is not None:
                end = max(end, float((stamp + (packet.duration or 0)) * packet.time_base))
    return max(0.0, end - max(0.0, media.start_seconds))
