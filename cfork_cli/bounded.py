"""Read files of others that should be small, whole, and no more than that: behind a name may be anything."""

from __future__ import annotations

import errno
from pathlib import Path

MIB = 1 << 20


def read(path: Path, most: int) -> bytes:
    """Return the content of a file that has at most so many bytes.

    Raises:
        OSError: it cannot be read, or has more (`EFBIG`).
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise too_large(most, path)
    return data


def read_text(path: Path, most: int) -> str:
    """Return such a file's text, in UTF-8.

    Raises:
        OSError: see `read`.
        ValueError: it is no such text.
    """
    return read(path, most).decode("utf-8").replace("\r\n", "\n")


def too_large(most: int, path: Path | None = None) -> OSError:
    """Return the error about what has more bytes than it may."""
    return OSError(errno.EFBIG, f"it is larger than {most / MIB:g} MiB", *([str(path)] if path is not None else []))
