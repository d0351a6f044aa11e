"""Places of sound tracks on the film's time line, in samples; decode and remux both take them from here.

Files carry time stamps. In most of them ffmpeg can leave these as they are (`-copyts`), and time zero is theirs. In
broadcasts time starts anywhere and may jump; ffmpeg mends that while it reads, so zero is then the film's first moment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cfork_cli.media.containers import ANCHORED, MOV_FAMILY, UNTIMED, is_same_kind
from cfork_cli.media.probe import MIXES
from cfork_cli.media.types import Media, Stream

_SHORT_PACKETS = ("truehd", "mlp")
_FROM_ZERO = MOV_FAMILY | {"avi", "flv", "asf", "mxf", "ogg"}


def keeps_time_stamps(media: Media) -> bool:
    """Return whether ffmpeg can leave the film's time stamps as they are."""
    return not ANCHORED.isdisjoint(media.container.split(","))


CLOCK_SECONDS = 2**33 / 90_000
"""The clock of broadcasts begins anew after so long, in the middle of a film if need be."""


def clock_start(media: Media) -> float:
    """Return the first time stamp of a broadcast, in seconds. ffmpeg counts from the next zero if it is near."""
    return media.start_seconds % CLOCK_SECONDS


def begins_at_zero(media: Media, container: str) -> bool:
    """Return whether a film that began later begins at zero in the new file: players of these would show nothing until
    then, and Matroska made of a live stream may begin at any hour.

    Args:
        container: ffmpeg's name of the muxer.
    """
    late = keeps_time_stamps(media) and media.start_seconds > 0
    return late and container in _FROM_ZERO and not is_same_kind(container, media)


def film_begin(media: Media, sample_rate: int) -> int:
    """The sample with which the film begins. What lies before zero is never played: start-up of encoders, cut parts."""
    return max(0, round(media.start_seconds * sample_rate)) if keeps_time_stamps(media) else 0


def film_zero(media: Media) -> float:
    """The time stamp, in seconds, of the film's start: what the film's own seconds count from."""
    return max(0.0, media.start_seconds) if keeps_time_stamps(media) else media.start_seconds


def track_begin(media: Media, track: Stream, container: str) -> int:
    """The sample with which the new track begins: where the old one did, if such a file can store it.

    A track that begins a little earlier than stored would lose nothing but silence, so rounding is downwards.

    Args:
        container: ffmpeg's name of the muxer.
    """
    begin = film_begin(media, track.sample_rate or 0)
    if container == "avi":  # its sound always begins at zero, or with the film
        return begin if begins_at_zero(media, container) else 0
    return begin if container in UNTIMED else max(begin, _stored_begin(media, track))


def after_start_up(media: Media, track: Stream, begin: int, delay: int) -> int:
    """Return where a delayed track's sound really begins: an encoder's start-up is not part of the film.

    The same codec again has the same start-up; with its own in place of the old one, its packets begin where those of
    the old track did. At the film's start, files differ in what they store.

    Args:
        begin: as from `track_begin`. delay: the new encoder's start-up, in samples.
    """
    stored = _stored_begin(media, track)
    if begin < stored or begin <= film_begin(media, track.sample_rate or 0):
        return begin
    return max(begin, stored + delay)


def _stored_begin(media: Media, track: Stream) -> int:
    zero = 0.0 if keeps_time_stamps(media) else media.start_seconds
    return int((track.start_seconds - zero) * (track.sample_rate or 0) + 1e-3)


def placed(begin: int, late: int, shift: int, least: int | None = None) -> tuple[int, int]:
    """Return how to hand samples to ffmpeg so that they play in time and no other stream moves.

    An encoder begins before its first sample. Where the file has no room for that before zero, what would lie there is
    left out: a few milliseconds of the film's first sound.

    Args:
        begin: place of the first sample on the time line.
        late: by how many samples the container plays the encoder's output late (negative: early).
        shift: by how many it moves the whole film when this encoder begins at zero.
        least: nothing before this place is needed; see `after_start_up`.

    Returns:
        How many samples to leave out, and the time stamp of the first one that is handed over, in samples.

    >>> placed(0, 0, 1024), placed(48_000, 0, 1024), placed(0, -312, 312), placed(0, 1105, 0)
    ((1024, 1024), (0, 48000), (0, 312), (1105, 1105))
    """
    first = max(begin + max(0, late), shift + min(0, late), begin if least is None else least)
    return first - begin, first + max(0, -late)


_ROUNDING_SECONDS = 0.0012
"""Time stamps of Matroska are whole milliseconds; of two that are rounded, one may be that much off the other."""

# Containers that write down how long they are. In the others (MPEG-TS, ADTS, Ogg) the duration is found by looking
# at the end of the file or guessed from the bit rate: a cut one just says that it is shorter.
_TELLS_ITS_LENGTH = MIXES | {
    "wav", "w64", "flac", "caf", "aiff", "wv", "tta", "ape", "tak", "mpc", "mpc8", "dsf", "iff", "nistsphere", "sox",
}  # fmt: skip


@dataclass(frozen=True)
class Frames:
    """Places of the frames of a sound track, in samples of its time stamps.

    Attributes:
        begin: where one of them ends and the next begins. That is the end of the first that gives sound: of that, an
            encoder's start-up may have been cut off.
        size: of each.
    """

    begin: int
    size: int


_TIMED = MIXES | {"mpegts", "mpeg", "ogg", "nut", "rm", "dv", "gxf"}


MARK = "asetpts=st(0\\,if(eq(N\\,0)\\,print(T\\,16)\\,0))\\;PTS"
"""A filter that changes nothing. Each time ffmpeg builds it, it prints the time of its first frame among the errors."""

COUNTED = 10**9
"""What `COUNT` adds to the number of channels, so that it is no time."""

COUNT = f"volume=1+0*print({COUNTED}+nb_channels\\,16):precision=float"
"""Another one, for floats. Each time ffmpeg builds it, it prints how many channels come, before the line of `MARK`."""


def uniform(
    track: Stream,
    end: int | None = None,
    *,
    frames: Frames | None = None,
    marked: bool = False,
    counted: bool = False,
) -> str:
    """The filter that gives a track one rate and one layout from its beginning to its end.

    Broadcasts change from stereo to 5.1 and back, with every advertisement; a pipe must not. ffmpeg builds its filters
    anew then, so none of them may remember anything: time is kept by `input.placing`, outside of ffmpeg.

    Args:
        end: the first sample that is not wanted, on the time line of ffmpeg's output; None: the track's end.
        frames: time stamps by which a frame would end nearly where one does are put right; see `_ROUNDING_SECONDS`.
        marked: whether the log shall say where the track changes, by `MARK`.
        counted: whether it shall say too how many channels there are, by `COUNT`.
    """
    filters = f"aresample={track.sample_rate}"
    if frames is not None:
        whole = f"({frames.begin}+round((PTS+S-({frames.begin}))/{frames.size})*{frames.size}-S)"
        near = f"lt(abs(PTS-{whole})\\,{_ROUNDING_SECONDS}*SR)"
        filters = f"asetpts=if({near}\\,{whole}\\,PTS),{filters}"
    if track.layout is not None and re.fullmatch(r"[0-9A-Za-z.()+-]+", track.layout):
        filters += f",aformat=channel_layouts={track.layout}"
    if counted:
        filters = f"{COUNT},{filters}"
    if marked:
        filters = f"{MARK},{filters}"
    return filters if end is None else f"{filters},atrim=end_pts={end}"


def tells_its_length(media: Media) -> bool:
    """Return whether the container stores its duration, rather than ffmpeg guessing it from the end of the file."""
    return media.duration_seconds is not None and not _TELLS_ITS_LENGTH.isdisjoint(media.container.split(","))


def nowhere(streams: Sequence[Stream]) -> tuple[str, dict[str, Any]]:
    """Return where streams are read to that nobody wants, and ffmpeg's options for it.

    Packets of TrueHD are shorter than Matroska's milliseconds, and the null muxer complains of each that begins with
    the one before: 175 MB for a film of two hours. The muxer that makes a checksum (Adler's, the quickest) does not.
    """
    if any(stream.codec in _SHORT_PACKETS for stream in streams):
        return os.devnull, {"f": "hash", "hash": "adler32", "c": "copy"}
    return "-", {"f": "null", "c": "copy"}


def may_have_gaps(media: Media) -> bool:
    """Return whether sound may rightly pause: in files that tell when each packet is played. In files of one bare sound
    a gap is a place that could not be read."""
    return not _TIMED.isdisjoint(media.container.split(","))


def clock_streams(media: Media) -> list[Stream]:
    """The streams that must be read together wherever the film's time line matters.

    In MPEG-TS and its like, ffmpeg takes the earliest time stamp of the streams *in use* for zero. A sound track
    without a rate holds nothing (broadcasts announce tracks that never come), and ffmpeg would refuse to copy it.
    """
    timed = [s for s in media.streams if s.kind in ("video", "audio", "subtitle") and not s.is_cover]
    return [s for s in timed if s.kind != "audio" or s.sample_rate is not None]
