"""Destinations of files: a temporary name beside each, renamed when all is complete and checked.

What was there before stays until that moment; after a failure or an abort nothing new is left.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cfork_cli.errors import OutputError
from cfork_cli.leftovers import Temporary
from cfork_cli.signals import held, published
from cfork_cli.text import address


def check_destination(output: Path, *, source: Path | None = None, force: bool = False, option: str = "-o") -> None:
    """Find out, before any long work, whether a file can be written there.

    Args:
        source: the film that is read; it is never overwritten.
        force: whether a file that exists may be replaced.
        option: by which the user names the output; "" for an argument.

    Raises:
        OutputError: it exists, is a directory or the input, or its directory is missing or cannot be written.
    """
    folder, by = output.parent, f" with {option}" if option else ""
    named = address(output)
    if sys.platform == "win32" and named is None and _RESERVED.search(output.name):
        raise OutputError(f"Windows takes no file of the name '{output.name}': choose another{by}")
    try:
        if named is not None and not folder.is_dir():
            raise OutputError(f"'{named}' is a URL, and only files are written: choose a file{by}, or - for a pipe")
        if not folder.is_dir():
            wrong = next((part for part in output.parents if part.exists() and not part.is_dir()), None)
            if wrong is not None:
                raise OutputError(f"'{wrong}' is a file, not a directory: choose another place{by}")
            raise OutputError(f"the directory '{folder}' does not exist: make it first")
        try:
            mode = output.stat().st_mode
        except FileNotFoundError:
            mode = None
            if output.is_symlink():
                raise OutputError(
                    f"'{output}' is a link to '{os.readlink(output)}', which is not there: is its disk mounted? "
                    f"remove the link, or choose another name{by}"
                ) from None
        if mode is not None and stat.S_ISDIR(mode):
            raise OutputError(f"'{output}' is a directory: give the output a file name{by}")
        if mode is not None and not stat.S_ISREG(mode):  # the rename would put a film in place of /dev/null
            raise OutputError(f"'{output}' is not an ordinary file, so it is not replaced: choose another name{by}")
        if mode is not None and source is not None and output.samefile(source):
            raise OutputError(f"'{output}' is the input itself, which is never overwritten: choose another name{by}")
        if mode is not None and not force:
            raise OutputError(f"'{output}' exists already: choose another name{by}, or replace it with --force")
        # Permission bits do not show read-only disks or network shares; trying does.
        with Temporary(real_place(output).parent, output.suffix) as trial:
            trial.path.touch(exist_ok=False)
        _check_sticky(output, mode, by)
    except OSError as error:
        raise OutputError(f"'{output}' cannot be written ({error.strerror}): choose another place{by}") from error
    except ValueError as error:  # a NUL in the name
        raise OutputError(f"{str(output)!r} is not a possible file name: choose another{by}") from error


def write_whole(output: Path, text: str, *, force: bool = False) -> None:
    """Write a text file, UTF-8, that appears only when it is complete.

    Raises:
        OutputError: see `check_destination`.
    """
    check_destination(output, force=force)
    write_whole_bytes(output, text.encode())


@contextmanager
def written(output: Path) -> Iterator[None]:
    """Tell what the system refuses while a file is written by others.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"'{output}' cannot be written ({error.strerror}): choose another place with -o") from error


def write_whole_bytes(output: Path, data: bytes) -> None:
    """Write a file that appears only when it is complete, in place of what was there.

    Raises:
        OutputError: it cannot be written.
    """
    place = real_place(output)
    with written(output), Temporary(place.parent, output.suffix) as temporary, held():
        temporary.path.write_bytes(data)
        give_name(temporary.path, place)
        published(output)


def give_name(temporary: Path, output: Path) -> None:
    """Let a finished file appear under its name, in place of what was there.

    On Windows, whoever looks at a new file (a virus scanner, an index) keeps it from being renamed for a moment.

    Raises:
        OSError: it cannot be.
    """
    for wait in _WAITS_SECONDS if sys.platform == "win32" else ():
        try:
            os.replace(temporary, output)
            return
        except PermissionError:
            time.sleep(wait)
    os.replace(temporary, output)


_WAITS_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)

_RESERVED = re.compile(r"""[<>:"|?*\x00-\x1f]|[. ]$|^(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\.|$)""", re.IGNORECASE)
"""What no file of Windows may be called. A colon would even seem to work: it makes a stream beside a file."""

LONGEST_NAME_BYTES = 255
"""The longest file name that the usual file systems take."""


def beside(film: Path, ending: str) -> Path:
    """Return the name of a new file beside a film: its own without the suffix, then the ending. A name that would be
    too long for the disk loses characters at the end of the film's part.

    >>> beside(Path("a/movie.mkv"), ".cfork.mkv").as_posix(), len(beside(Path("x" * 250 + ".mkv"), ".cfork.mkv").name)
    ('a/movie.cfork.mkv', 255)
    """
    stem = film.stem
    while len(os.fsencode(stem + ending)) > LONGEST_NAME_BYTES and len(stem) > 1:
        stem = stem[:-1]
    return film.with_name(stem + ending)


def real_place(output: Path) -> Path:
    """Return where a file of that name really lies. A link stays, and what it leads to is replaced: so do cp and
    ffmpeg. Other hard links of a file that is replaced keep what they had.
    """
    return Path(os.path.realpath(output)) if output.is_symlink() else output


def _check_sticky(output: Path, mode: int | None, by: str) -> None:
    """Find out whether a file of somebody else's would be in the way, in a folder where only owners replace files."""
    if mode is None or not hasattr(os, "geteuid") or os.geteuid() == 0:
        return
    place = real_place(output)
    folder = place.parent.stat()
    if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (folder.st_uid, place.stat().st_uid):
        raise OutputError(f"'{output}' belongs to another user, who alone may replace it: choose another name{by}")
