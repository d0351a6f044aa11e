"""Find where a copied picture can begin: at a key frame."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from cfork_cli.errors import DamagedInputError
from cfork_cli.ffmpeg.demuxers import GUARD
from cfork_cli.media.pyav import open_film, why
from cfork_cli.media.timeline import film_zero
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
    """A key frame of a picture.

    Attributes:
        seconds: its moment, from the film's start.
        seek_seconds: what to tell `ffmpeg -ss` to land on it.
        digest: of its packet; None for the film's start.
    """

    seconds: float
    seek_seconds: float
    digest: str | None = None


def key_frame_before(media: Media, seconds: float) -> KeyFrame | None:
    """Return the last key frame at or before a moment, or the film's start; None if there is no picture.

    Args:
        seconds: from the film's start.

    Raises:
        DamagedInputError: the film cannot be read there.
    """
    import av

    picture = media.picture
    if picture is None:
        return None
    start = media.start_seconds  # as the ffmpeg that cuts has it; PyAV's may be another
    zero = film_zero(media)
    try:
        with open_film(f"file:{media.path}", GUARD) as container:
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
                        found = moment, _digest(packet)
                    if moment > seconds + 2.0 or (packet.is_keyframe and moment > seconds):
                        break
                if found is not None:
                    return _key_frame(container, max(0.0, found[0]), zero - start, found[1])
                if at == 0.0:
                    return KeyFrame(0.0, 0.0)  # the picture begins a little later than the film
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise DamagedInputError(f"'{media.path}' cannot be read at {seconds:.1f} s ({why(error)})") from error
    return None


def _key_frame(container: Any, moment: float, moved: float, digest: str) -> KeyFrame:
    """Return a key frame with the place to seek to, as ffmpeg's own arithmetic has it.

    Args:
        moved: seconds from the earliest time stamp, which ffmpeg counts from, to the film's start.
    """
    if not moment:
        return KeyFrame(0.0, 0.0)
    if container.format.name in _WITHOUT_INDEX:
        return KeyFrame(moment, max(0.0, moment + moved - _BEFORE_SECONDS), digest)
    reordered = any(stream.codec_context.has_b_frames for stream in container.streams.video)
    early = _BACK_SECONDS if reordered and not container.format.flags & _SEEKS_BY_PTS else 0.0
    return KeyFrame(moment, moment + moved + early + _ROUNDING_SECONDS, digest)


def landed(media: Media, piece: Media, key: KeyFrame) -> float:
    """Return the moment in a film with which a piece of it really begins: seeking may land on another key frame.

    Args:
        piece: what was cut out, whose packets are those of the film.
        key: where it should begin.

    Raises:
        DamagedInputError: the film cannot be read there.
    """
    import av

    picture, cut = media.picture, piece.picture
    if picture is None or cut is None or key.digest is None:
        return key.seconds
    try:
        with open_film(f"file:{piece.path}", GUARD) as container:
            packets = container.demux(container.streams[cut.index])
            first = next((_digest(packet) for packet in packets if packet.size), None)
        if first in (None, key.digest):
            return key.seconds
        zero, reach = film_zero(media), max(0.0, key.seconds - _STEPS_SECONDS[-1])
        with open_film(f"file:{media.path}", GUARD) as container:
            stream = container.streams[picture.index]
            base, found = float(stream.time_base or 0), None
            container.seek(int((zero + reach) * av.time_base), backward=True)
            for packet in container.demux(stream):
                if packet.pts is None or not packet.is_keyframe:
                    continue
                moment = packet.pts * base - zero
                if moment > key.seconds + _STEPS_SECONDS[1]:
                    break
                if _digest(packet) == first and (found is None or abs(moment - key.seconds) < abs(found - key.seconds)):
                    found = moment
            return key.seconds if found is None else max(0.0, found)
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise DamagedInputError(f"'{media.path}' cannot be read at {key.seconds:.1f} s ({why(error)})") from error


def _digest(packet: Any) -> str:
    return hashlib.sha256(bytes(packet)).hexdigest()
