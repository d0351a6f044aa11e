"""Formats of sound that go through a pipe."""

from __future__ import annotations

from dataclasses import dataclass

from cfork_cli.codecs.choose import AudioCodec, choose_codec
from cfork_cli.codecs.stem_format import stem_codec
from cfork_cli.errors import UsageError
from cfork_cli.media.containers import muxer_named
from cfork_cli.media.samples import RAW
from cfork_cli.media.types import Stream

_STREAMS = {
    "matroska", "webm", "mpegts", "nut", "ogg", "opus", "flac", "mp3", "mp2", "adts", "ac3", "eac3", "flv", "asf",
    "vob", "tta", "au",
}  # fmt: skip
"""Muxers that never go back in what they write."""


_WITH_PICTURE = {"matroska", "webm", "mpegts", "nut", "flv", "asf", "vob"}


_WAV_SAMPLES = {"pcm_f32le": ("f32le", 32), "pcm_s24le": ("s24le", 24), "pcm_s16le": ("s16le", 16)}


@dataclass(frozen=True)
class PipeFormat:
    """Format of the sound in a pipe.

    Attributes:
        name: as people call it: "wav", "f32le", "matroska".
        samples: bare samples, one of `samples.RAW`, also those in a WAV; None where ffmpeg writes.
        codec: how ffmpeg writes the sound; else None.
    """

    name: str
    samples: str | None
    codec: AudioCodec | None

    @property
    def bits(self) -> int | None:
        """Bits of integer samples, up to 24; None for floats and for lossy codecs."""
        if self.codec is not None:
            return self.codec.bits and min(self.codec.bits, 24)
        return None if self.samples is None or self.samples[0] == "f" else min(int(self.samples[1:3]), 24)

    @property
    def codec_name(self) -> str:
        """ffmpeg's name of the samples or of the codec."""
        return self.codec.codec_name if self.codec is not None else f"pcm_{self.samples}"

    @property
    def is_integer(self) -> bool:
        """True if it stores integers, which cut off what is over full scale even where nothing was changed."""
        return self.codec.is_integer if self.codec is not None else self.bits is not None

    @property
    def clips_over_full_scale(self) -> bool:
        """True if what is over full scale is cut off."""
        return self.codec.clips_over_full_scale if self.codec is not None else self.bits is not None


def check_format(word: str | None) -> str | None:
    """Return the name of the format that the user asks for: "wav", bare samples, or one of ffmpeg's; None for none.

    Raises:
        UsageError: there is none, or it does not work in a pipe.
    """
    if word is None:
        return None
    name = word.strip().lower().removeprefix(".")
    if name == "wav" or name in RAW:
        return name
    muxer = name if name in _STREAMS else muxer_named(name)
    if muxer in _STREAMS:
        return muxer
    why = "goes back in what it wrote" if muxer else "is unknown"
    raise UsageError(
        f"'{word}' {why}, so it cannot be piped: choose wav, matroska, flac, mpegts, or bare f32le or s16le"
    )


def takes_picture(name: str | None) -> bool:
    """Return whether a format can hold a picture; one that was not chosen yet can."""
    return name is None or name in _WITH_PICTURE


def pipe_format(
    name: str,
    track: Stream,
    *,
    codec: str | None = None,
    bits: int | None = None,
    bit_rate: int | None = None,
    is_stem: bool = False,
) -> PipeFormat:
    """Choose the format of the sound in a pipe.

    Args:
        name: from `check_format`.
        codec: what the user asks for: in WAV pcm_f32le, pcm_s24le or pcm_s16le.
        bits: of a sample, 16, 24 or 32; None for the best, or for what bare samples have.
        bit_rate: bits a second, of lossy codecs.
        is_stem: whether it is a new sound, whose codec is chosen as for files, and not the track's own.

    Raises:
        UsageError: that cannot be.
        FfmpegError: ffmpeg cannot be run.
    """
    if name in RAW:
        if codec not in (None, f"pcm_{name}"):
            raise UsageError(f"bare {name} samples are no {codec}: leave --codec away")
        if bits not in (None, int(name[1:3])):
            raise UsageError(f"bare {name} samples have {int(name[1:3])} bits, not {bits}: leave --bits away")
        return PipeFormat(name, name, None)
    if name == "wav":
        wanted = codec or {None: "pcm_f32le", 32: "pcm_f32le", 24: "pcm_s24le", 16: "pcm_s16le"}.get(
            bits, f"{bits} bits"
        )
        if wanted not in _WAV_SAMPLES:
            raise UsageError(f"WAV in a pipe holds {', '.join(_WAV_SAMPLES)}, not {wanted}")
        return PipeFormat(name, _WAV_SAMPLES[wanted][0], None)
    if is_stem:
        return PipeFormat(name, None, stem_codec(track, name, bits, codec))
    return PipeFormat(name, None, choose_codec(track, name, wanted=codec, bit_rate=bit_rate))
