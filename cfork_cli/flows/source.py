"""Sources of sound: a file, a stream that is decoded as it comes, or a film from a pipe that had to be saved."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cfork_cli.codecs.pipe_format import check_format, takes_picture
from cfork_cli.errors import CforkError, InputError, Interrupted, OutputClosed, UsageError
from cfork_cli.flows.jobs import PipeOptions
from cfork_cli.flows.report import Report
from cfork_cli.input import live
from cfork_cli.input.decode import Decoder, decode
from cfork_cli.input.spool import spooled
from cfork_cli.media import pipes, tracks
from cfork_cli.media.probe import probe
from cfork_cli.media.span import Span, samples_of
from cfork_cli.media.timeline import film_begin
from cfork_cli.media.types import Media, Stream


@dataclass(frozen=True)
class Piece:
    """A piece of a film, as it can be cut.

    Attributes:
        span: the piece; where a picture is copied, it begins at a key frame.
        media: the piece as a film of its own, whose streams are copied; None where only sound is written.
        picture_seconds: where the picture begins in that film.
        notes: what the user should know.
    """

    span: Span
    media: Media | None = None
    picture_seconds: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A source of sound.

    Attributes:
        path: the file to read; of a stream, its name.
        head: the beginning of a stream that is decoded as it comes; None for files.
        descriptor: of that stream.
        piece: the piece of the film that is wanted; None is all of it.
        accept_damaged: whether what is there is taken, however much of the sound is missing.
    """

    path: Path
    head: live.Head | None = None
    descriptor: int = -1
    raw: pipes.RawFormat | None = None
    piece: Piece | None = None
    accept_damaged: bool = False

    @property
    def span(self) -> Span | None:
        """The piece that is wanted; None is the whole film."""
        return self.piece.span if self.piece is not None else None

    def seconds(self, media: Media, track: Stream | None = None) -> float | None:
        """Return how much sound of a track is wanted; None if nobody knows."""
        whole = (track.duration_seconds if track is not None else None) or media.duration_seconds
        return whole if self.span is None else self.span.seconds(whole)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user about the piece."""
        return self.piece.notes if self.piece is not None else ()

    def facts(self) -> dict[str, Any]:
        """Return the piece, for machines; nothing if all of the film is wanted."""
        if self.span is None:
            return {}
        end = None if self.span.end is None else round(self.span.end, 6)
        return {"piece": {"start_seconds": round(self.span.begin, 6), "end_seconds": end}}

    def written(self, media: Media) -> Media:
        """Return the film whose streams are copied: the piece, if one is wanted, else the film itself."""
        if self.piece is None:
            return without_lengths(media) if self.accept_damaged else media
        if self.piece.media is not None:
            return self.piece.media
        return replace(without_lengths(media), chapters=0)  # only sound is written

    def begin(self, film: Media, sample_rate: int, usual: int) -> int:
        """Return where a new track begins on the time line of the film that is written, in samples.

        Args:
            film: from `written`.
            usual: where it begins if all of the film is wanted.
        """
        if self.piece is None:
            return usual
        first = 0 if self.piece.media is None else round(self.piece.picture_seconds * sample_rate)
        return max(film_begin(film, sample_rate), first)

    @property
    def media(self) -> Media:
        """Return what is in it."""
        return probe(self.path) if self.head is None or self.head.media is None else self.head.media

    def track(self, media: Media, asked: str | None) -> Stream:
        """Return the track that a word names; None is the one that a player would play.

        Raises:
            InputError, UsageError: there is no such track, or nobody knows its rate or channels.
        """
        track = tracks.one(media, asked)
        if self.head is None:
            decode(media, track)  # starts nothing, but refuses a track whose rate or channels nobody knows
        return track

    def decoder(
        self, media: Media, track: Stream, begin: int | None = None, *, bits: int = 32
    ) -> Decoder | live.StreamDecoder:
        """Return the samples of one of its tracks.

        Args:
            begin: the first sample, on the film's time line (see `timeline`); a stream or a piece has its own.
            bits: of the floats.
        """
        if self.span is not None:
            first, end = samples_of(media, track.sample_rate or 0, self.span)
            return decode(media, track, begin=first, end=end, bits=bits, accept_damaged=self.accept_damaged)
        if self.head is None:
            return decode(media, track, begin=begin, bits=bits, accept_damaged=self.accept_damaged)
        return live.StreamDecoder(
            self.descriptor, self.head, track, self.raw, accept_damaged=self.accept_damaged
        )  # fmt: skip


@contextlib.contextmanager
def source_of(
    path: Path, output: Path | None, options: PipeOptions, report: Report, *, sound_only: bool = False
) -> Iterator[Source]:
    """Look at the input, and save it if it has to be read twice; the copy is gone when the context ends.

    A stream that goes into a pipe again is decoded as it comes, if it is sound, or if only its sound is wanted.
    Everything else from a pipe is saved first: beside the output, whose disk has to hold as much anyway.

    Args:
        sound_only: whether no picture is wanted, whatever the format could hold.

    Raises:
        InputError, OutputError, UsageError, FfmpegError: it cannot be read, or saved.
    """
    into_pipe = pipes.is_output_pipe(output)
    wanted = check_format(options.output_format)
    if wanted is not None and not into_pipe:
        raise UsageError("--output-format is for pipes: the suffix of -o says what a file is")
    if options.raw is None and not pipes.is_input_pipe(path):
        with blaming_changes(path):
            yield Source(path)
        return
    redirected = pipes.redirected_file(path)
    if redirected is not None and options.raw is None:
        yield Source(redirected)
        return
    name = pipes.display_name(path)
    with contextlib.ExitStack() as stack:
        descriptor = pipes.open_input(path)
        stack.callback(os.close, descriptor)
        report.stage("listen")
        head = live.listen(descriptor, name, options.raw)
        has_picture = head.media is not None and head.media.picture is not None
        if into_pipe and head.media is not None and not (has_picture and takes_picture(wanted) and not sound_only):
            yield Source(name, head, descriptor, options.raw)
            return
        beside = None if into_pipe or output is None else existing(output)
        report.note(f"'{name}' has to be read twice: it is saved in '{beside or tempfile.gettempdir()}' first")
        report.stage("receive", is_sound=False)
        saved = stack.enter_context(spooled(descriptor, head.data, options.raw, name, beside, report.at))
        with called(saved, name):
            yield Source(saved)


@contextlib.contextmanager
def blaming_changes(path: Path) -> Iterator[None]:
    """Let errors say so where the film was removed, replaced or cut while it was read: nothing else explains them then.

    A recording that grows is not what makes a run fail.

    Raises:
        InputError: in place of an error that came after such a change.
    """
    before = _identity(path)
    try:
        yield
    except (UsageError, Interrupted, OutputClosed):
        raise
    except CforkError as error:
        after = _identity(path)
        if before is None or (after is not None and after[:2] == before[:2] and after[2] >= before[2]):
            raise
        what = "removed" if after is None else "replaced or cut"
        raise InputError(f"'{path}' was {what} while it was read: try again when it is complete") from error


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Return disk, number and size in bytes of a file; None if it is not there."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return facts.st_dev, facts.st_ino, facts.st_size


def existing(output: Path) -> Path:
    """Return the folder that an output will be in, or its nearest that exists."""
    return next((folder for folder in (output.parent, *output.parents) if folder.is_dir()), Path())


def without_lengths(media: Media) -> Media:
    """Return a film of unknown length: the headers of a piece have the length of the whole."""
    streams = tuple(replace(stream, duration_seconds=None) for stream in media.streams)
    return replace(media, duration_seconds=None, streams=streams)


@contextlib.contextmanager
def called(saved: Path, name: Path) -> Iterator[None]:
    """Let errors name the film as the user knows it, and not a hidden copy of it."""
    try:
        yield
    except CforkError as error:
        raise type(error)(str(error).replace(str(saved), str(name))) from error
