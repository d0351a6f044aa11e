"""A piece of a film: from one moment to another, and how ffmpeg is asked for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from cfork_cli.media.timeline import film_begin, keeps_time_stamps
from cfork_cli.media.types import Media

LEAD_SECONDS = 2
"""Decoding begins so much before the piece: codecs need what came before, and demuxers seek only nearly."""


@dataclass(frozen=True)
class Span:
    """A piece of a film, in seconds from its start; end None is the film's end."""

    begin: float = 0.0
    end: float | None = None

    def seconds(self, whole: float | None) -> float | None:
        """Return the length of the piece of a film of so many seconds; None if nobody knows."""
        ends = [one for one in (self.end, whole) if one is not None]
        return max(0.0, min(ends) - self.begin) if ends else None


@dataclass(frozen=True)
class Reach:
    """Options with which ffmpeg gives a piece of a track.

    Attributes:
        begin, end: the first sample, and the first that is not wanted (None: to the end), on the time line of ffmpeg's
            output.
        options: of the input.
        limit: options of outputs that are only read along.
        skipped: seconds of the film that ffmpeg does not read, where it counts from the place it begins to read at.
    """

    begin: int
    end: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    limit: dict[str, str] = field(default_factory=dict)
    skipped: float = 0.0


def reach(media: Media, sample_rate: int, begin: int, end: int | None) -> Reach:
    """Return how to ask ffmpeg for the samples from `begin` to `end`, on the time line of `timeline`.

    Args:
        begin, end: in samples; end None is the track's end.
    """
    start = film_begin(media, sample_rate)
    skip = max(0, math.floor((begin - start) / sample_rate) - LEAD_SECONDS)
    limit = {} if end is None else {"t": str(math.ceil((end - start) / sample_rate) - skip + 1)}
    if not skip:
        return Reach(begin, end, limit=limit)
    options = {"ss": str(skip)}
    if keeps_time_stamps(media):
        return Reach(begin, end, options, limit)
    moved = skip * sample_rate
    return Reach(begin - moved, None if end is None else end - moved, options, limit, float(skip))


def samples_of(media: Media, sample_rate: int, span: Span) -> tuple[int, int | None]:
    """Return the first sample of a piece and the first after it, on the time line of `timeline`."""
    start = film_begin(media, sample_rate)
    end = None if span.end is None else start + round(span.end * sample_rate)
    return start + round(span.begin * sample_rate), end
