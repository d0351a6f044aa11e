"""Opus that is copied into Matroska: ffmpeg 5.1 and older lose its start-up delay from the time stamps at every copy.

Matroska stores the delay, and readers take it off the time stamps. Those versions write the shortened time stamps back
as they are, so that the next reader takes it off again: the sound comes 7 ms earlier against the picture each time.
There, the delay is put back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cfork_cli.codecs.choose import encoders
from cfork_cli.codecs.codec import AudioCodec
from cfork_cli.codecs.trial import lateness
from cfork_cli.media.types import Stream
from cfork_cli.remux.plan import Entry

_USUAL_SECONDS = 312 / 48_000
"""Start-up of libopus, and the delay in nearly all files."""

_LONGEST_SECONDS = 0.1


def cured(entries: Iterable[Entry], container: str) -> list[Entry]:
    """Return the entries, with the delay put back to copied Opus sound where this ffmpeg would lose it.

    Raises:
        FfmpegError: ffmpeg cannot be run.
    """
    return [
        replace(entry, options=(*entry.options, ("bsf", f"setts=ts=TS+round({_delay(entry.stream):.6f}/TB)")))
        if container in ("matroska", "webm") and (entry.action, entry.stream.codec) == ("copy", "opus") and _is_lost()
        else entry
        for entry in entries
    ]


def _delay(stream: Stream) -> float:
    """Seconds. A track that begins with the film begins before zero by its delay."""
    return -stream.start_seconds if -_LONGEST_SECONDS < stream.start_seconds < 0 else _USUAL_SECONDS


def _is_lost() -> bool:
    """Return whether this ffmpeg has the fault: then Opus that it encodes into Matroska plays too early as well."""
    names = encoders().get("opus")
    if not names:
        return False
    sound = Stream(0, "audio", 0, "opus", channels=2, layout="stereo", sample_rate=48_000)
    codec = AudioCodec(names[0], {"b": "96k"}, "opus", None, "stereo", True, None)
    return lateness(sound, "matroska", codec)[0] < 0
