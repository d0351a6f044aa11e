"""Find out, by writing its headers, which streams can come along into the new film, and what has to change for it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cfork_cli.codecs.choose import encoders, is_lossless
from cfork_cli.errors import CforkError, OutputError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.complaints import complaint, may_pass
from cfork_cli.ffmpeg.remember import Passing, fingerprint, remembered
from cfork_cli.leftovers import TemporaryFolder
from cfork_cli.media.containers import MOV_FAMILY, elsewhere, sound_only
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Media, Stream
from cfork_cli.remux import covers, dolby_vision, first_packets, interleave, losses, opus_delay
from cfork_cli.remux.command import build, extract, raw_tracks
from cfork_cli.remux.plan import Entry, FilmPlan, NewTrack

_TEXT_SUBTITLES = ("mov_text", "subrip", "webvtt", "ass")
_AMONG_PICTURES = {"h264": "H264", "hevc": "HEVC"}
"""AVI has no place for their headers but among the pictures, and calls them so then."""

_LOSSLESS = ("flac", "alac", "pcm_s24le", "pcm_s16le")


def plan_film(
    media: Media,
    new: Sequence[NewTrack],
    container: str,
    *,
    suffix: str = "",
    default: Stream | None = None,
) -> FilmPlan:
    """Find out what can come along, by writing an empty film of this kind.

    Args:
        new: the tracks to write.
        container: ffmpeg's name of the muxer.
        suffix: of the new file.
        default: the source of the new track that takes the default flag from all others; None leaves the flags alone.

    Raises:
        OutputError: the picture itself does not fit into such a file, or the new tracks do not.
        FfmpegError: ffmpeg cannot be run.
    """
    if sound_only(container, suffix) and media.picture is not None:
        raise OutputError(
            f"'{media.path}' has a picture, which does not go into a '{suffix.lstrip('.') or container}' file: choose "
            "another kind of file with -o, such as .mkv, or take --sidecar for the sound alone"
        )
    kept, notes = _without_made_anew(media, container)
    entries = [entry for stream in kept for entry in _entries(stream, new, container, default)]
    entries, more = _in_places(opus_delay.cured(entries, container), container)
    whole = FilmPlan(media, tuple(new), container, tuple(entries), suffix)
    notes += more
    whole, more = dolby_vision.with_own_tags(whole, _refusal)
    notes += more
    refused = _refusal(whole)
    if refused is not None:
        whole, more = _fitted(whole)
        notes += more
    first_packets.check(whole)
    return replace(whole, notes=(*notes, *losses.expected(whole), *_lost_rotation(whole)))


def plan_sidecar(media: Media, new: NewTrack) -> FilmPlan:
    """Plan a Matroska file with one new track in it and nothing else.

    Raises:
        OutputError: it cannot be written.
    """
    entry = Entry(new.source, "encode", new.codec.encoder, new=new, default=True)
    film = FilmPlan(media, (new,), "matroska", (entry,), ".mka", alone=True)
    refused = _refusal(film)
    if refused is not None:
        raise OutputError(f"no file for the new sound of '{media.path}' can be written ({refused}): try --codec flac")
    return film


def plan_sounds(media: Media, new: Sequence[NewTrack], container: str, *, suffix: str, picture: bool) -> FilmPlan:
    """Plan a file with the new tracks in their order and no other sound; the first gets the default flag.

    Args:
        picture: whether the film's pictures, chapters and tags come along.

    Raises:
        OutputError: such a file cannot be written.
    """
    kept = [stream for stream in media.streams if picture and stream.kind == "video" and not stream.is_cover]
    sounds = [Entry(one.source, "encode", one.codec.encoder, new=one, default=one is new[0]) for one in new]
    entries = (*(Entry(stream, "copy") for stream in kept), *sounds)
    film = FilmPlan(media, tuple(new), container, entries, suffix, alone=not kept)
    refused = _refusal(film)
    if refused is not None:
        raise OutputError(
            f"{len(new)} sounds{' and a picture' if kept else ''} do not go into a '{container}' file ({refused}): "
            "choose another, such as stems.mkv"
        )
    # QuickTime's editors show the handler's name, which is the title then
    return film if container in MOV_FAMILY else replace(film, notes=tuple(losses.expected(film)))


def _entries(stream: Stream, new: Sequence[NewTrack], container: str, default: Stream | None) -> Iterator[Entry]:
    """Yield what becomes of a stream: itself, a new track in its place, or both."""
    made = next((one for one in new if one.source.index == stream.index), None)
    flag = None if default is None or stream.kind != "audio" else False
    if made is None or made.beside:
        if stream.is_cover and container == "matroska":
            yield Entry(stream, "attach")
        elif stream.is_cover and container in covers.IN_A_COMMENT:
            yield Entry(stream, "picture")
        else:
            options: tuple[tuple[str, str], ...] = ()
            if container == "avi" and stream.codec in _AMONG_PICTURES:
                options = (("bsf", f"{stream.codec}_mp4toannexb"), ("tag", _AMONG_PICTURES[stream.codec]))
            yield Entry(stream, "copy", default=flag, options=options)
    if made is not None:
        is_default = stream.index == default.index if default is not None else False if made.beside else None
        yield Entry(stream, "encode", made.codec.encoder, new=made, default=is_default)


def _in_places(entries: list[Entry], container: str) -> tuple[list[Entry], list[str]]:
    """Files that are kept outside the streams, after all streams; one cover only where there is room for one."""
    attached = False
    placed: list[Entry] = []
    notes: list[str] = []
    for entry in entries:
        # Matroska keeps attachments at its end; once a cover is attached again, those after it must be as well
        attached = attached or entry.action == "attach"
        if attached and entry.stream.kind == "attachment":
            entry = replace(entry, action="attach")
        if entry.stream.is_cover and entry.action == "copy" and container not in covers.IN_A_STREAM:
            notes.append(_left_behind(entry.stream, container))
            continue
        if entry.action == "picture" and any(one.action == "picture" for one in placed):
            notes.append(f"a second cover picture, stream {entry.stream.index}, cannot come along into '{container}'")
            continue
        placed.append(entry)
    return sorted(placed, key=lambda entry: entry.action in ("attach", "picture")), notes


def _fitted(whole: FilmPlan) -> tuple[FilmPlan, list[str]]:
    """Return the plan without what the container refuses, and notes about that."""
    fitting: list[Entry] = []
    notes: list[str] = []
    for entry in whole.entries:
        fits, note = (entry, None) if entry.new is not None else _fit(entry, whole)
        if fits is not None:
            fitting.append(fits)
        elif any(new.beside and new.source.index == entry.stream.index for new in whole.new):
            raise OutputError(
                f"a '{whole.container}' file cannot keep the original sound beside the new one: leave --keep-original "
                f"away, or {elsewhere(whole.container)}"
            )
        if note is not None:
            notes.append(note)
    fitted = replace(whole, entries=tuple(fitting))
    refused = _refusal(fitted)
    if refused is not None:
        several = f"{len(whole.new)} sound tracks of " if len(whole.new) > 1 else ""
        raise OutputError(
            f"{several}'{whole.media.path}' cannot be written as a '{whole.container}' file ({refused}): "
            f"{elsewhere(whole.container)}"
        )
    return fitted, notes


def _fit(entry: Entry, film: FilmPlan) -> tuple[Entry | None, str | None]:
    """Find out how a stream can come along, if at all, and what the user should know about it."""
    stream = entry.stream
    new = next(one for one in film.entries if one.new is not None)

    def refusal(candidate: Entry) -> str | None:
        return _refusal(replace(film, new=film.new[:1], entries=(new, candidate)))

    why = refusal(entry)
    if why is None:
        return entry, None
    if stream.kind == "subtitle":
        for codec in _TEXT_SUBTITLES:
            converted = replace(entry, action="convert", codec=codec)
            if refusal(converted) is None:
                return converted, f"subtitles (stream {stream.index}): {stream.codec} becomes {codec}"
    if stream.kind == "audio" and is_lossless(stream):
        for converted in _lossless(entry, film):
            if refusal(converted) is None:
                return converted, (
                    f"sound track {stream.number + 1}: {stream.codec} becomes {converted.codec}, without a loss"
                )
    if stream.kind == "video" and not stream.is_cover:
        raise OutputError(
            f"the {stream.codec} picture of '{film.media.path}' does not go into a '{film.container}' file ({why}): "
            f"{elsewhere(film.container)}"
        )
    return None, _left_behind(stream, film.container)


def _left_behind(stream: Stream, container: str) -> str:
    name = "subtitles" if stream.kind == "subtitle" else stream.kind
    what = "the cover picture" if stream.is_cover else f"{name} ({stream.codec})"
    return f"{what}, stream {stream.index}, cannot come along: '{container}' files do not take it"


def _lossless(entry: Entry, film: FilmPlan) -> Iterator[Entry]:
    """Yield other codecs that hold every sample of a sound track."""
    bits = entry.stream.bits or 0
    if not 0 < bits <= 24:
        return
    order = ("alac", *_LOSSLESS) if film.container in MOV_FAMILY else _LOSSLESS
    for codec in dict.fromkeys(order):
        pcm = re.fullmatch(r"pcm_s(\d+)..", codec)
        if codec not in encoders() or (pcm is not None and int(pcm[1]) < bits):
            continue
        depth = {"flac": "s16" if bits <= 16 else "s32", "alac": "s16p" if bits <= 16 else "s32p"}.get(codec)
        options = (
            () if depth is None else (("sample_fmt", depth), ("bits_per_raw_sample", "16" if bits <= 16 else "24"))
        )
        yield replace(entry, action="convert", codec=codec, options=options)


def _without_made_anew(media: Media, container: str) -> tuple[list[Stream], list[str]]:
    """Return the streams without those that the muxer makes itself: QuickTime's chapter text and time code tracks."""
    kept, notes = [], []
    for stream in media.streams:
        chapters = stream.kind == "data" and media.chapters > 0 and (stream.tag or stream.codec) in ("text", "bin_data")
        timecode = stream.kind == "data" and (stream.tag == "tmcd" or "timecode" in stream.tags)
        if timecode and container not in MOV_FAMILY:
            notes.append(f"the time code track (stream {stream.index}) cannot come along")
        if not chapters and not timecode:
            kept.append(stream)
    return kept, notes


def _lost_rotation(film: FilmPlan) -> Iterator[str]:
    """Yield a note about pictures that would no longer be turned upright: not every ffmpeg writes it into Matroska."""

    def turned(streams: Iterable[Stream]) -> list[int]:
        return [stream.rotation for stream in streams if stream.kind == "video" and not stream.is_cover]

    turns = turned(entry.stream for entry in film.entries)
    if film.container in MOV_FAMILY or not any(turns):
        return
    with TemporaryFolder() as folder:
        _write_headers(film, folder.path)
        try:
            kept = turned(probe(_trial_file(film, folder.path)).streams)
        except CforkError:
            kept = []
    if kept != turns:
        yield (
            f"the picture is turned by {next(one for one in turns if one)} degrees, and this ffmpeg writes no rotation "
            f"into a '{film.container}' file: players will show it unturned; .mp4 and .mov keep it"
        )


def _trial_file(film: FilmPlan, folder: Path) -> Path:
    return folder / f"trial{film.suffix}"


def _refusal(film: FilmPlan) -> str | None:
    """Return why ffmpeg would not write such a film; None if it would. Writes headers alone, once for equal plans."""
    return _tried(replace(film, notes=()), fingerprint(film.media.path))


@remembered(256)
def _tried(film: FilmPlan, file: Hashable) -> str | None:
    with TemporaryFolder() as folder:
        finished = _write_headers(film, folder.path)
    # MXF's muxer cannot end an empty film, which ffmpeg 9 tells by its status: the header was written
    ends_badly = film.container in first_packets.WHOLE_ALONE and "Error writing trailer" in finished.log
    if finished.status == 0 or (ends_badly and "header" not in finished.log):
        return None
    why = complaint(finished.log) or "no reason given"
    if may_pass(finished.status, finished.log):
        raise Passing(why)
    return why


def _write_headers(film: FilmPlan, folder: Path) -> process.Finished:
    """Try to write an empty film of this kind."""
    tracks = raw_tracks(film)
    empty = b""
    if len(tracks) > 1:
        silence = [np.zeros((track.channels, 64)) for track in tracks]
        packets = [interleave.packet(place, track, 0, silence[place]) for place, track in enumerate(tracks)]
        empty = b"".join((interleave.header(tracks), *packets))
    files = extract(film, folder)
    return process.run(build(film, _trial_file(film, folder), files, empty=True), stdin=empty)
