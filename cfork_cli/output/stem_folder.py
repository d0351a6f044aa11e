"""Folders that are written into: made if they are missing, and gone again if nothing comes of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from cfork_cli.errors import OutputError
from cfork_cli.output.destination import check_destination


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


@contextlib.contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder if it is missing; if what follows fails, remove it again.

    Raises:
        OutputError: it cannot be made.
    """
    is_new = not folder.exists()
    try:
        if is_new:
            folder.mkdir()
    except OSError as error:
        raise OutputError(f"'{folder}' cannot be made ({error.strerror}): choose another folder with -o") from error
    try:
        yield
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):  # not empty: somebody else's files are in it now
                folder.rmdir()
        raise


@contextlib.contextmanager
def in_folder(asked: str | None, *, keep: bool) -> Iterator[None]:
    """Make the folder that an output names by a slash at its end; gone again if nothing comes of it.

    Args:
        keep: whether it stays, if it was not there before.

    Raises:
        OutputError: it cannot be made.
    """
    if not asked or not asked.endswith(("/", os.sep)):
        yield
        return
    folder = Path(asked)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"'{folder}' is a file, not a directory: choose another place with -o")
    is_new = not folder.exists()
    with made_folder(folder):
        yield
    if is_new and not keep:
        folder.rmdir()
