"""Read files of others that should be small, whole, and no more than that: behind a name may be anything."""

from __future__ import annotations

import errno
import io
import math
import os
import stat
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np

MIB = 1 << 20

NO_FILE = "it is no regular file"


def opened(path: Path) -> BinaryIO:
    """Return a regular file, open to be read. What is none is refused, not waited for: a pipe may never be written to.

    Raises:
        OSError: it cannot be opened, or is a directory (`EISDIR`), a pipe, a socket or a device (`EINVAL`).
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, NO_FILE, str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read(path: Path, most: int, *, pipe: bool = False) -> bytes:
    """Return the content of a file that has at most so many bytes.

    Args:
        pipe: it may be anything that can be read, such as `<(find ...)`, and is waited for.

    Raises:
        OSError: it cannot be read, is no regular file (see `opened`), or has more (`EFBIG`).
    """
    with path.open("rb") if pipe else opened(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise too_large(most, path)
    return data


def part(file: BinaryIO, place: int, count: int) -> bytes:
    """Return so many bytes from a place on; fewer where the file ends before."""
    file.seek(place)
    return file.read(count)


def read_text(path: Path, most: int) -> str:
    """Return such a file's text, in UTF-8.

    Raises:
        OSError: see `read`.
        ValueError: it is no such text.
    """
    return read(path, most).decode("utf-8").replace("\r\n", "\n")


def array(data: bytes) -> np.ndarray:
    """Return an array of floats in NumPy's own format, of any shape, from the bytes of a file.

    The shape in its header is compared with what there is before memory is taken.

    Raises:
        ValueError: it is none, or less or more comes than its header says.
    """
    import numpy as np

    file = io.BytesIO(data)
    try:
        header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[np.lib.format.read_magic(file)]
        told, by_columns, kind = header(file)
    except (KeyError, SyntaxError, TypeError, RecursionError, tokenize.TokenError) as error:
        raise ValueError("no array, or one in a format that is not known") from error
    rest = memoryview(data)[file.tell() :]
    if kind.kind != "f" or min(told, default=0) < 0 or math.prod(told) * kind.itemsize != len(rest):
        raise ValueError("an array that is larger or smaller than its file")
    return np.frombuffer(rest, kind).reshape(told, order="F" if by_columns else "C").copy()


def too_large(most: int, path: Path | None = None) -> OSError:
    """Return the error about what has more bytes than it may."""
    return OSError(errno.EFBIG, f"it is larger than {most / MIB:g} MiB", *([str(path)] if path is not None else []))
