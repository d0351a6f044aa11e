"""The face of every file that is written: complete and checked, or not there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from cfork_cli.errors import OutputError
from cfork_cli.output.destination import _temporary_name, check_destination


class Sink:
    """What both sinks share: a temporary file that becomes the output, or disappears.

    `write` blocks, then `close`; or `abort`. A context manager. Whoever writes several files that belong together may
    `finish` all of them and then `publish` all: all that can fail fails before the first of them appears.
    """

    def __init__(self, output: Path, *, source: Path | None, force: bool) -> None:
        check_destination(output, source=source, force=force)
        self.output = output
        self.samples = 0
        self.notes: tuple[str, ...] = ()
        self._force = force
        self._state: Literal["open", "finished", "closed"] = "open"
        self._temporary = _temporary_name(output)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, block: np.ndarray) -> None:
        """Take samples, float32 `[channels, samples]`."""
        raise NotImplementedError

    def finish(self) -> None:
        """Complete the file under its temporary name and check it; nothing can be written after. Once is enough.

        Raises:
            OutputError, FfmpegError: it could not be written completely. Nothing is left then.
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
        """Give the finished file its name. Does nothing after `abort`.

        Raises:
            OutputError: the name was taken meanwhile, or cannot be given. Nothing of ours is left then.
        """
        if self._state == "open":
            raise ValueError("a sink must be finished before it is published")
        if self._state == "closed":
            return
        try:
            if not self._force and self.output.exists():
                raise OutputError(f"'{self.output}' appeared while we worked: replace it with --force")
            os.replace(self._temporary, self.output)
        except OSError as error:
            raise OutputError(f"'{self.output}' cannot be written ({error.strerror}): choose another place") from error
        finally:
            self.abort()

    def close(self) -> None:
        """`finish` and `publish`. Does nothing after either `close` or `abort`.

        Raises:
            OutputError, FfmpegError: it could not be written completely. Nothing is left then.
        """
        self.finish()
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

    def _complete(self) -> None:
        """Write what is left to write, and check the whole."""
        raise NotImplementedError

    def _stop(self) -> None:
        """End whatever writes, complete or not."""
        raise NotImplementedError

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)


def publish_together(sinks: Sequence[Sink]) -> None:
    """Finish all, then publish all: several files appear together, or none does.

    Raises:
        OutputError, FfmpegError: one could not be written completely. What was not there before is not there then.
    """
    there = {sink.output for sink in sinks if sink.output.exists()}
    for sink in sinks:
        sink.finish()  # all that can well fail fails here
    published: list[Path] = []
    try:
        for sink in sinks:
            sink.publish()
            published.append(sink.output)
    except BaseException:
        for path in published:
            if path not in there:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
        raise
