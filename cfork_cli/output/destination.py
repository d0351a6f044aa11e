"""Destinations of files: a temporary name beside each, renamed when all is complete and checked.

What was there before stays until that moment; after a failure or an abort nothing new is left.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import sys
import time
from pathlib import Path

from cfork_cli.errors import OutputError
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
        if mode is not None and stat.S_ISDIR(mode):
            raise OutputError(f"'{output}' is a directory: give the output a file name{by}")
        if mode is not None and not stat.S_ISREG(mode):  # the rename would put a film in place of /dev/null
            raise OutputError(f"'{output}' is not an ordinary file, so it is not replaced: choose another name{by}")
        if mode is not None and source is not None and output.samefile(source):
            raise OutputError(f"'{output}' is the input itself, which is never overwritten: choose another name{by}")
        if mode is not None and not force:
            raise OutputError(f"'{output}' exists already: choose another name{by}, or replace it with --force")
        # Permission bits do not show read-only disks or network shares; trying does.
        trial = temporary_name(output)
        trial.touch(exist_ok=False)
        trial.unlink()
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
    temporary = temporary_name(output)
    try:
        temporary.write_text(text, encoding="utf-8")
        give_name(temporary, output)
    except OSError as error:
        raise OutputError(f"'{output}' cannot be written ({error.strerror}): choose another place with -o") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


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


def temporary_name(output: Path) -> Path:
    """Return a new name beside the output, short and hidden, with its suffix (by which some muxers choose a format)."""
    return output.with_name(f".cfork-{secrets.token_hex(6)}{output.suffix}")
