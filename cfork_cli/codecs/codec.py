"""An encoder with its options, as it was chosen and tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class AudioCodec:
    """Encoder and options of a new track.

    Attributes:
        encoder: ffmpeg's name of it ("libopus").
        options: its options, without stream specifiers ({"b": "256k"}).
        codec_name: what ffprobe will call the codec ("opus").
        bits: of integer samples, 16, 24 or 32; None where the encoder takes floats as they are.
        layout: name under which the samples are handed to ffmpeg; None hands over only their number.
        clips_over_full_scale: whether what is over full scale is cut off, by the codec or by players.
        note: a change that the user should know of, or None.
        loses: what the container does not keep of a track's tags: "title", "language".
        loses_flags: which of a track's flags it does not keep.
        late: samples by which the container plays the encoder's output late; the sink leaves so many out at the start.
            Negative: it plays early, and the sink begins with so much silence.
        shift: samples by which the container moves all streams when this encoder begins at zero.
        delay: samples of the encoder's start-up, before the first one that it was given; 0 if the file does not say.
        raw_bits: of the floats that are handed to ffmpeg, 32 or 64.
    """

    encoder: str
    options: Mapping[str, str] = field(hash=False)
    codec_name: str
    bits: int | None
    layout: str | None
    clips_over_full_scale: bool
    note: str | None
    loses: tuple[str, ...] = ()
    loses_flags: tuple[str, ...] = ()
    late: int = 0
    raw_bits: int = 32
    shift: int = 0
    delay: int = 0

    @property
    def is_integer(self) -> bool:
        """True if it stores integers, which cut off what is over full scale even where nothing was changed."""
        return self.clips_over_full_scale and self.bits is not None

    @property
    def bit_rate(self) -> int | None:
        """Bits a second that the encoder is asked for; None where it takes no bit rate."""
        return int(self.options["b"].rstrip("k")) * 1000 if "b" in self.options else None

    def handed(self, block: np.ndarray) -> np.ndarray:
        """Return samples as ffmpeg gets them: floats of `raw_bits`, on the grid of 24-bit encoders; same shape."""
        samples = np.asarray(block, dtype="<f8" if self.raw_bits == 64 else "<f4")
        if self.bits == 24:
            # ffmpeg cuts off what is under 24 bits; rounding has no bias, and leaves 24-bit samples as they are
            samples = np.rint(samples * np.float32(2**23)) * np.float32(2**-23)
        return samples
