"""A piece of a film for `--start` and `--end`: sound cut to the sample, and the copied rest at a key frame."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cfork_cli.errors import OutputError, UsageError
from cfork_cli.flows.report import Report
from cfork_cli.flows.source import Piece, Source, called, existing, without_lengths
from cfork_cli.leftovers import TemporaryFolder
from cfork_cli.media.containers import container_for
from cfork_cli.media.keyframes import key_frame_before, landed
from cfork_cli.media.pipes import is_output_pipe
from cfork_cli.media.probe import probe
from cfork_cli.media.span import Span
from cfork_cli.media.timeline import keeps_time_stamps
from cfork_cli.media.types import Media
from cfork_cli.remux import matroska
from cfork_cli.remux.cut import cut
from cfork_cli.text import clock

_UNNOTICED_SECONDS = 0.05


def span_of(start: float | None, end: float | None, media: Media) -> Span | None:
    """Return the piece of a film that was asked for; None is the whole film.

    Raises:
        UsageError: it is empty, or lies after the film's end.
    """
    if not start and end is None:
        return None
    begin = start or 0.0
    if begin < 0 or (end is not None and end <= begin):
        raise UsageError(f"the piece from {clock(begin)} to {clock(end or 0)} is empty: give --end after --start")
    if media.duration_seconds is not None and begin >= media.duration_seconds:
        raise UsageError(f"'{media.path}' is {clock(media.duration_seconds)} long, so nothing begins at {clock(begin)}")
    return Span(begin, end)


@contextlib.contextmanager
def cut_out(
    source: Source,
    start: float | None,
    end: float | None,
    output: Path | None,
    report: Report,
    *,
    with_film: bool = True,
    only_plan: bool = False,
) -> Iterator[Source]:
    """Make a source of a piece of a film; the copy of its other streams is gone when the context ends.

    Args:
        output: the copy lies beside it, since that disk has to hold as much anyway.
        with_film: whether the film's other streams are wanted too.
        only_plan: whether nothing is written: the plan is then that of the whole film.

    Raises:
        UsageError: there is no such piece, or it is one of a stream that nobody can seek in.
        DamagedInputError, OutputError, FfmpegError: it cannot be cut out.
    """
    if not start and end is None:
        yield source
        return
    if source.head is not None:
        raise UsageError("a stream cannot be cut: save it to a file first, or leave --start and --end away")
    media = source.media
    span = span_of(start, end, media) or Span()
    key = key_frame_before(media, span.begin) if with_film else None
    asked = span.begin
    if key is not None:
        span = replace(span, begin=key.seconds)
    if not with_film or only_plan:
        yield replace(source, piece=Piece(span, notes=tuple(filter(None, [_note(span, asked)]))))
        return
    container = container_for(Path(f"x{media.path.suffix}"), media)
    beside = None if is_output_pipe(output) else existing(output or media.path)
    try:
        folder = TemporaryFolder(beside)
    except OSError as error:
        raise OutputError(f"a piece of '{media.path}' cannot be saved ({error.strerror}): choose another -o") from error
    with folder:
        path = folder.path / media.path.name
        with called(path, media.path):
            report.stage("cut", is_sound=False)
            seek = key.seek_seconds if key is not None else span.begin
            cut(media, span, seek, path, container, lambda: report.at(0.0))
            try:
                lost = matroska.carry_to_piece(media.path, path) if container == "matroska" else ()
            except OSError as error:
                raise OutputError(f"a piece of '{media.path}' cannot be saved ({error.strerror})") from error
            film = probe(path)
            if key is not None:
                span = replace(span, begin=landed(media, film, key))
            yield replace(source, piece=_piece(span, film, asked, lost))


def _piece(span: Span, film: Media, asked: float, lost: Sequence[str]) -> Piece:
    """Return what was cut out, with a note if it begins before the moment that was asked for."""
    picture = film.picture
    zero = 0.0 if keeps_time_stamps(film) else film.start_seconds
    begins = max(0.0, (film.start_seconds if picture is None else picture.start_seconds) - zero)
    notes = (*filter(None, [_note(span, asked)]), *lost)
    return Piece(span, film if picture is not None else without_lengths(film), begins, notes)


def _note(span: Span, asked: float) -> str | None:
    if asked - span.begin <= _UNNOTICED_SECONDS:
        return None
    return (
        f"the piece begins at {span.begin:.2f} s, {asked - span.begin:.2f} s before the time that was asked for: "
        "a copied picture can begin only at a key frame"
    )
