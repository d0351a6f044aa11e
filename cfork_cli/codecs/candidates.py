"""The codecs to try for a track in a container, the best first; and which of them lose nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cfork_cli.media.types import Stream

_LOSSY: Mapping[str, tuple[str, ...]] = {
    "webm": ("opus", "vorbis"),
    "mp4": ("aac", "eac3", "ac3"),
    "ipod": ("aac",),
    "mov": ("aac",),
    **dict.fromkeys(("mpegts", "m2ts"), ("eac3", "ac3", "aac")),
    "vob": ("ac3", "mp2"),
    "avi": ("ac3", "mp3"),
    "flv": ("aac", "mp3"),
    "asf": ("wmav2", "ac3"),
    "ogg": ("vorbis", "opus"),
}
_LOSSLESS: Mapping[str, tuple[str, ...]] = {
    "mp4": ("alac", "flac"),  # FLAC is allowed there too, but fewer players know it
    "ipod": ("alac",),
    "mov": ("pcm_s24le", "alac"),
    "avi": ("pcm_s24le", "pcm_s16le"),
    "asf": ("pcm_s24le", "pcm_s16le"),
    "m2ts": ("pcm_bluray",),
    "mxf": ("pcm_s24le", "pcm_s16le"),
}
_ANY_LOSSLESS = ("flac", "pcm_s24le", "pcm_s24be", "alac", "pcm_s16le", "pcm_s16be")
_ANY_LOSSY = ("aac", "opus", "mp3", "ac3")
_PREFER_LOSSY = {"webm", "mp4", "ipod", "mpegts", "m2ts", "vob", "avi", "flv", "asf"}
"""Containers in which sound that was lossy before had better stay so, for the players' sake."""

ONLY: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("opus", "flac", "ac3", "eac3", "mp3", "mp2", "tta")},
    "adts": ("aac",),
    "wv": ("wavpack",),
}
"""Containers of one codec. Some of their muxers take others too, but no player expects those behind the suffix."""

_NOT_IN_WAVES = (
    "flac",
    "alac",
    "aac",
    "mp3",
    "mp2",
    "ac3",
    "eac3",
    "dts",
    "truehd",
    "opus",
    "vorbis",
    "wavpack",
    "tta",
)
_LOSSLESS_CODECS = {
    "flac", "alac", "wavpack", "tta", "truehd", "mlp", "wmalossless", "mp4als", "tak", "ape", "shorten", "ralf",
    "s302m", "atrac3al", "atrac3pal", "dst", "sonicls",
}  # fmt: skip
_UNPLAYABLE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("mp4", "ipod", "3gp"), ("pcm_",)),
    **dict.fromkeys(("wav", "w64", "aiff", "au", "caf"), _NOT_IN_WAVES),
}
"""Codecs, by the beginnings of their names, that ffmpeg writes there and hardly any player plays."""


def is_lossless(track: Stream) -> bool:
    """Return whether the track holds every sample as it was given."""
    return keeps_all(track.codec) or (track.codec == "dts" and "MA" in (track.profile or ""))


def is_wide(track: Stream) -> bool:
    """Return whether the samples are finer than 32-bit floats: integers of more than 24 bits, or 64-bit floats."""
    return is_lossless(track) and ((track.bits or 0) > 24 or (track.sample_format or "").startswith("dbl"))


def candidates(track: Stream, container: str) -> Iterable[str]:
    """Return codecs for the new track, the best first: the old one, and lossless ones first where the old one was."""
    lossless = (*_LOSSLESS.get(container, ()), *_ANY_LOSSLESS)
    if (track.sample_format or "").startswith(("flt", "dbl")) and is_lossless(track):
        lossless = ("pcm_f32le", "pcm_f32be", *lossless)
    elif is_wide(track):
        lossless = ("pcm_s32le", "wavpack", *lossless)
    lossy = (*_LOSSY.get(container, ()), *_ANY_LOSSY)
    lossy_first = container in _PREFER_LOSSY and not is_lossless(track)
    order = (track.codec, *((*lossy, *lossless) if lossy_first else (*lossless, *lossy)))
    unplayable = _UNPLAYABLE.get(container, ())
    return dict.fromkeys(one for one in ONLY.get(container, order) if not one.startswith(unplayable))


def keeps_all(codec: str) -> bool:
    """Return whether a codec is lossless."""
    return codec.startswith("pcm_") or codec in _LOSSLESS_CODECS


def usual() -> tuple[str, ...]:
    """Return every codec that is chosen somewhere, the usual ones first."""
    tables = (*_LOSSY.values(), *_LOSSLESS.values(), *ONLY.values())
    return tuple(dict.fromkeys((*_ANY_LOSSY, *_ANY_LOSSLESS, *(codec for codecs in tables for codec in codecs))))
