"""Find where a copied picture can begin: at a key frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cfork_cli.errors import DamagedInputError
from cfork_cli.media.timeline import keeps_time_stamps
from cfork_cli.media.types import Media

_STEPS_SECONDS = (0, 12, 24, 60, 120, 600)
"""Steps by which to look further back where seeking lands late, as it does in MPEG-TS."""


_SEEKS_BY_PTS = 0x4000000  # AVFMT_SEEK_TO_PTS of libavformat
_BACK_SECONDS = 3 / 23
"""ffmpeg seeks so much earlier than asked where pictures are reordered and the format seeks by decoding time."""
_ROUNDING_SECONDS = 0.008
"""Time stamps are rounded on their way: a moment later, seeking lands on the key frame, not on the one before."""

_WITHOUT_INDEX = ("mpegts", "mpeg")
_BEFORE_SECONDS = 0.05
"""These formats have no index: copying begins with the first key frame after the place that was found by searching."""


@dataclass(frozen=True)
class KeyFrame:
    """A key frame: its moment, in seconds from the film's start, and the value of `ffmpeg -ss` that lands on it."""

    seconds: float
    seek_seconds: float


def key_frame_before(media: Media, seconds: float) -> KeyFrame | None:
    """Return the last key frame at or before a moment, or the film's start; None if there is no picture.

    Args:
        seconds: from the film's start.

    Raises:
        DamagedInputError: the film cannot be read there.
    """
    import av

    picture = next((one for one in media.streams if one.kind == "video" and not one.is_cover), None)
    if picture is None:
        return None
    start = media.start_seconds  # as the ffmpeg that cuts has it; PyAV's may be another
    zero = max(0.0, start) if keeps_time_stamps(media) else start
    options = {"protocol_whitelist": "file,pipe"}
    try:
        with av.open(f"file:{media.path}", options=options, metadata_errors="replace") as container:
            stream = container.streams[picture.index]
            base = float(stream.time_base or 0)
            for step in _STEPS_SECONDS:
                at = max(0.0, seconds - step)
                container.seek(int((zero + at) * av.time_base), backward=True)
                found = None
                for packet in container.demux(stream):
                    if packet.pts is None:
                        continue
                    moment = packet.pts * base - zero
                    if packet.is_keyframe and moment <= seconds + 1e-6:
                        found = moment
                    if moment > seconds + 2.0 or (packet.is_keyframe and moment > seconds):
                        break
                if found is not None:
                    return _key_frame(container, max(0.0, found), zero - start)
                if at == 0.0:
                    return KeyFrame(0.0, 0.0)  # the picture begins a little later than the film
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise DamagedInputError(f"'{media.path}' cannot be read at {seconds:.1f} s ({error})") from error
    return None


def _key_frame(container: Any, moment: float, moved: float) -> KeyFrame:
    """Return a key frame with the place to seek to, as ffmpeg's own arithmetic has it.

    Args:
        moved: seconds from the earliest time stamp, which ffmpeg counts from, to the film's start.
    """
    if not moment:
        return KeyFrame(0.0, 0.0)
    if container.format.name in _WITHOUT_INDEX:
        return KeyFrame(moment, max(0.0, moment + moved - _BEFORE_SECONDS))
    reordered = any(stream.codec_context.has_b_frames for stream in container.streams.video)
    early = _BACK_SECONDS if reordered and not container.format.flags & _SEEKS_BY_PTS else 0.0
    return KeyFrame(moment, moment + moved + early + _ROUNDING_SECONDS)
