"""The errors that users see, and the exit code of each.

    CforkError            1   anything else that the user can do something about
    +- UsageError         2   an option or argument that makes no sense
    +- InputError         3   missing, a directory, not media, no sound track, no such track
    +- OutputError        4   exists already, cannot be written, disk full
    +- DamagedInputError  5   truncated, or decoding failed
    +- FfmpegError        6   ffmpeg is missing, or failed in a way we cannot explain
    +- ModelError         7   weights missing, damaged, not to be had (no network, no such file), or unfit for a remix
    +- Interrupted      130   stopped by the user: 128 + SIGINT; 143 by SIGTERM, 129 by SIGHUP
    +- OutputClosed     141   nobody reads the output any more (128 + SIGPIPE); no message is printed

Every message is one line: what happened, and what to do. Only `app` turns it into text and an exit code.
"""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator, Mapping


class CforkError(Exception):
    """Base of all errors that the user reads as one line.

    Args:
        message: what happened and what to do; line breaks (an odd file name may bring one) become spaces.
    """

    exit_code = 1
    found: Mapping[str, object] = {}
    """What was found out all the same: `--json` prints it with the error."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class UsageError(CforkError):
    """An option or argument that makes no sense."""

    exit_code = 2


class InputError(CforkError):
    """The input cannot be used: missing, a directory, not media, no sound track, no such track."""

    exit_code = 3


class OutputError(CforkError):
    """The output cannot be written: it exists, is not allowed, or the disk is full."""

    exit_code = 4


class DamagedInputError(CforkError):
    """The input is media, but part of it is missing or cannot be decoded."""

    exit_code = 5


class FfmpegError(CforkError):
    """ffmpeg is missing, or it failed in a way that is not the input's or the output's fault."""

    exit_code = 6


class ModelError(CforkError):
    """The network's weights are missing or damaged, cannot be downloaded, or do not fit what they are asked for."""

    exit_code = 7


class Interrupted(CforkError):
    """Stopped by the user."""

    exit_code = 130


class Told(Interrupted):
    """Stopped by the user, who has been told already: nothing more is printed."""


class OutputClosed(CforkError):
    """The program at the other end of our pipe has seen enough. Well-behaved filters end quietly then."""

    exit_code = 141


@contextlib.contextmanager
def found_already(**found: object) -> Iterator[None]:
    """Let an error in here, on the way of a result into its file, lose nothing of the result."""
    try:
        yield
    except CforkError as error:
        error.found = found
        raise


def nobody_reads(error: OSError) -> bool:
    """Return whether writing failed because the other end of a pipe is closed, for which Windows has another error."""
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL)


NO_MEMORY = "not enough memory: close other programs, raise the limit (ulimit -v), or choose a smaller model"


def of_the_system(error: OSError) -> CforkError:
    """Return the error for what the system refused to do, in words of who can do something about it."""
    place = f" '{error.filename}'" if error.filename else ""
    if isinstance(error, BrokenPipeError):
        return OutputClosed("nobody reads the output any more")
    if error.errno == errno.ENOMEM:
        return CforkError(NO_MEMORY)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return CforkError(f"too many files are open ({error.strerror}): raise the limit, such as with 'ulimit -n 1024'")
    if error.errno == errno.EAGAIN:
        return CforkError("no thread or process could be started: too many run already, or a limit is set (ulimit -u)")
    return OutputError(f"cannot use{place} ({error.strerror or error}): is its disk there, with room?")


_NO_MEMORY_WORDS = (
    "not enough memory", "Cannot allocate memory", "failed to map segment", "can't start new thread", "bad_alloc",
    "cannot allocate memory", "out of memory",
)  # fmt: skip
"""Of Python and its libraries."""


def of_any(error: Exception) -> CforkError:
    """Return the error for whatever was raised, in words of who can do something about it.

    >>> str(of_any(KeyError("id")))
    "cfork itself failed (KeyError: 'id'): report it"
    """
    if isinstance(error, CforkError):
        return error
    if isinstance(error, OSError):
        return of_the_system(error)
    if isinstance(error, MemoryError) or any(said in str(error) for said in _NO_MEMORY_WORDS):
        return CforkError(NO_MEMORY)
    return CforkError(f"cfork itself failed ({type(error).__name__}: {error}): report it")


_OF_OTHERS: Mapping[str, type[CforkError]] = {
    "model.hub.container.WeightsError": ModelError,
    "model.train.state.StateError": OutputError,
    "model.dnr.debian.PackageError": InputError,
    "model.dnr.sources.SourcesError": InputError,
    "model.dnr.sounds.WriteError": OutputError,
    "model.inference.device.DeviceError": UsageError,
}
"""Errors of the package `model`, which knows nothing of ours, by name: to import them here would take torch."""


@contextlib.contextmanager
def translated(
    what: str = "this",
    *,
    values: type[CforkError] | None = None,
    instead: Mapping[type[CforkError], type[CforkError]] | None = None,
) -> Iterator[None]:
    """Let errors of the package `model` and of its libraries leave as a CforkError that says the same.

    Args:
        what: is named where a package is missing: "training".
        values: the class for a file that is missing and for a value that makes no sense, where those are the user's;
            None lets these errors through.
        instead: classes that others take the place of: {ModelError: InputError} where what is downloaded is no model.
    """
    try:
        yield
    except ImportError as error:
        raise UsageError(f"{what} needs the package '{error.name}': pip install 'cfork[train]'") from error
    except Exception as error:
        names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
        if "concurrent.futures.process.BrokenProcessPool" in names:
            raise CforkError(
                "a worker ended before its work was done: is there enough memory? try fewer --workers"
            ) from error
        found = next((_OF_OTHERS[name] for name in names if name in _OF_OTHERS), None)
        if found is None and isinstance(error, FileNotFoundError | NotADirectoryError | ValueError):
            found = values
        if found is None:
            raise
        raise (instead or {}).get(found, found)(str(error)) from error
