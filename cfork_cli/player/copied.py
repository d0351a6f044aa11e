"""Groups of pictures out of a film as they are: no decoding, some milliseconds each, anywhere in the film."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cfork_cli.errors import DamagedInputError, InputError
from cfork_cli.ffmpeg.demuxers import GUARD
from cfork_cli.media.pyav import open_film, why
from cfork_cli.media.timeline import film_zero
from cfork_cli.media.types import Media
from cfork_cli.player import fmp4, pictures

_STEPS_SECONDS = (0.0, 1.0, 12.0, 24.0, 60.0, 300.0, 1e9)
"""Steps by which to look further back where seeking lands late, as it does in MPEG-TS."""

_TRIED_GROUPS = 3
"""How many key frames are looked at before it is believed that browsers can begin with them."""

ROUNDING_SECONDS = 5e-4
"""Time stamps of some containers are whole milliseconds."""


@dataclass(frozen=True)
class Group:
    """Pictures from a key frame up to the next one.

    Attributes:
        pictures: data, second at which it is shown, whether it is a key frame; in the order of decoding.
        begin, end: seconds of the film.
    """

    pictures: list[tuple[bytes, float, bool]]
    begin: float
    end: float
    is_last: bool


class CopiedPicture:
    """The picture stream of a film, opened once; one request at a time.

    Attributes:
        head: of the track. mime: how browsers call it.
    """

    def __init__(self, container: Any, stream: Any, media: Media, seconds: float | None) -> None:
        self._container, self._stream, self._path = container, stream, media.path
        self._zero, self._seconds = film_zero(media), seconds
        self._base = float(stream.time_base)
        self._running: Iterator[Group] | None = None
        self._next = 0.0
        codec = stream.codec_context.codec.canonical_name
        keys = list(itertools.islice(self._key_packets(), _TRIED_GROUPS))
        if not keys or codec not in pictures.COPIED:
            raise InputError("the picture is of a kind that is not copied")
        self._first, first = keys[0]
        extra = bytes(stream.codec_context.extradata or b"")
        self._has_start_codes = codec in ("h264", "hevc") and extra[:1] != b"\1"
        self.head = pictures.head(stream, first)
        self.mime = pictures.mime(self.head)
        if codec == "h264" and not all(self._begins_alone(data) for _, data in keys):
            raise InputError("browsers cannot begin with each of the film's key frames")

    def _key_packets(self) -> Iterator[tuple[float, bytes]]:
        """Yield second and data of key frames from here on."""
        for packet in self._container.demux(self._stream):
            if packet.is_keyframe and packet.pts is not None and packet.size:
                yield packet.pts * self._base - self._zero, bytes(packet)

    def _begins_alone(self, data: bytes) -> bool:
        if self._has_start_codes:
            return pictures.begins_alone(pictures.units(data))
        length_bytes = (self.head[self.head.find(b"avcC") + 8] & 3) + 1
        return pictures.begins_alone(pictures.units_with_lengths(data, length_bytes))

    @classmethod
    def open(cls, media: Media, seconds: float | None) -> CopiedPicture | None:
        """Open a film's picture; None if it is of a kind that no browser plays, or has no time stamps.

        Args:
            seconds: length of the film; a picture that ends earlier stands still until then.

        Raises:
            DamagedInputError: the film cannot be read.
        """
        import av

        picture = media.picture
        if picture is None or picture.codec not in pictures.COPIED:
            return None
        with contextlib.ExitStack() as stack:
            try:
                opened = open_film(f"file:{media.path}", GUARD)
                container = stack.enter_context(opened)
                made = cls(container, container.streams[picture.index], media, seconds)
            except InputError:
                return None
            except (av.error.FFmpegError, IndexError, ValueError) as error:
                raise DamagedInputError(f"the picture of '{media.path}' cannot be read ({why(error)})") from error
            stack.pop_all()
            return made

    def fragment(self, seconds: float, *, fresh: bool = False) -> tuple[bytes, float, float] | None:
        """Return head and fragment, begin and end of the group at a moment; None past the end of the film.

        Raises:
            DamagedInputError: the film cannot be read there.
        """
        import av

        try:
            group = self._group(max(0.0, seconds))
        except (av.error.FFmpegError, ValueError) as error:
            raise DamagedInputError(f"the picture of '{self._path}' cannot be read at {seconds:.1f} s") from error
        if group is None:
            return None
        shown = group.pictures
        if fresh:  # what is shown before its key frame needs the group before
            shown = [one for one in shown if one[1] >= shown[0][1]]
        made, begin = pictures.samples(shown, group.end)
        return self.head + fmp4.fragment(made, begin), group.begin, group.end

    def _group(self, seconds: float) -> Group | None:
        """Return the group at a moment: the next one of those that are being read, or one that is looked for."""
        if self._running is not None and abs(seconds - self._next) <= ROUNDING_SECONDS:
            group = next(self._running, None)
        else:
            group = self._found(seconds)
        if group is None:
            self._running = None
            return None
        self._next = group.end
        past = group.is_last and seconds >= group.end - ROUNDING_SECONDS
        return None if past else group

    def _found(self, seconds: float) -> Group | None:
        group = None
        for step in _STEPS_SECONDS:
            at = max(0.0, seconds - step)
            # to the very beginning, where it is meant: MPEG-TS would land behind the film's first key frame
            stamp = int((self._zero + at) / self._base) if at else 0
            self._container.seek(stamp, stream=self._stream, backward=True)
            self._running = self._groups()
            for group in self._running:
                if group.begin > seconds + ROUNDING_SECONDS:
                    group = None
                    break
                if seconds < group.end - ROUNDING_SECONDS or group.is_last:
                    return group
            if at == 0.0:
                break
        return group

    def _groups(self) -> Iterator[Group]:
        """Yield the groups from here on."""
        packets: list[tuple[bytes, float, bool]] = []
        begin = 0.0
        latest = 0.0
        for packet in self._container.demux(self._stream):
            if packet.pts is None or not packet.size:
                continue
            at = packet.pts * self._base - self._zero
            if packet.is_keyframe:
                if packets:
                    yield self._made(packets, begin, at)
                packets, begin, latest = [], at, at
            elif not packets:
                continue  # seeking may land between key frames
            data = bytes(packet)
            packets.append((pictures.with_lengths(data) if self._has_start_codes else data, at, packet.is_keyframe))
            latest = max(latest, at + float((packet.duration or 0) * self._base))
        if packets:
            yield self._made(packets, begin, max(latest, self._seconds or 0.0), is_last=True)

    def _made(self, packets: list[tuple[bytes, float, bool]], begin: float, end: float, is_last: bool = False) -> Group:
        if 0 < begin <= self._first:  # the first picture stands from the film's beginning
            first = min(range(len(packets)), key=lambda number: packets[number][1])
            packets[first] = (packets[first][0], 0.0, packets[first][2])
            begin = 0.0
        return Group(packets, max(0.0, begin), end, is_last)

    def close(self) -> None:
        """Close the film."""
        self._running = None
        self._container.close()
