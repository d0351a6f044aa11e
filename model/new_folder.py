"""Folders that go again if nothing comes of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def made(folder: Path) -> Iterator[Path]:
    """Make a folder and those around it; the new ones go again if the work fails and has left nothing in them.

    Raises:
        OSError: they cannot be made.
    """
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except BaseException:
        for one in new:
            with suppress(OSError):
                one.rmdir()
        raise
