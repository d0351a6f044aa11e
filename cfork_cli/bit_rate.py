"""How many bits a second a sound track has, where its container does not tell (Matroska mostly): a few looks at it."""

from __future__ import annotations

from dataclasses import replace

import ffmpeg

from cfork_cli import process
from cfork_cli.codecs import is_lossless
from cfork_cli.probe import Media, Stream

_LOOK_SECONDS = 10.0
_PLACES = (0.0, 0.3, 0.6)


def with_bit_rate(media: Media, track: Stream, program: str | None = None) -> Stream:
    """The track with a bit rate, if it can be found out: that of its densest look, since a track of a variable rate
    shall lose nothing anywhere. Lossless tracks come back as they are.

    Raises:
        FfmpegError: ffmpeg cannot be run.
    """
    if track.bit_rate is not None or is_lossless(track) or not track.sample_rate:
        return track
    program = program or process.find_ffmpeg()
    length = track.duration_seconds or media.duration_seconds or 0.0
    starts = [length * place for place in _PLACES] if length > 3 * _LOOK_SECONDS else [0.0]
    # less than a look's length comes where the film is shorter
    seconds = min(_LOOK_SECONDS, length) if length > 0 else _LOOK_SECONDS
    looks = process.run_together([_look(media, track, program, start, seconds) for start in starts])
    most = max(len(look.output) if look.status == 0 else 0 for look in looks) * 8 / seconds
    return replace(track, bit_rate=round(most)) if most > 0 else track


def _look(media: Media, track: Stream, program: str, start: float, seconds: float) -> list[str]:
    """The command that writes the packets of such a part."""
    seek = {"ss": f"{start:.3f}"} if start > 0 else {}
    film = ffmpeg.input("FILM", protocol_whitelist=process.PROTOCOLS, **seek)
    graph = ffmpeg.output(film[str(track.index)], "pipe:1", f="data", c="copy", t=f"{seconds:.3f}")
    return process.command(program, graph, {"FILM": process.url(media.path)})
