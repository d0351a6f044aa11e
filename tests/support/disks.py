"""Folders that take nothing: small disks of memory where they may be mounted, and what stands in for them elsewhere."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from faults.mounts import mount, unmount
from support.commands import Ran

from cfork_cli.app import run

OPTIONS = {"full": "size=4k", "no inodes": "size=50m,nr_inodes=1", "read-only": "ro"}
STATES = (*OPTIONS, "a file")
"""Of a folder that takes nothing; the last one is no folder."""


@contextlib.contextmanager
def taking_nothing(folder: Path, state: str) -> Iterator[bool]:
    """Let a folder be there that takes nothing new, or a file in its place.

    Where no disk may be mounted, whoever is not root gets a folder without the right to write for one that is
    read-only; a full one is then an ordinary folder, and the command is run by `without_room`.

    Yields:
        whether that is to be done.
    """
    if state == "a file":
        folder.write_text("somebody else's")
        yield False
        return
    folder.mkdir()
    if mount(folder, OPTIONS[state]):
        try:
            if state == "full":
                with contextlib.suppress(OSError):
                    (folder / "taken").write_bytes(bytes(4096))
            yield False
        finally:
            unmount(folder)
    elif state == "read-only" and os.name == "posix" and os.geteuid() != 0:
        folder.chmod(0o555)
        try:
            yield False
        finally:
            folder.chmod(0o755)
    elif state == "full" and os.name == "posix":
        yield True
    else:
        pytest.skip(f"nothing here makes a folder that is {state}: no disk may be mounted")


@contextlib.contextmanager
def no_file_grows(most: int = 0) -> Iterator[None]:
    """Let no file of this process have more bytes (RLIMIT_FSIZE), in whatever folder.

    Python ignores the signal that would end it (SIGXFSZ), so writing fails with EFBIG; what it starts is ended by it.
    """
    import resource

    tempfile.gettempdir()  # which writes a file to find out
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def without_room(arguments: Sequence[str], most: int = 0) -> Ran:
    """Run a command line in this process while no file may have more bytes, not even that of what it says."""
    said = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    with no_file_grows(most), contextlib.redirect_stdout(said[0]), contextlib.redirect_stderr(said[1]):
        code = run([str(argument) for argument in arguments])
    out, err = (one.buffer.getvalue().decode() for one in said)  # type: ignore[attr-defined]
    return Ran(code, out, err)
