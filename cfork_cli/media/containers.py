"""Kinds of files: what ffmpeg calls them, and what is special about some."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfork_cli.errors import UsageError
from cfork_cli.media.types import Media

_BY_SUFFIX: Mapping[str, str] = {
    **dict.fromkeys((".mkv", ".mka", ".mk3d"), "matroska"),
    ".webm": "webm",
    **dict.fromkeys((".mp4", ".m4v"), "mp4"),
    **dict.fromkeys((".m4a", ".m4b"), "ipod"),
    **dict.fromkeys((".mov", ".qt"), "mov"),
    ".3gp": "3gp",
    ".3g2": "3g2",
    **dict.fromkeys((".ts", ".m2ts", ".mts", ".m2t", ".trp"), "mpegts"),
    **dict.fromkeys((".mpg", ".mpeg", ".vob", ".m2p"), "vob"),
    ".avi": "avi",
    **dict.fromkeys((".wmv", ".wma", ".asf"), "asf"),
    ".flv": "flv",
    ".mxf": "mxf",
    **dict.fromkeys((".ogg", ".oga", ".ogv"), "ogg"),
    ".opus": "opus",
    **dict.fromkeys((".wav", ".wave", ".bwf", ".rf64"), "wav"),
    ".w64": "w64",
    ".flac": "flac",
    ".mp3": "mp3",
    ".mp2": "mp2",
    ".aac": "adts",
    ".ac3": "ac3",
    **dict.fromkeys((".eac3", ".ec3"), "eac3"),
    **dict.fromkeys((".aif", ".aiff", ".aifc"), "aiff"),
    ".caf": "caf",
    ".au": "au",
    ".wv": "wv",
    ".tta": "tta",
    ".nut": "nut",
}

_READ_ONLY = {
    ".ape", ".mpc", ".mpp", ".tak", ".shn", ".dsf", ".dff", ".ofr", ".amr", ".awb", ".ra", ".rm", ".rmvb", ".dts",
    ".thd", ".mlp", ".spx", ".dv", ".gxf", ".wtv", ".act", ".la", ".voc", ".vqf", ".oma", ".aa", ".aax", ".xa",
}  # fmt: skip
"""Suffixes of sound and films that ffmpeg has no encoder for, or no muxer that takes another sound."""

_BY_DEMUXER: Mapping[str, tuple[str, ...]] = {
    "matroska": ("matroska", "webm"),
    "mov": ("mp4", "mov", "ipod", "3gp", "3g2"),
    "mpeg": ("vob",),
    "mpegts": ("mpegts",),
    "aac": ("adts",),
    "ogg": ("ogg", "opus"),
    "mp3": ("mp3", "mp2"),
}
"""Names of containers when ffmpeg reads them -> names of its muxers for them, the usual one first."""

_READ_ONLY_FILMS = {".rm", ".rmvb", ".dv", ".gxf", ".wtv"}
"""Those of them that have a picture."""

MOV_FAMILY = {"mp4", "mov", "ipod", "3gp", "3g2"}
"""Muxers that write QuickTime's file format."""

ANCHORED = {"matroska", "webm", "mov", "mp4", "avi", "wav", "w64", "flac", "mp3", "aiff", "caf", "flv", "asf"}
"""Containers in which time zero does not depend on which streams are used (see `timeline.clock_streams`)."""

UNTIMED = {"avi", "adts", "ac3", "eac3", "mp2", "wav", "w64", "aiff", "au", "caf"}
"""Muxers that write no time stamps, in which an encoder's start-up delay could be written down."""

_PICTURELESS = {
    "ipod",
    "opus",
    "wav",
    "w64",
    "flac",
    "mp3",
    "mp2",
    "adts",
    "ac3",
    "eac3",
    "aiff",
    "caf",
    "au",
    "wv",
    "tta",
}
_PICTURELESS_SUFFIXES = {".mka", ".oga", ".wma"}

_M2TS_SUFFIXES = {".m2ts", ".mts"}
"""MPEG-TS with four bytes more for each packet, as on Blu-ray and in cameras."""

_BROADCAST_TAGS = {"description", "originator", "originator_reference", "origination_date", "time_reference", "umid"}


_READABLE = frozenset({*_BY_SUFFIX, *_READ_ONLY})


def readable_suffixes() -> frozenset[str]:
    """Return the suffixes of films and sound files, with their dots, in lower case."""
    return _READABLE


def muxer_named(suffix: str) -> str | None:
    """ffmpeg's name for files with this suffix ("mkv" or ".mkv"); None if we do not know it."""
    return _BY_SUFFIX.get("." + suffix.lower().removeprefix("."))


def is_known(suffix: str) -> bool:
    """Return whether files with this suffix (".mkv") are films or sounds that ffmpeg reads."""
    return suffix.lower() in _READABLE


def is_sound(suffix: str) -> bool:
    """Return whether files with this suffix (".mka") usually hold sound alone."""
    muxer = muxer_named(suffix)
    if muxer is None:
        return suffix.lower() in _READ_ONLY - _READ_ONLY_FILMS
    return sound_only(muxer, suffix)


def container_for(output: Path, media: Media) -> str:
    """ffmpeg's name for the kind of file to write: by the output's suffix; without a suffix, or with that of the film,
    the film's own kind.

    Raises:
        UsageError: neither is known.
    """
    suffix = output.suffix.lower()
    own = _own_kinds(media)
    named = _BY_SUFFIX.get(suffix)
    if suffix == media.path.suffix.lower():
        # a film may have another film's suffix; what it is counts, and the suffix only chooses among its relatives
        named = named if named in own or not own else own[0]
    elif suffix in ("", ".cfork") and own:
        named = own[0]
    if named is None:
        raise _no_kind(output, media)
    return named


def elsewhere(container: str) -> str:
    """Return what to do about a container that does not take something: advice that is new to the user."""
    if container == "matroska":
        return "choose another kind of file with -o, such as .mov, or take --sidecar for the sound alone"
    return "choose another kind of file with -o, such as .mkv"


def _no_kind(output: Path, media: Media) -> UsageError:
    """Return the error about a suffix that names nothing that can be written, with one that fits the film."""
    suffix = output.suffix.lower()
    track = media.audio[0] if media.audio else None
    whole = track is not None and (track.bits is not None or track.codec.startswith("dsd"))
    fitting = ".mkv" if media.picture is not None or track is None else ".flac" if whole else ".mka"
    advice = f"give it the suffix {fitting}, as in -o {output.stem}{fitting}"
    if not suffix:
        return UsageError(f"'{output.name}' does not say what kind of file to write: {advice}")
    if suffix == media.path.suffix.lower() or suffix in _READ_ONLY:
        return UsageError(f"'{output.name}': ffmpeg reads {suffix} files, but cannot write their sound: {advice}")
    return UsageError(f"'{output.name}': {suffix} is no kind of film or sound that can be written: {advice}")


def _own_kinds(media: Media) -> tuple[str, ...]:
    """Muxers for files of the film's own kind, the likeliest first."""
    first = media.container.split(",")[0]
    kinds = _BY_DEMUXER.get(first, (first,) if first in _BY_SUFFIX.values() else ())
    brand = media.tags.get("major_brand", "").strip()
    likely = {"qt": "mov", "M4A": "ipod", "M4B": "ipod"}.get(brand, "3gp" if brand.startswith("3gp") else "")
    if first == "mov" and likely:
        return (likely, *(kind for kind in kinds if kind != likely))
    return kinds


def sound_only(container: str, suffix: str) -> bool:
    """Return whether such files hold sound and no picture (but perhaps a cover)."""
    return container in _PICTURELESS or suffix.lower() in _PICTURELESS_SUFFIXES


def muxer_options(container: str, suffix: str, media: Media) -> dict[str, Any]:
    """Return the options with which the muxer writes what players expect and what the film was before."""
    if container in MOV_FAMILY:
        # Phones write place, local time and camera under names of their own, which ffmpeg keeps on request only.
        # Not into M4A: there, and with the option, titles of the usual kind would not be written.
        named = container in ("mov", "mp4") and any(key.startswith("com.") for key in media.tags)
        return {"movflags": "+faststart+use_metadata_tags" if named else "+faststart"}
    if container == "wav":
        large = suffix.lower() == ".rf64" or (suffix.lower() == media.path.suffix.lower() and _is_rf64(media.path))
        broadcast = not _BROADCAST_TAGS.isdisjoint(key.lower() for key in media.tags)
        return {"rf64": "always" if large else "auto", **({"write_bext": 1} if broadcast else {})}
    if container in ("aiff", "adts") and media.tags:
        return {"write_id3v2": 1}
    if container == "mpegts":
        return {"mpegts_m2ts_mode": int(suffix.lower() in _M2TS_SUFFIXES)}
    return {}


def sound_container(container: str, suffix: str) -> str:
    """Return the muxer's name, or "m2ts": Blu-ray's MPEG-TS holds PCM, the others do not."""
    return "m2ts" if container == "mpegts" and suffix.lower() in _M2TS_SUFFIXES else container


def is_same_kind(container: str, media: Media) -> bool:
    """Return whether a muxer writes files of the film's own kind."""
    return container in _own_kinds(media)


def precise_options(container: str, sample_rate: int) -> dict[str, Any]:
    """ffmpeg before 9 counts milliseconds in the edit lists of MP4, so that sound would begin up to 1 ms off."""
    return {"movie_timescale": math.lcm(1000, sample_rate)} if container in MOV_FAMILY else {}


def _is_rf64(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"RF64"
    except OSError:
        return False
