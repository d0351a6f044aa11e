"""The ffmpeg command that writes the film: everything copied in its place, the chosen sound tracks new.

`fit.plan_film` finds out what can come along and what has to change for it; `build` makes the command of it. Nothing
here opens the output; see `output.film.FilmSink`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from cfork_cli.codecs.choose import raw_input_options
from cfork_cli.errors import OutputError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import compile_graph, url
from cfork_cli.ffmpeg.complaints import complaint
from cfork_cli.ffmpeg.demuxers import GUARD, guarded
from cfork_cli.media.containers import ANCHORED, MOV_FAMILY, muxer_options, precise_options
from cfork_cli.media.layouts import speakers
from cfork_cli.media.timeline import begins_at_zero, clock_start, clock_streams, keeps_time_stamps
from cfork_cli.media.types import Media
from cfork_cli.remux import covers, interleave, programs, tags
from cfork_cli.remux.plan import Entry, FilmPlan, NewTrack

PAST_THE_END = 10**9  # seconds

_UNSTAMPED = {"mpegts", "mpeg", "avi"}
"""Containers in which pictures may come without a time of their own, as those between two others do (B-frames)."""

_DOLBY_VISION = {"dvh1": "hvc1", "dvhe": "hev1", "dva1": "avc1", "dvav": "avc3", "dav1": "av01"}
"""QuickTime's names for pictures with Dolby Vision: what they are without it."""

QUEUE_PACKETS = "256"
"""Packets of new sound, 1024 samples each, that ffmpeg keeps until it needs them. Before version 7 it sleeps for 10 ms
whenever its queue is empty: with the usual eight packets it took no more than 40 to 50 s of sound a second."""

_HARDLY_SECONDS = 0.0005
"""In place of none where a stream is decoded: ffmpeg 9 waits for itself in one of four such runs with `-t 0`."""


def build(
    film: FilmPlan,
    target: Path,
    files: Mapping[int, Path],
    *,
    starts: Sequence[int] = (),
    empty: bool = False,
    packets: int | None = None,
) -> list[str]:
    """Return the whole command line. It reads the samples of the new tracks from standard input, see `raw_tracks`.

    Args:
        target: the file to write; it is overwritten.
        files: for every "attach" or "picture" entry, by its stream's index, the file that holds it (see `extract`).
        starts: the time stamps of the new tracks' first samples, in samples on the time line; none means zero.
        empty: write the headers alone.
        packets: write no more than so many of each stream that is copied; None writes all.
    """
    media = film.media
    zero = media.start_seconds if begins_at_zero(media, film.container) else 0.0
    timing: dict[str, Any] = {"itsoffset": f"{-zero:.6f}"} if zero else {}
    if _UNSTAMPED.intersection(media.container.split(",")):
        timing["fflags"] = "+genpts"
    source = ffmpeg.input("FILM", **guarded(media.container), **timing)
    sound = ffmpeg.input("pipe:0", **_sound_options(film))
    # Sparse streams come from an input of their own, or ffmpeg 7 and later would write the whole picture before any
    # sound. The option makes it another input in ffmpeg-python's eyes; it changes nothing.
    sparse_options = {**GUARD, "thread_queue_size": 64, **timing}
    if empty:
        # Or ffmpeg would read on until each of them has a packet: through the whole film, for a forced subtitle.
        sparse_options["ss"] = PAST_THE_END
    sparse = ffmpeg.input("FILM", **sparse_options)
    values: dict[str, str | Sequence[str]] = {"FILM": url(media.path), "TARGET": url(target)}
    entries = [entry for entry in film.entries if entry.action != "picture"]
    streams: list[Any] = []
    for entry in entries:
        if entry.new is not None:
            streams.append(sound[f"a:{film.new.index(entry.new)}"])
        elif entry.action != "attach":
            own = source if entry.stream.kind in ("video", "audio") else sparse
            streams.append(own[str(entry.stream.index)])
    clock, clock_options = _clock(film, source, sparse, streams)
    # ffmpeg-python numbers its inputs in the order of their first use
    number = list(dict.fromkeys(stream.node for stream in [*clock, *streams])).index(source.node)

    options: dict[str, Any] = {
        "c": "copy",
        "map_chapters": -1 if film.alone else number,
        "map_metadata": -1 if film.alone else number,
        "f": film.container,
        **muxer_options(film.container, film.suffix, media),
        **precise_options(film.container, film.new[0].delivered.sample_rate or 1),
    }
    for place, entry in enumerate(entries):
        stream = entry.stream
        if entry.action == "attach":
            options["attach"] = "ATTACH"
            values["ATTACH"] = [*values.get("ATTACH", ()), url(files[stream.index])]
            options[f"metadata:s:{place}"] = f"TAGS{place}"
            values[f"TAGS{place}"] = covers.attachment_tags(stream)
            continue
        if entry.codec is not None:
            options[f"c:{place}"] = entry.codec
        options |= {f"{name}:{place}": value for name, value in entry.options}
        if entry.new is not None:
            number_of_new = film.new.index(entry.new)
            options |= _new_track_options(
                film, entry.new, place,
                starts[number_of_new] - round(zero * (entry.new.delivered.sample_rate or 0)) if starts else 0,
            )  # fmt: skip
        options[f"metadata:s:{place}"] = f"TAGS{place}"
        values[f"TAGS{place}"] = tags.changed(entry, media, film.container)
        # Tags of any stream set by hand turn the automatic copying off for all.
        options[f"map_metadata:s:{place}"] = f"{number}:s:{stream.index}"
        options[f"disposition:{place}"] = entry.flags()
        if entry.action == "copy" and stream.kind == "video" and not stream.is_cover:
            options[f"copyinkf:{place}"] = None  # a recording begins in the midst of a group of pictures
        if stream.codec == "hevc" and film.container in MOV_FAMILY and stream.tag != "hev1":
            options.setdefault(f"tag:{place}", "hvc1")  # Apple's players know no other
        if entry.action == "copy" and film.container not in MOV_FAMILY and stream.tag in _DOLBY_VISION:
            options[f"tag:{place}"] = _DOLBY_VISION[stream.tag]  # what makes it Dolby Vision stands beside it
        if packets is not None and entry.new is None:
            # not of the new track: where a limited stream ends without a packet, ffmpeg 9 ends the others too
            options[f"frames:{place}"] = packets
    # Dolby Vision's headers, and FLAC in MP4 before ffmpeg 6, are written on request only.
    options["strict"] = "experimental"
    if film.container == "mpegts" and not film.alone and not keeps_time_stamps(media):
        options |= {"mpegts_copyts": 1, "output_ts_offset": f"{clock_start(media):.6f}"}
    if film.container == "vob" and media.container == "mpeg" and not film.alone:
        options |= {"muxpreload": 0, "output_ts_offset": f"{clock_start(media):.6f}"}
    of_programs, program_values = programs.options(film, entries)
    options |= of_programs
    values |= program_values
    if removed := tags.obsolete_of_film(film):
        values["REMOVED"] = [*values.get(options.get("metadata", ""), ()), *(f"{key}=" for key in removed)]
        options["metadata"] = "REMOVED"
    if empty:
        converts = any(entry.action == "convert" for entry in entries)
        options["t"] = _HARDLY_SECONDS if converts else 0
    if empty or packets is not None:
        clock_options["t"] = 0
    graph = ffmpeg.output(*streams, "TARGET", **options)
    if clock:
        graph = ffmpeg.merge_outputs(ffmpeg.output(*clock, "-", f="null", c="copy", **clock_options), graph)
    if keeps_time_stamps(media):
        graph = graph.global_args("-copyts")
    arguments = compile_graph(graph.global_args("-y"), values)
    return covers.with_picture_comment(arguments, url(target), film, files)


def raw_tracks(film: FilmPlan) -> list[interleave.RawTrack]:
    """Return how samples of the new tracks go to ffmpeg: of one bare, of several as `interleave` packs them."""
    return [
        interleave.RawTrack(new.delivered.sample_rate or 0, new.delivered.channels or 0, new.codec.raw_bits)
        for new in film.new
    ]


def _sound_options(film: FilmPlan) -> dict[str, str]:
    if len(film.new) > 1:
        return {"f": "matroska", **GUARD, "thread_queue_size": QUEUE_PACKETS}
    (new,) = film.new
    rate, channels = new.delivered.sample_rate or 0, new.delivered.channels or 0
    options = raw_input_options(rate, channels, new.codec.layout, new.codec.raw_bits)
    return {**options, "thread_queue_size": QUEUE_PACKETS}


def _new_track_options(film: FilmPlan, new: NewTrack, place: int, start: int) -> dict[str, str]:
    """Return options of a new track's encoder, its start, and the name of its layout where the pipe cannot carry it."""
    options = {f"{name}:{place}": value for name, value in new.codec.options.items()}
    filters = [f"asetpts=PTS+{start}/SR/TB"] if start else []
    if len(film.new) > 1 and new.codec.layout is not None and speakers(new.codec.layout) is not None:
        channels = "|".join(str(channel) for channel in range(new.delivered.channels or 0))
        filters.append(f"channelmap=map={channels}:channel_layout={new.codec.layout}")
    if filters:
        options[f"filter:{place}"] = ",".join(filters)
    return options


def _clock(film: FilmPlan, source: Any, sparse: Any, streams: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return streams to read into nothing, and options for that."""
    media: Media = film.media
    nodes = [stream.node for stream in streams]
    if not film.alone and ANCHORED.isdisjoint(media.container.split(",")):
        inputs = [source, *([sparse] if sparse.node in nodes else [])]
        return [one[str(stream.index)] for one in inputs for stream in clock_streams(media)], {}
    if source.node not in nodes:
        # a file with one sound track: nothing is copied from it but its tags, yet only what is used becomes an input
        return [source[str(film.track.index)]], {"t": 0}
    return [], {}


def extract(film: FilmPlan, folder: Path) -> dict[int, Path]:
    """Write every "attach" and "picture" entry to a file of its own in `folder`; stream index -> file.

    A picture that Matroska holds as an attachment would become a plain video stream if it were mapped like any other.

    Raises:
        OutputError: they cannot be written.
    """
    wanted = [entry.stream for entry in film.entries if entry.action in ("attach", "picture")]
    if not wanted:
        return {}
    files = {stream.index: folder / f"attachment{stream.index}" for stream in wanted}
    dumps = {f"dump_attachment:{s.index}": str(files[s.index]) for s in wanted if not s.is_cover}
    source = ffmpeg.input("FILM", **GUARD, **dumps)
    pictures = [
        ffmpeg.output(source[str(s.index)], str(files[s.index]), f="image2", update=1, c="copy", **{"frames:v": 1})
        for s in wanted
        if s.is_cover
    ]
    graph = ffmpeg.merge_outputs(*pictures).global_args("-y")
    finished = process.run(compile_graph(graph, {"FILM": url(film.media.path)}))
    if finished.status != 0:
        raise OutputError(
            f"the cover and attachments of '{film.media.path}' could not be taken out ({complaint(finished.log)}): "
            "is there room for temporary files?"
        )
    return files


__all__ = ["Entry", "FilmPlan", "NewTrack", "build", "extract", "raw_tracks"]
