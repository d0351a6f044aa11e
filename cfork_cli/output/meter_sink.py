"""Sinks for sound that is measured: it goes nowhere, or into a temporary file from which it is read again."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from cfork_cli.errors import OutputError
from cfork_cli.mix.loudness import LoudnessMeter
from cfork_cli.output.sink import Sink


class MeterSink(Sink):
    """Measures what is written, and keeps nothing of it."""

    def __init__(self, meter: LoudnessMeter) -> None:
        super().__init__()
        self.meter = meter

    def write(self, block: np.ndarray, number: int = 0) -> None:
        self.meter.push(block)
        self.samples += block.shape[1]


class SpoolSink(MeterSink):
    """Measures what is written, and keeps it in a file of bare float32 samples; whoever made its folder removes it.

    Raises:
        OutputError: the file cannot be made, or the disk is full.
    """

    def __init__(self, path: Path, meter: LoudnessMeter) -> None:
        super().__init__(meter)
        self.path = path
        try:
            self._file = path.open("xb", buffering=1 << 20)
        except OSError as error:
            raise self._failure(error) from error

    def write(self, block: np.ndarray, number: int = 0) -> None:
        super().write(block)
        try:
            self._file.write(np.ascontiguousarray(block.T, "<f4").data)
        except OSError as error:
            raise self._failure(error) from error

    def _complete(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise self._failure(error) from error

    def _stop(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(
            f"the new sound could not be kept in '{self.path.parent.parent}' until its loudness is known "
            f"({error.strerror}): free some space, choose another -o, or leave --loudness away"
        )
