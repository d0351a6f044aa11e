"""The ffmpeg command that writes the film: everything copied in its place, the chosen sound track new.

`container_for` and `choose_codec` say what to write, `plan` finds out what can come along and what has to change for
it, `build` makes the command. Nothing here opens the output; see `encode.FilmSink`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import ffmpeg

from cfork_cli import process
from cfork_cli.codecs import AudioCodec, choose_codec, raw_input_options
from cfork_cli.containers import ANCHORED, MOV_FAMILY, container_for
from cfork_cli.decode import clock_streams
from cfork_cli.errors import OutputError
from cfork_cli.probe import Media, Stream

__all__ = ["AudioCodec", "Entry", "FilmPlan", "build", "choose_codec", "container_for", "extract", "plan"]

Action = Literal["copy", "encode", "convert", "attach"]

# fmt: off
_DISPOSITIONS = (
    "default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "hearing_impaired", "visual_impaired",
    "clean_effects", "attached_pic", "captions", "descriptions", "dependent", "metadata",
)
# fmt: on
"""The flags that every ffmpeg since 4.3 can set."""

_STALE_TAGS = ("bps", "duration", "number_of_frames", "number_of_bytes", "_statistics_", "encoder", "source_id")
"""Tags that describe the old track's data; they would be wrong for the new one."""

_TEXT_SUBTITLES = ("mov_text", "subrip", "webvtt", "ass")


@dataclass(frozen=True)
class Entry:
    """What happens to one stream of the film. codec: the encoder for "encode" and "convert"."""

    stream: Stream
    action: Action
    codec: str | None = None


@dataclass(frozen=True)
class FilmPlan:
    """Everything that `build` needs to know.

    Attributes:
        entries: the streams of the new film, in order; "attach" ones (which Matroska keeps at its end) last.
        container: ffmpeg's name of the muxer.
        notes: what the user should know about streams that change or cannot come along.
    """

    media: Media
    track: Stream
    codec: AudioCodec
    container: str
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def plan(media: Media, track: Stream, codec: AudioCodec, container: str, program: str | None = None) -> FilmPlan:
    """Find out what can come along, by writing an empty film of this kind.

    Raises:
        OutputError: the picture itself does not fit into such a file.
        FfmpegError: ffmpeg cannot be run.
    """
    program = program or process.find_ffmpeg()
    kept, notes = _without_made_anew(media, container)
    entries = [_entry(stream, track, codec, container) for stream in kept]
    # Matroska keeps attachments after all streams; once a cover is attached again, those after it must be as well
    attached = False
    for place, entry in enumerate(entries):
        attached = attached or entry.action == "attach"
        if attached and entry.stream.kind == "attachment":
            entries[place] = replace(entry, action="attach")
    whole = FilmPlan(media, track, codec, container, tuple(sorted(entries, key=lambda e: e.action == "attach")))
    refused = _refusal(whole, program)
    if refused is None:
        return replace(whole, notes=(*notes, *_lost_tags(whole)))
    fitting = []
    for entry in whole.entries:
        fits, note = (entry, None) if entry.action == "encode" else _fit(entry, whole, program)
        if fits is not None:
            fitting.append(fits)
        if note is not None:
            notes.append(note)
    fitted = replace(whole, entries=tuple(fitting))
    refused = _refusal(fitted, program)
    if refused is not None:
        raise OutputError(
            f"'{media.path}' cannot be written as a '{container}' file ({refused}): give -o the suffix .mkv"
        )
    return replace(fitted, notes=(*notes, *_lost_tags(fitted)))


def build(
    program: str,
    film: FilmPlan,
    target: Path,
    attachments: Mapping[int, Path],
    *,
    title: str | None = None,
    empty: bool = False,
) -> list[str]:
    """The whole command line. It reads interleaved float32 samples of the new track from standard input.

    Args:
        program: path of ffmpeg.
        target: the file to write; it is overwritten.
        attachments: for every "attach" entry, by its stream's index, the file that holds it (see `extract`).
        title: a new title for the new track, instead of the old one's.
        empty: write the headers alone.
    """
    media, track, codec = film.media, film.track, film.codec
    source = ffmpeg.input("FILM", protocol_whitelist=process.PROTOCOLS)
    sound = ffmpeg.input("pipe:0", **raw_input_options(track.sample_rate or 0, track.channels or 0, codec.layout))
    # Sparse streams come from an input of their own, or ffmpeg 7 and later would write the whole picture before any
    # sound. The option makes it another input in ffmpeg-python's eyes; it changes nothing.
    sparse = ffmpeg.input("FILM", protocol_whitelist=process.PROTOCOLS, thread_queue_size=64)
    values: dict[str, str | Sequence[str]] = {"FILM": process.url(media.path), "TARGET": process.url(target)}
    streams: list[Any] = []
    for entry in film.entries:
        if entry.action == "encode":
            streams.append(sound["a:0"])
        elif entry.action != "attach":
            own = source if entry.stream.kind in ("video", "audio") else sparse
            streams.append(own[str(entry.stream.index)])
    clock, clock_options = _clock(media, source, sparse, streams)
    # ffmpeg-python numbers its inputs in the order of their first use
    number = list(dict.fromkeys(stream.node for stream in [*clock, *streams])).index(source.node)

    options: dict[str, Any] = {
        "c": "copy",
        "map_chapters": number,
        "map_metadata": number,
        "f": film.container,
    }
    for place, entry in enumerate(film.entries):
        stream = entry.stream
        if entry.action == "attach":
            options["attach"] = "ATTACH"
            values["ATTACH"] = [*values.get("ATTACH", ()), process.url(attachments[stream.index])]
            options[f"metadata:s:{place}"] = f"TAGS{place}"
            values[f"TAGS{place}"] = _attachment_tags(stream)
            continue
        if entry.action in ("encode", "convert"):
            options[f"c:{place}"] = entry.codec
        if entry.action == "encode":
            options |= {f"{name}:{place}": value for name, value in codec.options.items()}
            options[f"metadata:s:{place}"] = f"TAGS{place}"
            values[f"TAGS{place}"] = _changed_tags(stream, title)
        # Tags of any stream set by hand turn the automatic copying off for all.
        options[f"map_metadata:s:{place}"] = f"{number}:s:{stream.index}"
        options[f"disposition:{place}"] = "+".join(name for name in _DISPOSITIONS if name in stream.disposition) or "0"
        if stream.codec == "hevc" and film.container in MOV_FAMILY and stream.tag != "hev1":
            options[f"tag:{place}"] = "hvc1"  # Apple's players know no other
    # Dolby Vision's headers, and FLAC in MP4 before ffmpeg 6, are written on request only.
    options["strict"] = "experimental"
    if film.container in MOV_FAMILY:
        options["movflags"] = "+faststart"
    if film.container == "wav":
        options["rf64"] = "auto"
    if empty:
        options["t"] = clock_options["t"] = 0
    graph = ffmpeg.output(*streams, "TARGET", **options)
    if clock:
        graph = ffmpeg.merge_outputs(ffmpeg.output(*clock, "-", f="null", c="copy", **clock_options), graph)
    return process.command(program, graph.global_args("-y"), values)


def _clock(media: Media, source: Any, sparse: Any, streams: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Streams to read into nothing, and options for that."""
    nodes = [stream.node for stream in streams]
    if ANCHORED.isdisjoint(media.container.split(",")):
        inputs = [source, *([sparse] if sparse.node in nodes else [])]
        return [one[str(stream.index)] for one in inputs for stream in clock_streams(media)], {}
    if source.node not in nodes:
        # a file with one sound track: nothing is copied from it but its tags, yet only what is used becomes an input
        return [source[str(media.streams[0].index)]], {"t": 0}
    return [], {}


def extract(program: str, film: FilmPlan, folder: Path) -> dict[int, Path]:
    """Write every "attach" entry to a file of its own in `folder`; stream index -> file.

    A picture that Matroska holds as an attachment would become a plain video stream if it were mapped like any other.

    Raises:
        OutputError: they cannot be written.
    """
    wanted = [entry.stream for entry in film.entries if entry.action == "attach"]
    if not wanted:
        return {}
    files = {stream.index: folder / f"attachment{stream.index}" for stream in wanted}
    dumps = {f"dump_attachment:{s.index}": str(files[s.index]) for s in wanted if not s.is_cover}
    source = ffmpeg.input("FILM", protocol_whitelist=process.PROTOCOLS, **dumps)
    pictures = [
        ffmpeg.output(source[str(s.index)], str(files[s.index]), f="image2", update=1, c="copy", **{"frames:v": 1})
        for s in wanted
        if s.is_cover
    ]
    graph = ffmpeg.merge_outputs(*pictures).global_args("-y")
    finished = process.run(process.command(program, graph, {"FILM": process.url(film.media.path)}))
    if finished.status != 0:
        raise OutputError(
            f"the cover and attachments of '{film.media.path}' could not be taken out ({process.words(finished.log)}): "
            "is there room for temporary files?"
        )
    return files


def _without_made_anew(media: Media, container: str) -> tuple[list[Stream], list[str]]:
    """The streams without those that the muxer writes by itself: QuickTime's chapter text and time code tracks."""
    kept, notes = [], []
    for stream in media.streams:
        chapters = stream.kind == "data" and media.chapters > 0 and (stream.tag or stream.codec) in ("text", "bin_data")
        timecode = stream.kind == "data" and (stream.tag == "tmcd" or "timecode" in stream.tags)
        if timecode and container not in MOV_FAMILY:
            notes.append(f"the time code track (stream {stream.index}) cannot come along")
        if not chapters and not timecode:
            kept.append(stream)
    return kept, notes


def _entry(stream: Stream, track: Stream, codec: AudioCodec, container: str) -> Entry:
    if stream.index == track.index:
        return Entry(stream, "encode", codec.name)
    if stream.is_cover and container == "matroska":
        return Entry(stream, "attach")
    return Entry(stream, "copy")


def _lost_tags(film: FilmPlan) -> Iterator[str]:
    """What the container does not keep of the streams' tags, for the user."""
    for tag in film.codec.loses:
        found = [getattr(entry.stream, tag) for entry in film.entries if entry.action != "attach"]
        lost = ", ".join(f"'{value}'" for value in dict.fromkeys(found) if value)
        if lost:
            yield f"'{film.container}' files keep no {tag} of a stream: {lost} cannot come along"


def _fit(entry: Entry, film: FilmPlan, program: str) -> tuple[Entry | None, str | None]:
    """How a stream can come along, if at all, and what to tell the user."""
    stream = entry.stream
    new = next(one for one in film.entries if one.action == "encode")

    def refusal(candidate: Entry) -> str | None:
        return _refusal(replace(film, entries=(new, candidate)), program)

    why = refusal(entry)
    if why is None:
        return entry, None
    if stream.kind == "subtitle":
        for codec in _TEXT_SUBTITLES:
            converted = replace(entry, action="convert", codec=codec)
            if refusal(converted) is None:
                return converted, f"subtitles (stream {stream.index}): {stream.codec} becomes {codec}"
    if stream.kind == "video" and not stream.is_cover:
        raise OutputError(
            f"the {stream.codec} picture of '{film.media.path}' does not go into a '{film.container}' file ({why}): "
            "choose another kind of file with -o, such as .mkv"
        )
    name = {"attachment": "attachment", "data": "data", "subtitle": "subtitles"}.get(stream.kind, stream.kind)
    what = "the cover picture" if stream.is_cover else f"{name} ({stream.codec})"
    return None, f"{what}, stream {stream.index}, cannot come along: '{film.container}' files do not take it"


def _refusal(film: FilmPlan, program: str) -> str | None:
    """Why ffmpeg would not write such a film; None if it would. Writes headers alone."""
    with tempfile.TemporaryDirectory(prefix="cfork-") as folder:
        files = extract(program, film, Path(folder))
        arguments = build(program, film, Path(folder) / "trial", files, empty=True)
        finished = process.run(arguments, stdin=b"")
        return None if finished.status == 0 else process.words(finished.log) or "no reason given"


def _attachment_tags(stream: Stream) -> list[str]:
    tags = dict(stream.tags)
    names = {key.lower() for key in tags}
    kind = "png" if stream.codec == "png" else "jpg"
    if "filename" not in names:
        tags["filename"] = f"cover.{kind}"  # the name by which players know it
    if "mimetype" not in names:
        tags["mimetype"] = "image/png" if kind == "png" else "image/jpeg"
    return [f"{key}={value}" for key, value in tags.items()]


def _changed_tags(stream: Stream, title: str | None) -> list[str]:
    """Tags to take from the new track (an empty value removes one), and its title."""
    stale = [f"{key}=" for key in stream.tags if key.lower().startswith(_STALE_TAGS)]
    return [*stale, *([] if title is None else [f"title={title}"])]
