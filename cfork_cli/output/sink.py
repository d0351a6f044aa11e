"""The one face of everything that is written to: files, films and pipes."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Literal, Self

import numpy as np

from cfork_cli.signals import held


class Sink:
    """`write` blocks, then `finish` and `publish` (or `close`, which is both); or `abort`. A context manager.

    Whoever writes several that belong together may finish all of them and then publish all: all that can well fail
    fails before the first of them appears.

    Attributes:
        samples: how many (of each channel of the first track) were written.
        notes: after `finish`, what the user should know.
        found: after `finish`, what only the finished output shows.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.notes: tuple[str, ...] = ()
        self.found: tuple[str, ...] = ()
        self._state: Literal["open", "finished", "closed"] = "open"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, block: np.ndarray, number: int = 0) -> None:
        """Take samples, float32 `[channels, samples]`; waits while the writer is busy.

        Args:
            number: the track that they belong to, where there are several.

        Raises:
            OutputError, OutputClosed, FfmpegError: they cannot be written.
            ValueError: the block's shape is wrong, or the sink is closed.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """Write what is left and check the whole; nothing can be written after. Once is enough.

        Raises:
            OutputError, OutputClosed, FfmpegError: it could not be written completely. Nothing is left then.
        """
        if self._state != "open":
            return
        try:
            self._complete()
        except BaseException:
            self.abort()
            raise
        self._state = "finished"

    def publish(self) -> None:
        """Let the finished output appear. Does nothing after `abort`.

        Raises:
            OutputError: it cannot appear. Nothing of ours is left then.
        """
        if self._state == "open":
            raise ValueError("a sink must be finished before it is published")
        if self._state == "closed":
            return
        try:
            self._appear()
        finally:
            self.abort()

    def close(self) -> None:
        """`finish` and `publish`. Does nothing after either `close` or `abort`.

        Raises:
            OutputError, OutputClosed, FfmpegError: it could not be written completely. Nothing is left then.
        """
        self.finish()
        with held():
            self.publish()

    def abort(self) -> None:
        """Stop, and leave nothing behind. Does nothing after `close`."""
        if self._state == "closed":
            return
        self._state = "closed"
        try:
            self._stop()
        finally:
            self._discard()

    def withdraw(self) -> None:
        """Take back what `publish` made appear, as far as that can be."""

    def _complete(self) -> None:
        """Write what is left to write, and check the whole."""

    def _appear(self) -> None:
        """Give the output its name."""

    def _stop(self) -> None:
        """End whatever writes, complete or not."""

    def _discard(self) -> None:
        """Remove what nobody will want."""


def publish_together(sinks: Sequence[Sink]) -> None:
    """Finish all, then publish all: several outputs appear together, or none does. Signals wait while they appear.

    Raises:
        OutputError, OutputClosed, FfmpegError: one could not be written completely. What was not there before is not
            there then; of several files that were to be replaced, some may have been.
    """
    for sink in sinks:
        sink.finish()  # all that can well fail fails here
    published: list[Sink] = []
    with held():
        try:
            for sink in sinks:
                published.append(sink)  # before: it may be interrupted in its midst, by a program's own handler
                sink.publish()
        except BaseException:
            for sink in published:
                sink.withdraw()
            raise
