"""Write sound files so that a disk that is full, or gone, is told as that.

libsndfile, writing to the disk itself, says "System error" for all of them, and nothing where only a part was taken.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile as sf

from .. import SAMPLE_RATE


class WriteError(Exception):
    """A scene cannot be written."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell what the system refuses as a `WriteError` about the path."""
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"'{path}' cannot be written ({error.strerror or error}): is its disk there, with room?"
        ) from error


def write_wav(path: Path, audio: np.ndarray) -> None:
    """Write a float WAV. audio: `[samples]` or `[samples, channels]`, at `SAMPLE_RATE`.

    Raises:
        WriteError: it cannot be written.
    """
    whole = io.BytesIO()
    sf.write(whole, audio, SAMPLE_RATE, format="WAV", subtype="FLOAT")
    with writing(path):
        path.write_bytes(whole.getvalue())  # a view would outlive what it looks at, where this fails
