"""What is in a film, down to each packet, read by libavformat through PyAV: the film as it lies in the file.

This is another reader, and another version, than the command under test uses; before and after are read alike.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from cfork_cli.media.pyav import open_film

# fmt: off
FLAGS = (
    "default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "hearing_impaired", "visual_impaired",
    "clean_effects", "attached_pic", "timed_thumbnails", "non_diegetic", None, None, None,
    "captions", "descriptions", "metadata", "dependent", "still_image", "multilayer",
)
# fmt: on
"""The bits of a stream's disposition."""

MADE_BY_MUXERS = {
    "encoder", "major_brand", "minor_version", "compatible_brands", "creation_time", "duration", "handler_name",
    "vendor_id", "bps", "number_of_frames", "number_of_bytes", "_statistics_writing_app", "_statistics_tags",
    "_statistics_writing_date_utc", "software", "toolkit_version_num", "toolkit_version", "product_version_num",
    "product_version", "application_platform", "product_uid", "uid", "generation_uid", "material_package_umid",
    "file_package_umid", "operational_pattern_ul", "company_name", "product_name", "reel_umid",
}  # fmt: skip
"""Tags that tell of the file itself, not of the film."""


@dataclass(frozen=True)
class Packet:
    """One packet: times in seconds, None where there is no time stamp."""

    pts: Fraction | None
    dts: Fraction | None
    duration: Fraction
    key: bool
    digest: str
    size: int


@dataclass(frozen=True)
class Portrait:
    """One stream. picture: size, colours, rotation, HDR data, of the container and the first frame together."""

    index: int
    kind: str
    codec: str
    language: str | None
    title: str | None
    flags: frozenset[str]
    tags: Mapping[str, str]
    packets: tuple[Packet, ...]
    picture: Mapping[str, Any]
    rate: int | None = None
    layout: str | None = None
    content: str | None = None

    @property
    def cover(self) -> bool:
        """A still picture that belongs to the file."""
        return "attached_pic" in self.flags

    @property
    def start(self) -> Fraction | None:
        """The first time stamp."""
        return min((packet.pts for packet in self.packets if packet.pts is not None), default=None)


@dataclass(frozen=True)
class Film:
    """A whole file. chapters: (start, end, title)."""

    path: Path
    container: str
    tags: Mapping[str, str]
    chapters: tuple[tuple[float, float, str | None], ...]
    streams: tuple[Portrait, ...]

    def of(self, kind: str) -> tuple[Portrait, ...]:
        """The streams of a kind, in order."""
        return tuple(stream for stream in self.streams if stream.kind == kind)


def look(path: Path) -> Film:
    """Read a film."""
    found: dict[int, list[Packet]] = {}
    with open_film("file:" + str(path), {}) as file:
        for packet in file.demux():
            if packet.size and packet.stream is not None:
                found.setdefault(packet.stream_index, []).append(_packet(packet))
        streams = tuple(_portrait(stream, tuple(found.get(stream.index, ()))) for stream in file.streams)
        chapters = tuple(
            (
                round(float(one["start"] * one["time_base"]), 3),
                round(float(one["end"] * one["time_base"]), 3),
                one["metadata"].get("title"),
            )
            for one in file.chapters()
        )
        pictures = {stream.index: _first_picture(path, stream.index) for stream in streams if stream.kind == "video"}
        return Film(
            path,
            file.format.name,
            _tags(file.metadata),
            chapters,
            tuple(
                stream if stream.index not in pictures
                else Portrait(**{**vars(stream), "picture": {**stream.picture, **pictures[stream.index]}})
                for stream in streams
            ),
        )  # fmt: skip


def sound(path: Path, track: int = 0) -> tuple[np.ndarray, float, int]:
    """A track as a player plays it: samples `[channels, samples]`, time of the first one in seconds, sample rate.

    Every frame lands where its time stamp says, to the sample; milliseconds to which Matroska rounds are smoothed.
    """
    pieces: list[tuple[int, np.ndarray]] = []
    place: int | None = None
    rate = 0
    with open_film("file:" + str(path), {}) as file:
        stream = file.streams.audio[track]
        for frame in file.decode(stream):
            block = frame.to_ndarray()
            channels = frame.layout.nb_channels
            rate = frame.sample_rate
            if not frame.format.is_planar:
                block = block.reshape(-1, channels).T
            if frame.pts is not None and frame.time_base is not None:
                told = round(frame.pts * frame.time_base * rate)
                if place is None or abs(told - place) > 0.002 * rate:
                    place = told
            pieces.append((place or 0, _float(block)))
            place = (place or 0) + block.shape[1]
    if not pieces:
        return np.zeros((1, 0), np.float32), 0.0, rate
    first = min(at for at, _ in pieces)
    whole = np.zeros((pieces[0][1].shape[0], max(at + piece.shape[1] for at, piece in pieces) - first), np.float64)
    for at, piece in pieces:
        whole[: piece.shape[0], at - first : at - first + piece.shape[1]] = piece
    return whole, first / rate, rate


def _float(block: np.ndarray) -> np.ndarray:
    if block.dtype.kind == "f":
        return block.astype(np.float64)
    if block.dtype == np.uint8:
        return (block.astype(np.float64) - 128) / 128
    return block.astype(np.float64) / -float(np.iinfo(block.dtype).min)


def _packet(packet: av.Packet) -> Packet:
    base = packet.time_base or Fraction(1)
    pts, dts = (None if time is None else time * base for time in (packet.pts, packet.dts))
    data = bytes(packet)
    if packet.stream.codec_context is not None and packet.stream.codec_context.name == "dvbsub":
        # the marker of its end, which libavformat takes for data when it reads and adds when it writes
        data = data.rstrip(b"\xff")
    return Packet(
        pts, dts, (packet.duration or 0) * base, packet.is_keyframe, hashlib.md5(data).hexdigest()[:12], len(data)
    )


def _portrait(stream: Any, packets: tuple[Packet, ...]) -> Portrait:
    context = stream.codec_context
    kind = stream.type or "data"
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    bits = int(getattr(stream.disposition, "value", stream.disposition))
    picture: dict[str, Any] = {}
    rate = layout = content = None
    if kind == "audio":
        rate, layout = context.sample_rate, _layout(context.layout)
    elif kind == "video":
        picture = {
            "size": (context.width, context.height),
            "shape": stream.sample_aspect_ratio,
            "format": context.pix_fmt,
            "full range": context.color_range == 2,  # not told means limited
            "primaries": context.color_primaries,
            "transfer": context.color_trc,
            "matrix": context.colorspace,
        }
    elif kind == "attachment":
        content = hashlib.md5(stream.data or b"").hexdigest()
    language = tags.get("language")
    return Portrait(
        index=stream.index,
        kind=kind,
        codec=context.codec.canonical_name if context is not None else str(stream.name),
        language=None if language in (None, "", "und") else language,
        title=tags.get("title", tags.get("name")),  # QuickTime's word for it
        flags=frozenset(name for bit, name in enumerate(FLAGS) if name and bits >> bit & 1),
        tags={key: value for key, value in _tags(tags).items() if key not in ("language", "title", "name")},
        packets=packets,
        picture=picture,
        rate=rate,
        layout=layout,
        content=content,
    )


def _layout(layout: av.AudioLayout) -> str:
    """Its name; where a file tells only how many channels there are, the usual one of so many."""
    usual = {"1 channels": "mono", "2 channels": "stereo"}
    return usual.get(layout.name, layout.name)


def _first_picture(path: Path, index: int) -> dict[str, Any]:
    """What the decoder finds beside the first picture, the container's own data included."""
    with open_film("file:" + str(path), {}) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = next(iter(file.decode(file.streams[index])), None)
        if frame is None:
            return {}
        # of time codes, the decoder fills in less than it hands out
        side = {data.type.name: hashlib.md5(bytes(data)).hexdigest() for data in frame.side_data}
        return {
            "rotation": frame.rotation,
            **{k: v for k, v in side.items() if k not in ("SEI_UNREGISTERED", "S12M_TIMECODE")},
        }


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    lower = {key.lower(): value for key, value in tags.items()}
    return {key: value for key, value in lower.items() if key not in MADE_BY_MUXERS}
