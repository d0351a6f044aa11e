"""The player's sound: mixture, dialogue, music and effects in one track of eight channels, FLAC of 24 bits in MP4.

FLAC is the one codec of browsers' media sources that keeps eight channels apart, in order and unfolded; Opus and AAC
low-pass, couple or reorder some of them. All channels are one track of the media element: nothing can get out of step.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from cfork_cli.player import fmp4

SAMPLE_RATE = 48_000
"""Hz. Rates over 65,535 do not fit into MP4's sample entry, and browsers take few others without resampling."""
CHANNELS = 8
"""Mixture left and right, dialogue left and right, music, effects."""
FRAME = 4096
FRAGMENT = 12 * FRAME
"""Samples of a fragment: 1.024 s."""
FRAGMENT_SECONDS = FRAGMENT / SAMPLE_RATE
MIMES = ('audio/mp4; codecs="flac"', 'audio/mp4; codecs="fLaC"')
"""Two spellings of one thing: Safari insists on the second."""
HEADROOM = 2.0
"""Samples are stored at half their size, since stems may go over full scale; the page multiplies by this."""

_FULL = 2**23
# The encoder chooses its own frame size else, writes it into the track's head, and Chromium refuses what differs.
_OPTIONS = {"compression_level": "0", "frame_size": str(FRAME)}


@lru_cache(maxsize=1)
def init() -> bytes:
    """Return the track's head."""

    def add(container: Any) -> Any:
        return container.add_stream("flac", rate=SAMPLE_RATE, layout="7.1", format="s32", options=_OPTIONS)

    return fmp4.head(add, time_scale=SAMPLE_RATE)


def fragment(index: int, samples: np.ndarray) -> bytes:
    """Return a fragment of the track.

    Shape:
        samples `[8, FRAGMENT]`, float32, full scale 1.0; up to 2.0 is kept, beyond it is clipped.

    Args:
        index: of the fragment; it begins at index * `FRAGMENT_SECONDS`.

    Raises:
        ValueError: the shape is another one.
    """
    if samples.shape != (CHANNELS, FRAGMENT):
        raise ValueError(f"a fragment has {CHANNELS} channels of {FRAGMENT} samples, not {samples.shape}")
    sound = np.clip(np.nan_to_num(samples.T), -HEADROOM, HEADROOM)
    stored = np.minimum(np.rint(sound * (_FULL / HEADROOM)), _FULL - 1).astype(np.int32) << 8
    frames = [fmp4.Sample(data, FRAME) for data in _encoded(np.ascontiguousarray(stored).reshape(1, -1))]
    return fmp4.fragment(frames, index * FRAGMENT, number=index + 1)


def _encoded(samples: np.ndarray) -> list[bytes]:
    """Return FLAC frames of interleaved 24-bit samples in 32-bit words `[1, FRAGMENT * 8]`."""
    import av

    encoder: Any = av.CodecContext.create("flac", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.options = SAMPLE_RATE, "7.1", "s32", _OPTIONS
    frame = av.AudioFrame.from_ndarray(samples, format="s32", layout="7.1")
    frame.sample_rate, frame.pts = SAMPLE_RATE, 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return [bytes(packet) for packet in packets if packet.size]  # the last one is empty: only a new head
