"""Sound that is decoded while it comes through a pipe: found out from its first bytes, never held whole."""

from __future__ import annotations

import os
import select
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import ffmpeg
import numpy as np

from cfork_cli.errors import DamagedInputError, FfmpegError, InputError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import compile_graph
from cfork_cli.ffmpeg.complaints import complaint
from cfork_cli.ffmpeg.demuxers import GUARD
from cfork_cli.input import nut
from cfork_cli.input.blocks import Blocks, defects
from cfork_cli.input.decode import check_status
from cfork_cli.input.losses import MISSING_SECONDS, Losses
from cfork_cli.input.loudness import lufs_of
from cfork_cli.input.placing import Placer
from cfork_cli.input.wider import counted
from cfork_cli.media import answer, wav
from cfork_cli.media.mov_samples import Passing
from cfork_cli.media.pipes import CHUNK_BYTES, RawFormat, chunks
from cfork_cli.media.probe import TIMEOUT_SECONDS, parse, probe_command, too_much
from cfork_cli.media.timeline import uniform
from cfork_cli.media.types import Media, Stream

HEAD_BYTES = 16_000_000
"""The most that is read to find out what comes; ffprobe itself is content with 5 MB."""

LISTEN_SECONDS = 30.0
"""Seconds of a stream whose loudness is measured before the rest is separated."""

_BLOCK_SECONDS = 0.25


@dataclass(frozen=True)
class Head:
    """The beginning of a stream.

    Attributes:
        data: everything that was read so far.
        media: facts about the stream; None if only the whole file has them.
    """

    data: bytes
    media: Media | None


def listen(descriptor: int, name: Path, raw: RawFormat | None) -> Head:
    """Find out what comes through a pipe, reading no more than that takes.

    Raises:
        InputError: nothing comes, or nothing that ffmpeg knows.
        FfmpegError: ffprobe cannot be run.
    """
    head = b""
    while len(head) < 64 and (data := os.read(descriptor, CHUNK_BYTES)):
        head += data
    if not head:
        raise InputError(f"'{name}' is empty: does the program before cfork work?")
    if raw is not None:
        return Head(head, _raw_media(name, raw))
    if _index_comes_last(head) or os.name != "posix":  # where pipes cannot be waited for together
        return Head(head, None)
    head, told, complete = _probe(descriptor, head, name)
    try:
        media = parse(answer.read(told), name)
    except ValueError:
        media = None
    if media is None or not media.streams:
        if not complete and len(head) < HEAD_BYTES:
            raise InputError(f"'{name}' is not a film or a sound that ffmpeg can read: is --input-format missing?")
        return Head(head, None)
    # a pipe's length is a guess at best
    streams = tuple(replace(stream, duration_seconds=None) for stream in media.streams)
    return Head(head, replace(media, duration_seconds=None, streams=streams))


def _probe(descriptor: int, head: bytes, path: Path) -> tuple[bytes, bytes, bool]:
    """Feed ffprobe until it has seen enough: all that was read, its answer, and whether that was the whole input.

    Raises:
        InputError: its answer has no end, or the input would take it too much memory.
        FfmpegError: it cannot be run, or takes nothing.
    """
    ended, passing = False, Passing(path)
    passing.check(head)
    with process.Child(probe_command(Path("/dev/stdin")), stdin=True, stdout=True) as child:
        feed, told = child.stdin.fileno(), child.stdout.fileno()
        os.set_blocking(feed, False)
        fed = 0
        while True:
            reads = [told] if ended or fed < len(head) else [told, descriptor]
            # the user's pipe may take as long as it likes, ffprobe may not
            patience = None if descriptor in reads else TIMEOUT_SECONDS
            ready, can_feed, _ = select.select(reads, [feed] if fed < len(head) else [], [], patience)
            if not ready and not can_feed:
                raise FfmpegError(f"{child.name} did not take its input within {TIMEOUT_SECONDS:.0f} s: repair it")
            if told in ready:
                break
            if can_feed:
                try:
                    fed += os.write(feed, head[fed : fed + CHUNK_BYTES])
                except BrokenPipeError:
                    break
            elif descriptor in ready:
                data = os.read(descriptor, CHUNK_BYTES)
                passing.check(data)
                head += data
                if not data:
                    ended = True
                    passing.end()
            if (ended and fed == len(head)) or len(head) > HEAD_BYTES:
                child.stdin.close()
                break
        try:
            return head, process.finish(child).output, ended
        except process.TooMuch as error:
            raise too_much(path) from error


def _index_comes_last(head: bytes) -> bool:
    """Return whether this is an MP4 or MOV whose index comes last: nothing can be decoded before its end."""
    place = 0
    while place + 8 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, place)
        if place == 0 and kind not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
            return False
        if kind in (b"moov", b"mdat"):
            return bool(kind == b"mdat")
        if size < 8:
            return True  # a 64-bit size, or all the rest: large, and no index so far
        place += size
    return place > 0


def _raw_media(name: Path, raw: RawFormat) -> Media:
    bits = {"8": 8, "16": 16, "24": 24, "32": 32}.get(raw.name.strip("usfbel"))
    track = Stream(
        0, "audio", 0, f"pcm_{raw.name}", channels=raw.channels, layout=raw.layout, sample_rate=raw.sample_rate,
        bits=None if raw.name.startswith("f") else bits,
        sample_format={"f32": "flt", "f64": "dbl"}.get(raw.name[:3]),
    )  # fmt: skip
    return Media(name, raw.name, None, 0.0, {}, 0, (track,))


class StreamDecoder(Blocks):
    """The samples of a pipe, as a context manager to iterate over once; see `decode.Decoder`, whose place it takes."""

    def __init__(
        self, descriptor: int, head: Head, track: Stream, raw: RawFormat | None, *, accept_damaged: bool = False
    ) -> None:
        if head.media is None:
            raise ValueError("what cannot be decoded as it comes must be saved first")
        if not track.channels or not track.sample_rate:
            raise InputError(f"sound track {track.number + 1} of '{head.media.path}' ({track}) cannot be decoded")
        super().__init__(track.channels, track.sample_rate)
        self.media, self.track = head.media, track
        self._head, self._raw = head, raw
        self._descriptor, self._accept_damaged = descriptor, accept_damaged
        self._ahead: deque[np.ndarray] = deque()
        self._blocks: Iterator[np.ndarray] | None = None
        self._trouble: InputError | None = None

    def lufs(self, progress: Callable[[float], None] | None = None) -> float:
        """Measure the loudness of the first `LISTEN_SECONDS` (less if less comes), which are kept for the iteration.

        Returns:
            LUFS; -inf for silence.
        """
        if self._blocks is None:
            self._blocks = self._decoded()
        listened = 0
        while listened < LISTEN_SECONDS * self.sample_rate and (block := next(self._blocks, None)) is not None:
            self._ahead.append(block)
            listened += block.shape[1]
            if progress is not None:
                progress(listened / self.sample_rate)
        return lufs_of(list(self._ahead), self.sample_rate, self.channels, self.track.layout)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield blocks, float32 `[channels, samples]`, as they come; then check that the end was a good one.

        Raises:
            DamagedInputError: decoding failed, or less came than the input's header said.
            InputError: it cannot be read, or this ffmpeg has no decoder for it.
            FfmpegError: ffmpeg cannot be started, or was killed.
        """
        if self._blocks is None:
            self._blocks = self._decoded()
        while self._ahead:
            block = self._ahead.popleft()
            self.samples += block.shape[1]
            yield block
        for block in self._blocks:
            self.samples += block.shape[1]
            yield block

    def _decoded(self) -> Iterator[np.ndarray]:
        placer = Placer(self.sample_rate, self.channels)
        self._child = child = process.Child(self._command(), stdin=True, stdout=True, patient=True)
        # The feeder has a descriptor of its own, which nobody closes behind its back; it ends when ffmpeg does, or with
        # the program while it waits for input that never comes.
        threading.Thread(target=self._feed, args=(os.dup(child.stdin.fileno()),), daemon=True).start()
        child.stdin.close()
        count = 0
        try:
            for block in self._read(child, placer, _BLOCK_SECONDS):
                count += block.shape[1]
                yield block
            status, log = child.wait(), child.log()
        finally:
            child.close()
        if self._trouble is not None:
            raise self._trouble
        try:
            check_status(self.media, self.track, status, log)
        except DamagedInputError:
            if not self._accept_damaged or not count:
                raise
        promised = None if self._raw is not None else wav.stored_seconds(self._head.data)
        missing = 0.0 if promised is None else max(0.0, promised - count / self.sample_rate)
        if missing > MISSING_SECONDS and not self._accept_damaged:
            raise DamagedInputError(f"'{self.media.path}' was cut off: {missing:.1f} seconds of sound did not come")
        if not count:
            raise DamagedInputError(f"'{self.media.path}' has no sound in it ({complaint(log) or 'no samples'})")
        tally, rate = placer.tally, self.sample_rate
        self.losses = Losses(tally.filled / rate, tally.dropped / rate, missing, tally.stray, counted(self.track, log))
        self.notes = (*defects(self.media.path, log), *self.losses.notes(self.media.path, self.track.number))

    def _feed(self, sink: int) -> None:
        passing = Passing(self.media.path)
        try:
            for data in chain([self._head.data], chunks(self._descriptor)):
                if self._raw is None:
                    passing.check(data)
                view = memoryview(data)
                while view:
                    try:
                        view = view[os.write(sink, view) :]
                    except OSError:  # ffmpeg has ended; its exit status says why
                        return
            passing.end()
        except InputError as error:
            self._trouble = error
        except OSError as error:
            self._trouble = InputError(f"'{self.media.path}' cannot be read: {error.strerror}")
        finally:
            with suppress(OSError):
                os.close(sink)

    def _command(self) -> list[str]:
        options = {**GUARD}
        if self._raw is not None:
            options = self._raw.options()
        elif wav.is_endless(self._head.data):
            options |= {"f": "wav", "ignore_length": "1"}  # or it would believe a made-up size, such as 2 GiB
        source = ffmpeg.input("pipe:0", **options)
        how = uniform(self.track, marked=True, counted=True)
        graph = ffmpeg.output(source[str(self.track.index)], "pipe:1", af=how, flush_packets=1, **nut.options())
        return compile_graph(graph, {})
