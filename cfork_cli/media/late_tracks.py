"""Sound tracks of which a first look shows too little: where they begin, that they are empty, or cannot be decoded."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

import ffmpeg

from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import compile_graph, url
from cfork_cli.ffmpeg.demuxers import GUARD
from cfork_cli.ffmpeg.remember import Passing, fingerprint, remembered
from cfork_cli.media.types import Media

_TIMEOUT_SECONDS = 600.0  # an empty track shows only at the film's end


def seen(media: Media) -> Media:
    """Return the film with the true starts of tracks that begin late; a track that holds nothing has no sample rate.

    ffmpeg fills in the film's start and length where it met no packet.

    Raises:
        FfmpegError: ffmpeg cannot be run.
    """
    streams = []
    for stream in media.streams:
        if stream.is_unseen:
            begins = _first_seconds(media.path, fingerprint(media.path), stream.index)
            if begins is None:
                stream = replace(stream, sample_rate=None, channels=None)
            else:
                stream = replace(stream, start_seconds=begins)
        streams.append(stream)
    return replace(media, streams=tuple(streams))


def tried(media: Media) -> Media:
    """Return the film without sample formats of the sound tracks that this ffmpeg cannot decode the beginning of.

    Raises:
        FfmpegError: ffmpeg cannot be run.
    """
    commands = [_decoding(media.path, track.index) for track in media.audio]
    failed = {
        track.index for track, done in zip(media.audio, process.run_together(commands), strict=True) if done.status != 0
    }
    streams = tuple(replace(one, sample_format=None) if one.index in failed else one for one in media.streams)
    return replace(media, streams=streams)


def _decoding(path: Path, index: int) -> list[str]:
    film = ffmpeg.input("FILM", **GUARD)
    return compile_graph(ffmpeg.output(film[str(index)], "-", f="null", **{"frames:a": 1}), {"FILM": url(path)})


@remembered(64)
def _first_seconds(path: Path, file: Hashable, index: int) -> float | None:
    """Return the first time stamp of a stream; None if it has no packets."""
    film = ffmpeg.input("FILM", **GUARD)
    graph = ffmpeg.output(film[str(index)], "pipe:1", f="framecrc", c="copy", **{"frames:a": 1})
    arguments = compile_graph(graph.global_args("-copyts"), {"FILM": url(path)})
    finished = process.run(arguments, timeout=_TIMEOUT_SECONDS)
    if finished.status != 0:
        raise Passing(0.0)
    text = finished.output.decode("ascii", "replace")
    base = re.search(r"^#tb 0: (\d+)/(\d+)", text, re.MULTILINE)
    first = re.search(r"^0, +-?\d+, +(-?\d+),", text, re.MULTILINE)
    if base is None or first is None:
        return None
    return int(first[1]) * int(base[1]) / int(base[2])
