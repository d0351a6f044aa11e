"""Sinks for pipes: WAV or bare samples, written here, or anything that ffmpeg can stream.

What was written cannot be taken back; a failure shows in the exit code, and in a pipe that ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import ffmpeg
import numpy as np

from cfork_cli.codecs.choose import AudioCodec, raw_input_options
from cfork_cli.codecs.pipe_format import _WAV_SAMPLES, PipeFormat
from cfork_cli.errors import CforkError, OutputClosed, OutputError, nobody_reads
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import compile_graph, url
from cfork_cli.ffmpeg.complaints import write_failure
from cfork_cli.leftovers import TemporaryFolder
from cfork_cli.media import timeline, wav
from cfork_cli.media.samples import packed
from cfork_cli.media.types import Stream
from cfork_cli.output.sink import Sink
from cfork_cli.remux import command as remux
from cfork_cli.remux.plan import FilmPlan


class PipeSink(Sink):
    """Writes to an open pipe, in order and for good; the pipe is closed in the end."""

    def __init__(self, descriptor: int, name: Path) -> None:
        super().__init__()
        self.name = name
        self._descriptor = descriptor

    def _discard(self) -> None:
        os.close(self._descriptor)

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            if nobody_reads(error):
                raise OutputClosed(f"nobody reads '{self.name}' any more") from error
            raise OutputError(f"'{self.name}' cannot be written ({error.strerror})") from error


class SamplesPipe(PipeSink):
    """WAV or bare samples: nothing stands between us and the reader."""

    def __init__(self, descriptor: int, name: Path, form: PipeFormat, track: Stream) -> None:
        super().__init__(descriptor, name)
        self._samples = form.samples or "f32le"
        self._header = b""
        if form.name == "wav":
            bits = dict(_WAV_SAMPLES.values())[self._samples]
            mask = wav.channel_mask(track.layout)
            self._header = wav.Format(track.sample_rate or 0, track.channels or 0, bits, mask).header(None)

    def write(self, block: np.ndarray, number: int = 0) -> None:
        if self._header:
            self._put(self._header)
            self._header = b""
        self._put(packed(block, self._samples))
        self.samples += block.shape[1]

    def _complete(self) -> None:
        if self._header:
            self._put(self._header)


class FfmpegPipe(PipeSink):
    """Write sound or a film into a pipe through ffmpeg."""

    def __init__(self, descriptor: int, name: Path, command: Sequence[str], codec: AudioCodec, skipped: int) -> None:
        super().__init__(descriptor, name)
        self._codec, self._skipped = codec, skipped  # samples to leave out, see `timeline.placed`
        self._child = process.Child(command, stdin=True, stdout=descriptor, patient=True)

    def write(self, block: np.ndarray, number: int = 0) -> None:
        samples = self._codec.handed(block[:, max(0, self._skipped - self.samples) :])
        try:
            self._child.stdin.write(np.ascontiguousarray(samples.T).data)
            self._child.stdin.flush()
        except OSError as error:
            raise self._failure() from error
        self.samples += block.shape[1]

    def _complete(self) -> None:
        with contextlib.suppress(OSError):  # its exit status tells
            self._child.stdin.close()
        if self._child.wait() != 0:
            raise self._failure()

    def _stop(self) -> None:
        self._child.close()

    def _failure(self) -> CforkError:
        status = self._child.last_status()
        log = self._child.log()
        if "Broken pipe" in log or status == -getattr(signal, "SIGPIPE", 0):
            return OutputClosed(f"nobody reads '{self.name}' any more")
        return write_failure(self.name, status, log)


class FilmPipe(FfmpegPipe):
    """A whole film, its first new track from us and all else from its file.

    Args:
        begin: place of the track's first sample on the film's time line.
    """

    def __init__(self, descriptor: int, name: Path, film: FilmPlan, begin: int) -> None:
        skipped, start = timeline.placed(begin, film.codec.late, film.codec.shift)
        self._folder = TemporaryFolder()
        try:
            target = self._folder.path / "out"
            files = remux.extract(film, self._folder.path)
            command = remux.build(film, target, files, starts=[start])
            to_pipe = ["pipe:1" if word == url(target) else word for word in command]
            super().__init__(descriptor, name, to_pipe, film.codec, skipped)
        except BaseException:
            self._folder.remove()
            raise

    def _stop(self) -> None:
        super()._stop()
        self._folder.remove()


def sound_sink(descriptor: int, name: Path, form: PipeFormat, track: Stream) -> PipeSink:
    """The sink for sound alone, in a format from `pipe_format`."""
    if form.codec is None:
        return SamplesPipe(descriptor, name, form, track)
    rate, channels = track.sample_rate or 0, track.channels or 0
    sound = ffmpeg.input("pipe:0", **raw_input_options(rate, channels, form.codec.layout, form.codec.raw_bits))
    options = {"c:a": form.codec.encoder, **{f"{key}:a": value for key, value in form.codec.options.items()}}
    values: dict[str, str | Sequence[str]] = {"TAGS": [f"language={track.language or 'und'}"]}
    if track.title:
        values["TAGS"] = [*values["TAGS"], f"title={track.title}"]
    graph = ffmpeg.output(
        sound["a:0"],
        "pipe:1",
        f=form.name,
        flush_packets=1,
        strict="experimental",
        **{"metadata:s:a:0": "TAGS"},
        **options,
    )
    command = compile_graph(graph, values)
    return FfmpegPipe(descriptor, name, command, form.codec, max(0, form.codec.late))
