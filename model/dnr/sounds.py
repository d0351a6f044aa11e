"""Write sound files so that a disk that is full, or gone, is told as that.

libsndfile, writing to the disk itself, says "System error" for all of them, and nothing where only a part was taken.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile as sf

from .. import SAMPLE_RATE


class WriteError(Exception):
    """A scene cannot be written."""


def write_wav(path: Path, audio: np.ndarray) -> None:
    """Write a float WAV. audio: `[samples]` or `[samples, channels]`, at `SAMPLE_RATE`.

    Raises:
        WriteError: it cannot be written.
    """
    whole = io.BytesIO()
    sf.write(whole, audio, SAMPLE_RATE, format="WAV", subtype="FLOAT")
    try:
        path.write_bytes(whole.getbuffer())
    except OSError as error:
        raise WriteError(f"'{path}' cannot be written ({error.strerror}): is its disk there, with room?") from error
