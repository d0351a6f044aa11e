"""Samples into a WAV or FLAC file, through libsndfile."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from cfork_cli.destination import Sink
from cfork_cli.errors import OutputError, UsageError

Subtype = Literal["float32", "pcm24", "pcm16"]

_SUBTYPES: dict[str, tuple[str, int | None]] = {
    "float32": ("FLOAT", None),
    "pcm24": ("PCM_24", 24),
    "pcm16": ("PCM_16", 16),
}
_WAV_BYTES = 4_000_000_000  # its sizes are 32-bit; some room for the header and for a rough estimate


class SoundFileSink(Sink):
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
        expected_samples: int | None = None,
        source: Path | None = None,
        force: bool = False,
    ) -> None:
        """Open the temporary file.

        Args:
            output: ends in .wav or .flac.
            subtype: "float32" (WAV only), "pcm24" or "pcm16".
            expected_samples: about how many of each channel will come; over 4 GB a WAV file becomes RF64. None: RF64.
            source: the film that is read; it is never overwritten.
            force: whether a file that exists may be replaced.

        Raises:
            UsageError: the suffix or subtype does not fit.
            OutputError: see `check_destination`.
        """
        kind = output.suffix.lower().lstrip(".")
        if subtype not in _SUBTYPES:
            raise UsageError(f"'{subtype}' is not a sample format: choose {', '.join(_SUBTYPES)}")
        if kind not in ("wav", "flac") or (kind == "flac" and subtype == "float32"):
            raise UsageError(
                f"'{output.name}' cannot hold {subtype} samples: choose .wav, or .flac with pcm24 or pcm16"
            )
        if kind == "flac" and channels > 8:
            raise UsageError(f"FLAC holds at most 8 channels, not {channels}: choose .wav")
        super().__init__(output, source=source, force=force)
        name, self._bits = _SUBTYPES[subtype]
        self.clipped = 0
        self._channels = channels
        self._large = expected_samples is None or expected_samples * channels * 4 > _WAV_BYTES
        self._limit = None if kind == "flac" or self._large else 2**32 - 4096
        self._bytes_per_frame = channels * (4 if self._bits is None else self._bits // 8)
        form = "FLAC" if kind == "flac" else "RF64" if self._large else "WAV"
        try:
            self._temporary.touch(exist_ok=False)
            self._file = soundfile.SoundFile(
                os.fsencode(self._temporary) if os.name == "posix" else self._temporary,
                "w",
                samplerate=sample_rate,
                channels=channels,
                format=form,
                subtype=name,
            )
        except (OSError, soundfile.SoundFileError) as error:
            self._discard()
            raise OutputError(f"'{output}' cannot be written ({error}): choose another place with -o") from error

    def write(self, block: np.ndarray) -> None:
        """Write samples, float32 `[channels, samples]`.

        Raises:
            OutputError: the disk is full, or the file cannot be written.
            ValueError: the block's shape is wrong, or the sink is closed.
        """
        if self._state != "open":
            raise ValueError("this sink is closed")
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise ValueError(f"a block must be [{self._channels}, samples], not {block.shape}")
        if self._limit is not None and (self.samples + block.shape[1]) * self._bytes_per_frame > self._limit:
            self.abort()
            raise OutputError(f"'{self.output}' grows over 4 GB, which WAV cannot hold: choose .flac")
        try:
            self._file.write(self._samples(block))
        except (OSError, soundfile.SoundFileError) as error:
            self.abort()
            raise self._failure(error) from error
        self.samples += block.shape[1]

    def _samples(self, block: np.ndarray) -> np.ndarray:
        """As libsndfile must be given them, `[samples, channels]`: its own conversion scales by 32767, not by 32768."""
        if self._bits is None:
            return np.ascontiguousarray(block.T, dtype=np.float32)
        self.clipped += int(np.count_nonzero(np.abs(block) > 1))
        full = 2 ** (self._bits - 1)
        whole = np.clip(np.rint(np.asarray(block.T, dtype=np.float64) * full), -full, full - 1)
        if self._bits == 16:
            return np.ascontiguousarray(whole.astype(np.int16))
        return np.ascontiguousarray(whole.astype(np.int32) << 8)

    def _complete(self) -> None:
        try:
            self._file.close()
            with soundfile.SoundFile(
                os.fsencode(self._temporary) if os.name == "posix" else self._temporary
            ) as written:
                frames = written.frames
        except (OSError, soundfile.SoundFileError) as error:
            raise self._failure(error) from error
        if frames != self.samples:
            raise OutputError(f"'{self.output}' could not be written completely: is the disk full?")
        if self.clipped:
            self.notes = (
                f"'{self.output}': {self.clipped} samples were over full scale and were cut: use float32 WAV",
            )

    def _stop(self) -> None:
        with contextlib.suppress(OSError, soundfile.SoundFileError):
            self._file.close()

    def _failure(self, error: Exception) -> OutputError:
        return OutputError(f"'{self.output}' could not be written ({error}): is the disk full?")
