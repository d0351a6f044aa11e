"""Samples into a WAV file (RF64 over 4 GiB), written here, or into a FLAC file, through libsndfile."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import soundfile

from cfork_cli.errors import CforkError, OutputError, UsageError
from cfork_cli.media import wav
from cfork_cli.media.samples import Subtype, over_full_scale, packed
from cfork_cli.output.file_sink import FileSink

_BITS: dict[str, int] = {"float32": 32, "pcm24": 24, "pcm16": 16}
_RAW = {32: "f32le", 24: "s24le", 16: "s16le"}


class SoundFileSink(FileSink):
    """Writes a WAV or FLAC file: `write` blocks, then `close`; or `abort`. A context manager.

    Integer samples are rounded; what is over full scale is cut to it, counted and told, never silently.

    Attributes:
        samples: how many (of each channel) were written.
        clipped: how many single samples were over full scale and had to be cut.
        notes: after `close`, what the user should know.
    """

    def __init__(
        self,
        output: Path,
        *,
        sample_rate: int,
        channels: int,
        subtype: Subtype = "float32",
        layout: str | None = None,
        source: Path | None = None,
        force: bool = False,
        riff_bytes: int = wav.RIFF_BYTES,
    ) -> None:
        """Open the temporary file.

        Args:
            output: ends in .wav or .flac.
            subtype: "float32" (WAV only), "pcm24" or "pcm16".
            layout: ffmpeg's name of the channels' places; WAV keeps it.
            source: the film that is read; it is never overwritten.
            force: whether a file that exists may be replaced.
            riff_bytes: a larger WAV file becomes RF64.

        Raises:
            UsageError: the suffix or subtype does not fit.
            OutputError: see `check_destination`.
        """
        kind = output.suffix.lower().lstrip(".")
        if subtype not in _BITS:
            raise UsageError(f"'{subtype}' is not a sample format: choose {', '.join(_BITS)}")
        if kind not in ("wav", "flac") or (kind == "flac" and subtype == "float32"):
            raise UsageError(
                f"'{output.name}' cannot hold {subtype} samples: choose .wav, or .flac with pcm24 or pcm16"
            )
        if kind == "flac" and channels > 8:
            raise UsageError(f"FLAC holds at most 8 channels, not {channels}: choose .wav")
        super().__init__(output, source=source, force=force)
        self._bits = _BITS[subtype]
        self.clipped = 0
        self._channels = channels
        self._riff_bytes = riff_bytes
        self._format = wav.Format(sample_rate, channels, self._bits, wav.channel_mask(layout) if kind == "wav" else 0)
        self._flac: soundfile.SoundFile | None = None
        try:
            self._file = self._take_name().open("xb", buffering=1 << 20)
            try:
                if kind == "flac":
                    self._flac = soundfile.SoundFile(
                        self._file, "w", samplerate=sample_rate, channels=channels, format="FLAC",
                        subtype=f"PCM_{self._bits}",
                    )  # fmt: skip
                else:
                    self._file.write(self._format.header(0))
            except BaseException:
                self._file.close()
                raise
        except (OSError, soundfile.SoundFileError) as error:
            self._discard()
            raise OutputError(f"'{output}' cannot be written ({error}): choose another place with -o") from error

    def write(self, block: np.ndarray, number: int = 0) -> None:
        """Write samples, float32 `[channels, samples]`.

        Raises:
            OutputError: the disk is full, or the file cannot be written.
            ValueError: the block's shape is wrong, or the sink is closed.
        """
        if self._state != "open":
            raise ValueError("this sink is closed")
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise ValueError(f"a block must be [{self._channels}, samples], not {block.shape}")
        if self._bits != 32:
            self.clipped += over_full_scale(block)
        try:
            if self._flac is None:
                self._file.write(packed(block, _RAW[self._bits]))
            elif self._bits == 16:
                self._flac.write(np.frombuffer(packed(block, "s16le"), "<i2").reshape(-1, self._channels))
            else:  # libsndfile wants the 24 bits at the top; its own conversion of floats scales by 2^23 - 1
                whole = np.frombuffer(packed(block, "s24in32le"), "<i4").reshape(-1, self._channels)
                self._flac.write(whole << 8)
        except (OSError, soundfile.SoundFileError) as error:
            self.abort()
            raise self._failure(error) from error
        self.samples += block.shape[1]

    def _complete(self) -> None:
        try:
            if self._flac is not None:
                self._flac.close()
                with soundfile.SoundFile(self._file.name) as written:
                    frames = written.frames
            else:
                frames = self._complete_wav()
            self._file.close()
        except (OSError, soundfile.SoundFileError) as error:
            raise self._failure(error) from error
        if frames != self.samples:
            raise OutputError(f"'{self.output}' could not be written completely: is the disk full?")
        if self.clipped:
            self.notes = (
                f"'{self.output}': {self.clipped} samples were over full scale and were cut: use float32 WAV",
            )

    def _complete_wav(self) -> int:
        """Fill in the sizes; returns how many samples are really there."""
        header = self._format.header(self.samples, riff_bytes=self._riff_bytes)
        if self.samples * self._format.frame_bytes % 2:
            self._file.write(b"\0")  # chunks begin at even places
        self._file.seek(0)
        self._file.write(header)
        self._file.flush()
        return (os.fstat(self._file.fileno()).st_size - len(header)) // self._format.frame_bytes

    def _stop(self) -> None:
        with contextlib.suppress(OSError, soundfile.SoundFileError):
            if self._flac is not None:
                self._flac.close()
        with contextlib.suppress(OSError):
            self._file.close()

    def _failure(self, error: Exception) -> CforkError:
        return OutputError(f"'{self.output}' could not be written ({error}): is the disk full?")
