"""Where output goes: a temporary name beside the destination, renamed when all is complete and checked.

What was there before stays until that moment; after a failure or an abort nothing new is left.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from cfork_cli import process
from cfork_cli.errors import CforkError, FfmpegError, OutputError


def check_destination(output: Path, *, source: Path | None = None, force: bool = False) -> None:
    """Find out, before any long work, whether a file can be written there.

    Args:
        source: the film that is read; it is never overwritten.
        force: whether a file that exists may be replaced.

    Raises:
        OutputError: it exists, is a directory or the input, or its directory is missing or cannot be written.
    """
    folder = output.parent
    try:
        if not folder.is_dir():
            wrong = next((part for part in output.parents if part.exists() and not part.is_dir()), None)
            if wrong is not None:
                raise OutputError(f"'{wrong}' is a file, not a directory: choose another place with -o")
            raise OutputError(f"the directory '{folder}' does not exist: make it first")
        try:
            mode = output.stat().st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None and stat.S_ISDIR(mode):
            raise OutputError(f"'{output}' is a directory: give the output a file name with -o")
        if mode is not None and not stat.S_ISREG(mode):  # the rename would put a film in place of /dev/null
            raise OutputError(f"'{output}' is not an ordinary file, so it is not replaced: choose another name with -o")
        if mode is not None and source is not None and output.samefile(source):
            raise OutputError(
                f"'{output}' is the input itself, which is never overwritten: choose another name with -o"
            )
        if mode is not None and not force:
            raise OutputError(f"'{output}' exists already: choose another name with -o, or replace it with --force")
        # Permission bits do not tell about read-only disks or network shares; trying does.
        trial = _temporary_name(output)
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        raise OutputError(f"'{output}' cannot be written ({error.strerror}): choose another place with -o") from error
    except ValueError as error:  # a NUL in the name
        raise OutputError(f"{str(output)!r} is not a possible file name: choose another with -o") from error


def write_whole(output: Path, text: str, *, force: bool = False) -> None:
    """Write a text file, UTF-8, that appears only when it is complete.

    Raises:
        OutputError: see `check_destination`.
    """
    check_destination(output, force=force)
    temporary = _temporary_name(output)
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, output)
    except OSError as error:
        raise OutputError(f"'{output}' cannot be written ({error.strerror}): choose another place with -o") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


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


def _temporary_name(output: Path) -> Path:
    """A new name beside the output, with its suffix (which tells some muxers what to write), short and hidden."""
    return output.with_name(f".cfork-{secrets.token_hex(6)}{output.suffix}")


_WRITE_ERRORS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "Read-only file system",
    "Permission denied",
    "Stale file handle",
)


def write_error(log: str) -> str | None:
    """The system's reason, in ffmpeg's words, why it could not write."""
    return next((reason for reason in _WRITE_ERRORS if reason in log), None)


def write_failure(output: Path, status: int, log: str) -> CforkError:
    """What to tell the user about a ffmpeg that did not write a file: from its exit status and its standard error."""
    why = write_error(log)
    if why in ("No space left on device", "Disk quota exceeded"):
        return OutputError(f"the disk is full: '{output}' was not written; free some space or choose another place")
    if why == "File too large":
        return OutputError(f"'{output}' became larger than this disk allows: choose another place with -o")
    if why is not None:
        return OutputError(f"'{output}' could not be written ({why}): choose another place with -o")
    said = process.words(log) or (f"killed by signal {-status}" if status < 0 else f"it ended with status {status}")
    return FfmpegError(f"ffmpeg could not write '{output}' ({said}): nothing was written")
