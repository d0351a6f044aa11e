"""Write several stems to files of their own: all of them, or none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from cfork_cli.errors import OutputError
from cfork_cli.output.destination import check_destination
from cfork_cli.output.sink import Sink, publish_together


def check_folder(folder: Path) -> None:
    """Find out whether stems can go there; a missing folder is fine if its parent can take it.

    Raises:
        OutputError: it is a file, or there is no place to make it.
    """
    try:
        if folder.is_dir():
            return
        if folder.exists():
            raise OutputError(f"'{folder}' is a file: give a folder for the stems with -o")
    except OSError as error:
        raise OutputError(f"the folder '{folder}' cannot be used ({error.strerror}): choose another with -o") from error
    check_destination(folder)


class StemFiles:
    """A file for each sound. A context manager: an error leaves no new one behind.

    Attributes:
        samples: how many (of each channel) were written.
        notes: after the end, what the user should know (samples that had to be cut).
    """

    def __init__(self, files: dict[str, Path], open_sink: Callable[[str, Path], Sink]) -> None:
        """Make the folder if it is missing, and open all files.

        Args:
            files: what is written -> where; all in one folder.
            open_sink: makes the sink of one file.

        Raises:
            OutputError, UsageError, FfmpegError: one of them cannot be opened. Nothing is left then.
        """
        self.samples = 0
        self.notes: tuple[str, ...] = ()
        self._sinks: list[Sink] = []
        folder = next(iter(files.values())).parent
        self._made = None if folder.exists() else folder
        try:
            if self._made is not None:
                folder.mkdir()
        except OSError as error:
            raise OutputError(f"'{folder}' cannot be made ({error.strerror}): choose another folder with -o") from error
        try:
            for name, path in files.items():
                self._sinks.append(open_sink(name, path))
        except BaseException:
            self._abort()
            raise

    def write(self, sounds: np.ndarray) -> None:
        """Write samples of all sounds, float32 `[sounds, channels, samples]`, in the order of the files."""
        for sink, sound in zip(self._sinks, sounds, strict=True):
            sink.write(sound)
        self.samples += sounds.shape[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abort()
            return
        try:
            publish_together(self._sinks)
        except BaseException:
            self._abort()
            raise
        self.notes = tuple(note for sink in self._sinks for note in sink.notes)

    def _abort(self) -> None:
        for sink in self._sinks:
            sink.abort()
        if self._made is not None:
            with contextlib.suppress(OSError):  # not empty: somebody else's files are in it now
                self._made.rmdir()
