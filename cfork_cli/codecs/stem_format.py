"""Choose how stems are stored: the kind of file, its samples or codec, and whether they are read back as written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cfork_cli.codecs.choose import AudioCodec, choose_codec
from cfork_cli.errors import UsageError
from cfork_cli.media.containers import muxer_named
from cfork_cli.media.samples import Subtype
from cfork_cli.media.types import Stream

_SUBTYPES: dict[str, dict[int, Subtype]] = {
    "wav": {32: "float32", 24: "pcm24", 16: "pcm16"},
    "flac": {24: "pcm24", 16: "pcm16"},
}
"""Formats that are written without ffmpeg: bits -> samples."""

_ALIASES: Mapping[str, tuple[str, str | None]] = {"alac": ("m4a", "alac"), "vorbis": ("ogg", "vorbis")}
"""Codecs by whose name a kind of file is known too: suffix, codec."""

_CODECS: Mapping[str, tuple[str, ...]] = {
    "matroska": ("flac", "pcm_s24le"),
    "mov": ("pcm_s24le",),
    "mp4": ("alac", "aac"),
    "ipod": ("aac",),
    "webm": ("opus",),
    "ogg": ("vorbis", "flac"),
    "opus": ("opus",),
    "mp3": ("mp3",),
    "adts": ("aac",),
    "ac3": ("ac3",),
    "eac3": ("eac3",),
    "mpegts": ("aac", "ac3"),
    "aiff": ("pcm_s24be",),
    "asf": ("wmav2",),
}
_OTHERS = ("pcm_s24le", "flac", "aac", "opus", "mp3", "ac3")
_FLOATS, _SHORT = "pcm_f32le", {"pcm_s24le": "pcm_s16le", "pcm_s24be": "pcm_s16be"}
_LOSSLESS = ("pcm_", "flac", "alac", "wavpack", "tta")
_LOGARITHMIC = ("pcm_alaw", "pcm_mulaw", "pcm_vidc")
"""ITU-R G.711 and its like: called PCM, but 8 bits on a curve."""


@dataclass(frozen=True)
class StemFormat:
    """Format of one stem's file, or of the file of all.

    Attributes:
        suffix: of the file, without a dot.
        container: ffmpeg's name of it.
        subtype: samples, where no ffmpeg is needed; else None.
        codec: how ffmpeg writes it; else None.
        bits: of integer samples, 16 or 24; None for floats and for lossy codecs.
        is_lossless: whether every sample is read back as it was written.
    """

    suffix: str
    container: str
    subtype: Subtype | None
    codec: AudioCodec | None
    bits: int | None
    is_lossless: bool

    @staticmethod
    def suffix_of(format: str) -> str:
        """Return the suffix of the files of a format, as the user calls it."""
        return _ALIASES.get(format, (format, None))[0]

    @property
    def clips_over_full_scale(self) -> bool:
        """True if samples over full scale are cut off."""
        return self.bits is not None or (self.codec is not None and self.codec.clips_over_full_scale)

    @property
    def notes(self) -> tuple[str, ...]:
        """Changes that the user should know of before the work."""
        return (self.codec.note,) if self.codec is not None and self.codec.note else ()


def subtype(format: str, bits: int | None) -> Subtype:
    """Return the samples of a WAV or FLAC file: the best it has, or those with `bits`.

    Raises:
        UsageError: the format has no such samples.

    >>> subtype("flac", None), subtype("wav", 16)
    ('pcm24', 'pcm16')
    """
    known = _SUBTYPES[format]
    chosen = known.get(max(known) if bits is None else bits)
    if chosen is None:
        raise UsageError(f"{format.upper()} files have {' or '.join(map(str, known))} bits here, not {bits}")
    return chosen


def usual() -> tuple[str, ...]:
    """Return the kinds of files for stems that people know by name."""
    return (*_SUBTYPES, "mka", "opus", "mp3", "m4a", "ogg", "aiff", *_ALIASES)


def check_words(format: str, bits: int | None, codec: str | None) -> None:
    """Find out, before any file is looked at, whether the words make sense.

    Raises:
        UsageError: they do not.
    """
    if format in _SUBTYPES and codec is None:
        subtype(format, bits)
    elif format not in _ALIASES and muxer_named(format) is None:
        raise UsageError(
            f"'{format}' is not a kind of sound file: choose wav, flac, mka, opus, mp3, m4a, alac, ogg, ..."
        )
    _check_bits(bits)


def _check_bits(bits: int | None) -> None:
    if bits not in (None, 16, 24, 32):
        raise UsageError(f"samples have 16, 24 or 32 bits here, not {bits}")


def stem_format(track: Stream, format: str, *, bits: int | None = None, codec: str | None = None) -> StemFormat:
    """Choose how stems of a track are written; half a second is tried where ffmpeg does it.

    Args:
        track: whose rate, channels and layout the stems have.
        format: "wav", or another suffix that we know, or "alac" or "vorbis".
        bits: of a sample; None for the best.
        codec: what the user asks for instead of our choice.

    Raises:
        UsageError: there is no such format, or it does not take such a sound.
        FfmpegError: ffmpeg cannot be run.
    """
    check_words(format, bits, codec)
    suffix, codec = StemFormat.suffix_of(format), codec or _ALIASES.get(format, (format, None))[1]
    if format in _SUBTYPES and codec is None:
        if format == "flac" and (track.channels or 0) > 8:
            raise UsageError(f"FLAC holds at most 8 channels, not {track.channels}: leave --format flac away")
        samples = subtype(format, bits)
        whole = {"pcm24": 24, "pcm16": 16}.get(samples)
        return StemFormat(suffix, format, samples, None, whole, True)
    container = muxer_named(suffix)
    if container is None:
        raise UsageError(
            f"'{format}' is not a kind of sound file: choose wav, flac, mka, opus, mp3, m4a, alac, ogg, ..."
        )
    chosen = stem_codec(track, container, bits, codec)
    lossless = _is_lossless(chosen)
    whole = None if not lossless or chosen.codec_name.startswith("pcm_f") else min(chosen.bits or 24, 24)
    return StemFormat(suffix, container, None, chosen, whole, lossless)


def stem_codec(track: Stream, container: str, bits: int | None, wanted: str | None) -> AudioCodec:
    """Choose how ffmpeg writes a stem of a track into such a container; see `stem_format`.

    Raises:
        UsageError: that cannot be. FfmpegError: ffmpeg cannot be run.
    """
    _check_bits(bits)
    chosen = _chosen(track, container, bits, wanted)
    if bits is not None and not _is_lossless(chosen):
        raise UsageError(f"{chosen.codec_name} is lossy and has no bits of its own: leave --bits away")
    return chosen


def _is_lossless(codec: AudioCodec) -> bool:
    return codec.codec_name.startswith(_LOSSLESS) and codec.codec_name not in _LOGARITHMIC


def _chosen(track: Stream, container: str, bits: int | None, wanted: str | None) -> AudioCodec:
    # What the film's own track was does not matter: a stem of a 16-bit track, or of a lossy one, deserves all bits.
    stem = replace(
        track, codec="pcm_s24le", bits=bits or 24, sample_format=None, profile=None, bit_rate=None, title="Stem"
    )
    if wanted is not None:
        return choose_codec(stem, container, wanted=wanted)
    names = _CODECS.get(container, _OTHERS)
    if bits == 32:
        names = (_FLOATS,)
    elif bits == 16:
        names = tuple(_SHORT.get(name, name) for name in names)
    best: AudioCodec | None = None
    for name in names:
        try:
            codec = choose_codec(stem, container, wanted=name)
        except UsageError:
            continue
        if codec.note is None:
            return codec
        best = best or codec
    if best is None:
        what = f"{track.channels} channels" + (f" of {bits} bits" if bits else "")
        raise UsageError(f"{what} do not go into a '{container}' file: choose another --format, such as mka")
    return best
