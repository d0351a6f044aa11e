"""Where samples go when they go through a pipe: WAV or bare samples, written here, or anything that ffmpeg can stream.

What was written cannot be taken back; a failure shows in the exit code, and in a pipe that ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import ffmpeg
import numpy as np

from cfork_cli import process, remux, timeline, wav
from cfork_cli.codecs import AudioCodec, choose_codec, raw_input_options
from cfork_cli.containers import muxer_named
from cfork_cli.destination import write_failure
from cfork_cli.errors import CforkError, OutputClosed, OutputError, UsageError
from cfork_cli.film_plan import FilmPlan
from cfork_cli.integers import RAW, packed
from cfork_cli.probe import Stream
from cfork_cli.stem_format import stem_codec

_STREAMS = {
    "matroska", "webm", "mpegts", "nut", "ogg", "opus", "flac", "mp3", "mp2", "adts", "ac3", "eac3", "flv", "asf",
    "vob", "tta", "au",
}  # fmt: skip
"""Muxers that never go back in what they write."""

_WITH_PICTURE = {"matroska", "webm", "mpegts", "nut", "flv", "asf", "vob"}
_WAV_SAMPLES = {"pcm_f32le": ("f32le", 32), "pcm_s24le": ("s24le", 24), "pcm_s16le": ("s16le", 16)}
_LAST_WORDS_SECONDS = 30.0


@dataclass(frozen=True)
class PipeFormat:
    """What goes through the pipe.

    Attributes:
        name: as people call it: "wav", "f32le", "matroska".
        samples: bare samples, one of `integers.RAW`, also those in a WAV; None where ffmpeg writes.
        codec: how ffmpeg writes the sound; else None.
    """

    name: str
    samples: str | None
    codec: AudioCodec | None

    @property
    def bits(self) -> int | None:
        """Of integer samples, up to 24; None for floats and for lossy codecs."""
        if self.codec is not None:
            return self.codec.bits and min(self.codec.bits, 24)
        return None if self.samples is None or self.samples[0] == "f" else min(int(self.samples[1:3]), 24)

    @property
    def codec_name(self) -> str:
        """ffmpeg's name of the samples or of the codec."""
        return self.codec.codec if self.codec is not None else f"pcm_{self.samples}"

    @property
    def cuts(self) -> bool:
        """Whether it holds integers, which cut off what is over full scale even where nothing was changed."""
        return self.codec.cuts if self.codec is not None else self.bits is not None

    @property
    def clips(self) -> bool:
        """Whether what is over full scale is cut off."""
        return self.codec.clips if self.codec is not None else self.bits is not None


def check_format(word: str | None) -> str | None:
    """The name of a format that the user asks for: "wav", bare samples, or one of ffmpeg's; None for none.

    Raises:
        UsageError: there is none, or it does not work in a pipe.
    """
    if word is None:
        return None
    name = word.strip().lower().removeprefix(".")
    if name == "wav" or name in RAW:
        return name
    muxer = name if name in _STREAMS else muxer_named(name)
    if muxer in _STREAMS:
        return muxer
    why = "goes back in what it wrote" if muxer else "is unknown"
    raise UsageError(
        f"'{word}' {why}, so it cannot be piped: choose wav, matroska, flac, mpegts, or bare f32le or s16le"
    )


def takes_picture(name: str | None) -> bool:
    """Whether a format can hold a picture; one that was not chosen yet can."""
    return name is None or name in _WITH_PICTURE


def pipe_format(
    name: str,
    track: Stream,
    *,
    codec: str | None = None,
    bits: int | None = None,
    bit_rate: int | None = None,
    is_stem: bool = False,
) -> PipeFormat:
    """How sound goes through the pipe.

    Args:
        name: from `check_format`.
        codec: what the user asks for: in WAV pcm_f32le, pcm_s24le or pcm_s16le.
        bits: of a sample, 16, 24 or 32; None for the best, or for what bare samples have.
        bit_rate: bits a second, of lossy codecs.
        is_stem: whether it is a new sound, whose codec is chosen as for files, and not the track's own.

    Raises:
        UsageError: that cannot be.
        FfmpegError: ffmpeg cannot be run.
    """
    if name in RAW:
        if codec not in (None, f"pcm_{name}"):
            raise UsageError(f"bare {name} samples are no {codec}: leave --codec away")
        if bits not in (None, int(name[1:3])):
            raise UsageError(f"bare {name} samples have {int(name[1:3])} bits, not {bits}: leave --bits away")
        return PipeFormat(name, name, None)
    if name == "wav":
        wanted = codec or {None: "pcm_f32le", 32: "pcm_f32le", 24: "pcm_s24le", 16: "pcm_s16le"}.get(
            bits, f"{bits} bits"
        )
        if wanted not in _WAV_SAMPLES:
            raise UsageError(f"WAV in a pipe holds {', '.join(_WAV_SAMPLES)}, not {wanted}")
        return PipeFormat(name, _WAV_SAMPLES[wanted][0], None)
    if is_stem:
        return PipeFormat(name, None, stem_codec(track, name, bits, codec))
    return PipeFormat(name, None, choose_codec(track, name, wanted=codec, bit_rate=bit_rate))


class PipeSink:
    """Writes to an open pipe, in order and for good. A context manager.

    Attributes:
        samples: how many (of each channel) were written.
    """

    def __init__(self, descriptor: int, name: Path) -> None:
        self.samples = 0
        self.name = name
        self._descriptor = descriptor
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self._stop()
            if self._open:
                self._open = False
                os.close(self._descriptor)

    def write(self, block: np.ndarray) -> None:
        """Write samples, float32 `[channels, samples]`, now; waits while nobody reads.

        Raises:
            OutputClosed: nobody will read any more.
            OutputError, FfmpegError: it cannot be written.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """Write what is left to write.

        Raises:
            OutputClosed, OutputError, FfmpegError: see `write`.
        """

    def _stop(self) -> None:
        """End whatever writes."""

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except BrokenPipeError as error:
            raise OutputClosed(f"nobody reads '{self.name}' any more") from error
        except OSError as error:
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

    def write(self, block: np.ndarray) -> None:
        if self._header:
            self._put(self._header)
            self._header = b""
        self._put(packed(block, self._samples))
        self.samples += block.shape[1]

    def finish(self) -> None:
        if self._header:
            self._put(self._header)


class FfmpegPipe(PipeSink):
    """Whatever ffmpeg writes into a pipe."""

    def __init__(self, descriptor: int, name: Path, command: Sequence[str], codec: AudioCodec, skipped: int) -> None:
        super().__init__(descriptor, name)
        self._codec, self._skipped = codec, skipped  # samples to leave out, see `timeline.placed`
        self._child = process.Child(command, stdin=True, stdout=descriptor)

    def write(self, block: np.ndarray) -> None:
        samples = self._codec.handed(block[:, max(0, self._skipped - self.samples) :])
        try:
            self._child.stdin.write(np.ascontiguousarray(samples.T).data)
            self._child.stdin.flush()
        except OSError as error:
            raise self._failure() from error
        self.samples += block.shape[1]

    def finish(self) -> None:
        with contextlib.suppress(OSError):  # its exit status tells
            self._child.stdin.close()
        if self._child.wait() != 0:
            raise self._failure()

    def _stop(self) -> None:
        self._child.close()

    def _failure(self) -> CforkError:
        try:
            status = self._child.wait(_LAST_WORDS_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            status = self._child.wait()
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
        program = process.find_ffmpeg()
        self._folder = tempfile.TemporaryDirectory(prefix="cfork-")
        try:
            target = Path(self._folder.name) / "out"
            files = remux.extract(program, film, Path(self._folder.name))
            command = remux.build(program, film, target, files, starts=[start])
            to_pipe = ["pipe:1" if word == process.url(target) else word for word in command]
            super().__init__(descriptor, name, to_pipe, film.codec, skipped)
        except BaseException:
            self._folder.cleanup()
            raise

    def _stop(self) -> None:
        super()._stop()
        self._folder.cleanup()


def sound_sink(descriptor: int, name: Path, form: PipeFormat, track: Stream) -> PipeSink:
    """The sink for sound alone, in a format from `pipe_format`."""
    if form.codec is None:
        return SamplesPipe(descriptor, name, form, track)
    rate, channels = track.sample_rate or 0, track.channels or 0
    sound = ffmpeg.input("pipe:0", **raw_input_options(rate, channels, form.codec.layout, form.codec.raw_bits))
    options = {"c:a": form.codec.name, **{f"{key}:a": value for key, value in form.codec.options.items()}}
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
    command = process.command(process.find_ffmpeg(), graph, values)
    return FfmpegPipe(descriptor, name, command, form.codec, max(0, form.codec.late))
