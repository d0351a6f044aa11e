"""The parts of a new film: facts, found out by `fit` and carried out by `command`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cfork_cli.codecs.choose import AudioCodec
from cfork_cli.media.types import Media, Stream

Action = Literal["copy", "encode", "convert", "attach", "picture"]

# fmt: off
_FLAGS = (
    "default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "hearing_impaired", "visual_impaired",
    "clean_effects", "attached_pic", "captions", "descriptions", "dependent", "metadata",
)
# fmt: on
"""The flags that every ffmpeg since 4.3 can set."""


@dataclass(frozen=True)
class NewTrack:
    """A sound track that we write.

    Attributes:
        source: the track of the film that it is made from, whose language, flags and (mostly) place it takes.
        delivered: the same, as its samples are given to ffmpeg; other channels than the source after a downmix.
        title: None keeps the source's.
        beside: whether the source stays, before the new one.
        changed: whether its level may be another than the source's.
        language: three letters; None keeps the source's.
    """

    source: Stream
    delivered: Stream
    codec: AudioCodec
    title: str | None = None
    beside: bool = False
    changed: bool = False
    language: str | None = None


@dataclass(frozen=True)
class Entry:
    """The fate of one stream of the film.

    Attributes:
        action: "copy"; "encode": `new` takes its place; "convert": to another codec, without a loss; "attach" and
            "picture": a file that the container keeps outside its streams, or in a tag.
        codec: the encoder for "encode" and "convert".
        options: of that encoder, or of a filter that a copied stream needs.
        default: its default flag in the new film; None keeps the old one.
    """

    stream: Stream
    action: Action
    codec: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    new: NewTrack | None = None
    default: bool | None = None

    def flags(self) -> str:
        """Return its dispositions, as ffmpeg takes them."""
        names = set(self.stream.disposition)
        if self.default is not None:
            names = names | {"default"} if self.default else names - {"default"}
        return "+".join(name for name in _FLAGS if name in names) or "0"


@dataclass(frozen=True)
class FilmPlan:
    """Everything that `command.build` needs to know.

    Attributes:
        new: the tracks to write, in the order in which their samples are handed over.
        entries: the streams of the new film, in order; "attach" ones (which Matroska keeps at its end) last.
        container: ffmpeg's name of the muxer.
        suffix: of the file; some muxers choose by it what to write.
        alone: nothing but the new tracks, for a file beside the film.
        notes: for the user, about streams that change or cannot come along.
    """

    media: Media
    new: tuple[NewTrack, ...]
    container: str
    entries: tuple[Entry, ...]
    suffix: str = ""
    alone: bool = False
    notes: tuple[str, ...] = ()

    @property
    def track(self) -> Stream:
        """The (first) track that is made anew."""
        return self.new[0].source

    @property
    def codec(self) -> AudioCodec:
        """Codec of the (first) new track."""
        return self.new[0].codec

    @property
    def codec_names(self) -> tuple[str, ...]:
        """Codecs of the new tracks, in their order."""
        return tuple(new.codec.codec_name for new in self.new)

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Notes about the new tracks, then those about the rest."""
        return (*(one.codec.note for one in self.new if one.codec.note), *self.notes)
