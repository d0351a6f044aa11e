"""Facts about a media file: its streams and the file as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cfork_cli.errors import InputError

Kind = Literal["video", "audio", "subtitle", "data", "attachment"]


@dataclass(frozen=True)
class Stream:
    """One stream of a film.

    Attributes:
        index: place among all streams, from 0 (ffmpeg's `0:INDEX`).
        number: place among those of its kind, from 0 (ffmpeg's `0:a:NUMBER`).
        codec: as ffprobe names it ("aac", "subrip", "ttf"), or "unknown".
        language: as written in the film ("eng"); None if there is none or it is "und".
        layout: ffmpeg's name ("5.1(side)"); None if the film does not store it.
        sample_rate: Hz. bit_rate: bits a second, None if unknown.
        bits: of the integer samples, for lossless sound; None for lossy sound and for floats.
        duration_seconds, start_seconds: as the container stores it for this very stream, else None and 0.
        is_cover: a still picture that belongs to the file rather than to the film.
        is_unseen: no packet of it came in the first look: it begins late, or never.
        rotation: by how many degrees, counter-clockwise, players turn the picture.
        tag: the container's four letters for the codec ("hvc1", "tmcd"), None where there are none.
        id: its number in MPEG-TS (the PID); None elsewhere.
    """

    index: int
    kind: Kind
    number: int
    codec: str
    language: str | None = None
    title: str | None = None
    disposition: frozenset[str] = frozenset()
    channels: int | None = None
    layout: str | None = None
    sample_rate: int | None = None
    bit_rate: int | None = None
    sample_format: str | None = None
    bits: int | None = None
    profile: str | None = None
    duration_seconds: float | None = None
    start_seconds: float = 0.0
    is_cover: bool = False
    is_unseen: bool = False
    rotation: int = 0
    tag: str | None = None
    id: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def is_decodable(self) -> bool:
        """Whether something can be decoded of a sound track, as far as a first look shows."""
        return bool(self.sample_rate and self.channels and self.sample_format is not None)

    def __str__(self) -> str:
        parts = [self.codec, self.layout or (f"{self.channels} channels" if self.channels else None)]
        parts += [self.language, f"'{self.title}'" if self.title else None]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Program:
    """One of the programs of a broadcast recording.

    Attributes:
        number: its id. table_id: the PID of the table that lists its streams; None if not known.
        tags: `service_name`, `service_provider`.
        streams: indices of its streams.
    """

    number: int
    table_id: int | None
    tags: Mapping[str, str] = field(hash=False)
    streams: tuple[int, ...]

    def __str__(self) -> str:
        return self.tags.get("service_name") or f"number {self.number}"


@dataclass(frozen=True)
class Media:
    """A file that ffmpeg can read.

    Attributes:
        container: ffmpeg's name of the format as read ("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2").
        duration_seconds: as the container stores it; None if it does not (a recording, a pipe). Containers that hold
            one bare sound (MP3, ADTS) do not either; theirs is a good guess.
        start_seconds: the earliest time stamp; decoding and writing count from here.
        chapters: how many.
        programs: of a broadcast recording.
    """

    path: Path
    container: str
    duration_seconds: float | None
    start_seconds: float
    tags: Mapping[str, str] = field(hash=False)
    chapters: int
    streams: tuple[Stream, ...]
    programs: tuple[Program, ...] = ()

    @property
    def service(self) -> Mapping[str, str]:
        """Of a recording with one program: its number (`id`), `service_name`, `service_provider`."""
        if len(self.programs) != 1:
            return {}
        return {**self.programs[0].tags, "id": str(self.programs[0].number)}

    @property
    def audio(self) -> tuple[Stream, ...]:
        """The sound tracks, in order."""
        return tuple(stream for stream in self.streams if stream.kind == "audio")

    @property
    def picture(self) -> Stream | None:
        """The first stream of moving pictures; covers do not count."""
        return next((one for one in self.streams if one.kind == "video" and not one.is_cover), None)

    def default_audio(self) -> Stream:
        """The track that a player would play: the first with the default flag, else the first. One of which nothing
        can be decoded (broadcasts announce tracks that never come) counts only if there is no other.

        Raises:
            InputError: there is no sound track.
        """
        tracks = self.audio
        if not tracks:
            raise InputError(f"'{self.path}' has no sound track: choose a film with sound")
        decodable = [track for track in tracks if track.is_decodable] or tracks
        return next((track for track in decodable if "default" in track.disposition), decodable[0])

    def audio_track(self, number: int) -> Stream:
        """The sound track with this number, counted from 0.

        Raises:
            InputError: there is no such track; the message lists those that are there, counted from 1.
        """
        tracks = self.audio
        if not tracks:
            raise InputError(f"'{self.path}' has no sound track: choose a film with sound")
        if not 0 <= number < len(tracks):
            there = ", ".join(f"{track.number + 1} ({track})" for track in tracks)
            raise InputError(f"'{self.path}' has no sound track {number + 1}: choose one of {there}")
        return tracks[number]
