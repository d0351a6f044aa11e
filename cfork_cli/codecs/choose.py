"""Choose the codec of the new sound track: the old one where ffmpeg can write it, else the best for the container.

ffmpeg itself is asked: `-encoders` for what it has, and a trial (see `trial`) for what a container does to the sound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cfork_cli.codecs.bit_rate import parse_bit_rate
from cfork_cli.codecs.candidates import ONLY, candidates, is_lossless, is_wide, keeps_all
from cfork_cli.codecs.codec import AudioCodec
from cfork_cli.codecs.trial import BACK_FOR_SIDE, Written, lateness, trial
from cfork_cli.errors import InputError, UsageError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import raw_input_options
from cfork_cli.ffmpeg.remember import remembered
from cfork_cli.media.containers import elsewhere
from cfork_cli.media.types import Stream

__all__ = ["AudioCodec", "choose_codec", "encoders", "is_lossless", "is_wide", "parse_bit_rate", "raw_input_options"]

_SAMPLE_FORMATS: Mapping[str, tuple[str, str]] = {
    "flac": ("s16", "s32"),
    "alac": ("s16p", "s32p"),
    "wavpack": ("s16p", "s32p"),
    "tta": ("s16", "s32"),
    "pcm_bluray": ("s16", "s32"),
}
"""Lossless codecs with samples of several sizes: the formats for 16 and for 24 bits."""

_KBPS_PER_CHANNEL = 128
_KBPS_MOST: Mapping[str, int] = {"mp3": 320, "ac3": 640, "mp2": 384, "wmav1": 320, "wmav2": 320, "eac3": 3024}
_KBPS_STEPS: Mapping[str, tuple[int, ...]] = {
    "ac3": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640),
    "mp2": (64, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    "mp3": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}


@remembered(4)
def encoders() -> Mapping[str, tuple[str, ...]]:
    """Return ffmpeg's sound encoders: codec -> encoders, the best first. Experimental ones are left out."""
    found: dict[str, list[str]] = {}
    for line in process.answer("-encoders").splitlines():
        match = re.match(r" A..(.)\S\S +(\S+) +(.*)", line)
        if match is None or match[1] == "X":
            continue
        codec = re.search(r"\(codec (\S+)\)$", match[3])
        found.setdefault(codec[1] if codec else match[2], []).append(match[2])
    return {codec: tuple(sorted(names, key=lambda name: name != codec)) for codec, names in found.items()}


def choose_codec(
    track: Stream,
    container: str,
    *,
    wanted: str | None = None,
    bit_rate: int | None = None,
) -> AudioCodec:
    """Choose how to write the new track.

    Args:
        track: the track that it replaces, with the channels that the new one shall have.
        container: ffmpeg's name of the muxer, from `containers.container_for`; "m2ts" is Blu-ray's MPEG-TS.
        wanted: a codec or encoder that the user asks for ("flac", "libopus"), instead of the old one.
        bit_rate: bits a second that the user asks for, instead of at least the old ones.

    Raises:
        UsageError: this ffmpeg has no such encoder, or the container does not take it, or not at this rate.
        InputError: the track's rate or channels are unknown.
        FfmpegError: ffmpeg cannot be run.
    """
    if not track.channels or not track.sample_rate:
        raise InputError(
            f"sound track {track.number + 1} ({track}) has no channels and no sample rate that make sense: the file "
            "is damaged or was cut off, or this ffmpeg does not know the codec"
        )
    written = _wanted(track, container, wanted, bit_rate) if wanted is not None else _best(track, container, bit_rate)
    codec = _with_note(written, track, asked=wanted is not None, bit_rate=bit_rate)
    if keeps_all(codec.codec_name):
        return codec
    late, shift = lateness(track, container, codec)
    return replace(codec, late=late, shift=shift)


def _best(track: Stream, container: str, bit_rate: int | None) -> Written:
    have = encoders()
    tried: list[Written] = []
    for codec in candidates(track, container):
        if codec in have and not (bit_rate is not None and keeps_all(codec)):
            written = _try_layouts(track, container, have[codec][0], codec, bit_rate)
            if written is not None and written.loss(track) == 0:
                return written
            if written is not None:
                tried.append(written)
    if tried:
        return min(tried, key=lambda one: (one.loss(track), -one.channels))
    at = "" if bit_rate is None else f" at {bit_rate // 1000} kbit/s"
    raise UsageError(
        f"this ffmpeg can write no sound of {track.channels} channels at {track.sample_rate} Hz into a '{container}' "
        f"file{at}: {elsewhere(container)}"
    )


def _wanted(track: Stream, container: str, wanted: str, bit_rate: int | None) -> Written:
    have = encoders()
    codec = next((codec for codec, names in have.items() if wanted in names and codec != wanted), wanted)
    if codec not in have:
        raise UsageError(f"this ffmpeg cannot write '{wanted}' sound: 'ffmpeg -encoders' lists what it can")
    if bit_rate is not None and keeps_all(codec):
        raise UsageError(f"'{wanted}' keeps every sample, at whatever rate that takes: leave --bitrate away")
    encoder = wanted if wanted in have[codec] else have[codec][0]
    fits = codec in ONLY.get(container, (codec,))
    written = None if not fits else _try_layouts(track, container, encoder, codec, bit_rate)
    if written is None:
        at = "" if bit_rate is None else f" at {bit_rate // 1000} kbit/s"
        channels = "1 channel" if track.channels == 1 else f"{track.channels} channels"
        raise UsageError(
            f"'{wanted}' sound with {channels}{at} does not go into a '{container}' file: choose another codec"
            + ("" if container == "matroska" else ", or another kind of file with -o, such as .mkv")
        )
    return written


def _with_note(written: Written, track: Stream, *, asked: bool, bit_rate: int | None) -> AudioCodec:
    notes = []
    codec = written.codec
    rate = codec.bit_rate
    if codec.codec_name != track.codec and not asked and bit_rate is not None and is_lossless(track):
        notes.append(f"{track.codec} has no bit rate to choose, so the new track is {codec.codec_name}")
    elif codec.codec_name != track.codec and not asked:
        notes.append(f"{track.codec} cannot be written as it was, so the new track is {codec.codec_name}")
    elif rate and not asked and bit_rate is None and not is_lossless(track) and rate < 0.95 * (track.bit_rate or 0):
        notes.append(f"its bit rate becomes {rate // 1000} kbit/s, from {(track.bit_rate or 0) // 1000}")
    if track.channels is not None and written.channels != track.channels:
        notes.append(
            f"{codec.codec_name} in this container carries {written.channels} of the {track.channels} channels: "
            "the others are folded into them"
        )
    elif written.loss(track) == 1:
        notes.append(f"this kind of file does not store that its layout is {track.layout}")
    elif written.loss(track) == 2:
        notes.append(f"its layout is called {written.layout} then, not {track.layout}")
    if written.sample_rate != track.sample_rate:
        notes.append(f"the sample rate becomes {written.sample_rate} Hz")
    fine = 32 if is_wide(track) or (track.sample_format or "").startswith("flt") else track.bits or 0
    if is_lossless(track) and codec.bits is not None and codec.bits < fine:
        notes.append(f"its samples get {codec.bits} bits")
    if "Atmos" in (track.profile or ""):
        notes.append("its Atmos objects become part of the channels")
    return replace(codec, note=f"sound track {track.number + 1}: " + "; ".join(notes) if notes else None)


def _try_layouts(track: Stream, container: str, encoder: str, codec: str, bit_rate: int | None) -> Written | None:
    """Return the first way of handing over the samples that keeps all channels and their layout; else the best one."""
    layouts: dict[str | None, None] = {track.layout: None}
    if track.layout is not None and track.layout in BACK_FOR_SIDE:
        layouts[BACK_FOR_SIDE[track.layout]] = None
    works: list[Written] = []
    for layout in layouts:
        for options, bits in _options(track, codec, encoder, bit_rate):
            raw_bits = 64 if is_wide(track) and (bits == 32 or codec.startswith("pcm_f64")) else 32
            written = trial(track, container, encoder, options, layout, bits, raw_bits)
            if written is None:
                continue
            if written.loss(track) == 0:
                return written
            works.append(written)
            break
    return min(works, key=lambda one: (one.loss(track), -one.channels)) if works else None


def _options(
    track: Stream, codec: str, encoder: str, bit_rate: int | None
) -> Iterable[tuple[dict[str, str], int | None]]:
    """Yield options for the encoder, and bits of integer samples, the best first."""
    pcm = re.fullmatch(r"pcm_[su](\d+)(?:le|be)?(?:_planar)?", codec)
    if codec in _SAMPLE_FORMATS:
        yield from _lossless_options(track, codec)
    elif pcm is not None or codec.startswith(("pcm_", "adpcm_")):
        yield {}, None if pcm is None else int(pcm[1])
    else:
        for rate in _bit_rates(track, codec, bit_rate):
            if encoder == "aac" and _is_simple_better(track, int(rate.removesuffix("k"))):
                yield {"b": rate, "aac_coder": "fast"}, None
            yield {"b": rate}, None
        if bit_rate is None:
            yield {}, None


def _is_simple_better(track: Stream, kbps: int) -> bool:
    """Return whether the simple one of the two quantizer searches of ffmpeg's AAC encoder is closer to the sound:
    by 3 to 5 dB in mono and stereo, from 64 to 144 kbit/s for 44,100 samples a second (docs/aac.md)."""
    channels = track.channels or 1
    return channels <= 2 and 64 <= kbps / channels * 44_100 / (track.sample_rate or 44_100) <= 144


def _lossless_options(track: Stream, codec: str) -> Iterable[tuple[dict[str, str], int | None]]:
    if codec == "wavpack" and is_lossless(track) and (track.sample_format or "").startswith(("flt", "dbl")):
        yield {"sample_fmt": "fltp"}, None  # it holds floats as well
        return
    bits = track.bits or {"u8": 8, "u8p": 8, "s16": 16, "s16p": 16}.get(track.sample_format or "", 24)
    short, long = _SAMPLE_FORMATS[codec]
    if bits <= 16:
        yield {"sample_fmt": short}, 16
    elif bits > 24:  # not every ffmpeg can
        yield {"sample_fmt": long, "bits_per_raw_sample": "32"}, 32
    yield {"sample_fmt": long, "bits_per_raw_sample": "24"}, 24


def _bit_rates(track: Stream, codec: str, bit_rate: int | None) -> Iterable[str]:
    """Yield bit rates to try: the user's, or at least the old one and enough for the channels."""
    least = _KBPS_PER_CHANNEL * (track.channels or 1)
    kbps = max(least, -(-(track.bit_rate or 0) // 1000))
    if is_lossless(track):
        kbps = max(least, _KBPS_MOST.get(codec, 0) // 2)
    most = _KBPS_MOST.get(codec, 256 * (track.channels or 1))
    kbps = min(kbps, most) if bit_rate is None else bit_rate // 1000
    kbps = next((step for step in _KBPS_STEPS.get(codec, ()) if step >= kbps), kbps)
    yield f"{kbps}k"
    for part in (2, 4) if bit_rate is None else ():  # encoders refuse much for few samples a second
        yield f"{kbps // part}k"
