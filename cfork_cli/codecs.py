"""Which codec the new sound track gets: the old one where ffmpeg can write it, else the best for the container.

ffmpeg itself is asked: `-encoders` for what it has; half a second of sound, encoded and read back, for what a container
does to it. No table of versions could say that ac3 folds 7.1 to 5.1, or that libopus refuses "5.1(side)".
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import ffmpeg
import numpy as np

from cfork_cli import process
from cfork_cli.errors import CforkError, InputError, UsageError
from cfork_cli.probe import Stream, probe

_TRIAL_SECONDS = 0.5
_FIRST_CHOICES: Mapping[str, tuple[str, ...]] = {
    "webm": ("opus", "vorbis"),
    "mp4": ("aac", "eac3", "ac3"),  # FLAC in MP4 is allowed and hardly plays anywhere
    "ipod": ("aac", "alac"),
    "mov": ("pcm_s24le", "aac"),
    "mpegts": ("eac3", "ac3", "aac"),
    "vob": ("ac3", "mp2"),
    "avi": ("ac3", "mp3", "pcm_s16le"),
    "flv": ("aac", "mp3"),
    "asf": ("wmav2", "ac3"),
    "ogg": ("flac", "vorbis"),
}
_CHOICES = ("flac", "pcm_s24le", "pcm_s24be", "aac", "opus", "mp3", "ac3")
"""For other containers; the first that the container takes without loss of channels."""

_SAMPLE_FORMATS: Mapping[str, tuple[str, str]] = {
    "flac": ("s16", "s32"),
    "alac": ("s16p", "s32p"),
    "wavpack": ("s16p", "s32p"),
    "tta": ("s16", "s32"),
}
"""Lossless codecs with samples of several sizes: the formats for 16 and for 24 bits."""

_KBPS_PER_CHANNEL = 128
_KBPS_MOST: Mapping[str, int] = {"mp3": 320, "ac3": 640, "mp2": 384, "wmav1": 320, "wmav2": 320, "eac3": 3024}
_KBPS_STEPS: Mapping[str, tuple[int, ...]] = {
    "ac3": (96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640),
    "mp2": (96, 112, 128, 160, 192, 224, 256, 320, 384),
    "mp3": (96, 112, 128, 160, 192, 224, 256, 320),
}

_BACK_FOR_SIDE: Mapping[str, str] = {"5.1(side)": "5.1", "5.0(side)": "5.0", "quad(side)": "quad"}
"""Layouts that differ only in what the surround pair is called; the order of the channels is the same."""


@dataclass(frozen=True)
class AudioCodec:
    """How the new track is written.

    Attributes:
        name: ffmpeg's encoder ("libopus").
        options: its options, without stream specifiers ({"b": "256k"}).
        codec: what ffprobe will call it ("opus").
        bits: of integer samples, 16 or 24; None where the encoder takes floats as they are.
        layout: name under which the samples are handed to ffmpeg; None hands over only their number.
        clips: whether samples beyond full scale are cut off, so that a peak guard is wanted.
        note: what the user should know, or None.
        loses: what the container does not keep of a track's tags: "title", "language".
        late: samples by which the container plays the encoder's output late; the sink leaves so many out at the start.
    """

    name: str
    options: Mapping[str, str] = field(hash=False)
    codec: str
    bits: int | None
    layout: str | None
    clips: bool
    note: str | None
    loses: tuple[str, ...] = ()
    late: int = 0


@dataclass(frozen=True)
class _Written:
    """What became of the trial sound."""

    codec: AudioCodec
    channels: int
    layout: str | None
    sample_rate: int

    def keeps(self, track: Stream) -> bool:
        return self.channels == track.channels and self.sample_rate == track.sample_rate


def is_lossless(track: Stream) -> bool:
    """Whether the track holds every sample as it was given."""
    return (
        track.codec.startswith("pcm_")
        or track.codec in ("flac", "alac", "wavpack", "tta", "truehd", "mlp")
        or (track.codec == "dts" and "MA" in (track.profile or ""))
    )


@lru_cache(maxsize=4)
def encoders(program: str) -> Mapping[str, tuple[str, ...]]:
    """The sound encoders of an ffmpeg: codec -> encoders, the best first. Experimental ones are left out."""
    found: dict[str, list[str]] = {}
    for line in process.run([program, "-hide_banner", "-encoders"]).output.decode("utf-8", "replace").splitlines():
        match = re.match(r" A..(.)\S\S +(\S+) +(.*)", line)
        if match is None or match[1] == "X":
            continue
        codec = re.search(r"\(codec (\S+)\)$", match[3])
        found.setdefault(codec[1] if codec else match[2], []).append(match[2])
    return {codec: tuple(sorted(names, key=lambda name: name != codec)) for codec, names in found.items()}


def choose_codec(track: Stream, container: str, program: str | None = None, *, wanted: str | None = None) -> AudioCodec:
    """Choose how to write the new track.

    Args:
        track: the track that it replaces.
        container: ffmpeg's name of the muxer, from `remux.container_for`.
        program: path of ffmpeg.
        wanted: a codec or encoder that the user asks for ("flac", "libopus"), instead of the old one.

    Raises:
        UsageError: this ffmpeg has no such encoder, or the container does not take it.
        InputError: the track's rate or channels are unknown.
        FfmpegError: ffmpeg cannot be run.
    """
    if not track.channels or not track.sample_rate:
        raise InputError(f"sound track {track.number + 1} ({track}) cannot be decoded by this ffmpeg")
    program = program or process.find_ffmpeg()
    have = encoders(program)
    if wanted is not None:
        return _wanted(track, container, program, wanted)
    for candidates in ((track.codec, *_FIRST_CHOICES.get(container, _CHOICES)), _CHOICES):
        folded: list[_Written] = []
        for codec in dict.fromkeys(candidates):
            if codec not in have:
                continue
            written = _try_layouts(track, container, program, have[codec][0], codec)
            if written is not None and written.keeps(track):
                return _with_note(written, track)
            if written is not None:
                folded.append(written)
        if folded:
            return _with_note(max(folded, key=lambda one: one.channels), track)
    if track.codec in have:
        # MXF takes no sound without a picture, so the trial says nothing about it; `remux.plan` tries the whole film
        return AudioCodec(have[track.codec][0], {}, track.codec, _bits(track, track.codec), track.layout, True, None)
    raise UsageError(
        f"this ffmpeg can write no sound into a '{container}' file: choose another kind of file with -o, such as .mkv"
    )


def _wanted(track: Stream, container: str, program: str, wanted: str) -> AudioCodec:
    have = encoders(program)
    codec = next((codec for codec, names in have.items() if wanted in names and codec != wanted), wanted)
    if codec not in have:
        raise UsageError(f"this ffmpeg cannot write '{wanted}' sound: 'ffmpeg -encoders' lists what it can")
    encoder = wanted if wanted in have[codec] else have[codec][0]
    written = _try_layouts(track, container, program, encoder, codec)
    if written is None:
        raise UsageError(
            f"'{wanted}' sound with {track.channels} channels does not go into a '{container}' file: "
            "choose another codec, or another kind of file with -o, such as .mkv"
        )
    return _with_note(written, track, asked=True)


def _with_note(written: _Written, track: Stream, *, asked: bool = False) -> AudioCodec:
    notes = []
    codec = written.codec
    if codec.codec != track.codec and not asked:
        notes.append(f"{track.codec} cannot be written as it was, so the new track is {codec.codec}")
    if track.channels is not None and written.channels != track.channels:
        notes.append(
            f"{codec.codec} in this container carries {written.channels} of the {track.channels} channels: "
            "the others are folded into them"
        )
    if written.sample_rate != track.sample_rate:
        notes.append(f"the sample rate becomes {written.sample_rate} Hz")
    if "Atmos" in (track.profile or ""):
        notes.append("its Atmos objects become part of the channels")
    note = f"sound track {track.number + 1}: " + "; ".join(notes) if notes else None
    return replace(codec, note=note)


def _try_layouts(track: Stream, container: str, program: str, encoder: str, codec: str) -> _Written | None:
    """The first way of handing over the samples that keeps all channels and says where they belong; else any."""
    layouts: dict[str | None, None] = {track.layout: None}
    if track.layout is not None and track.layout in _BACK_FOR_SIDE:
        layouts[_BACK_FOR_SIDE[track.layout]] = None
    works: list[_Written] = []
    for layout in layouts:
        for options in _options(track, codec):
            written = _trial(track, container, program, encoder, codec, options, layout)
            if written is None:
                continue
            if written.keeps(track) and (written.layout is not None or track.layout is None):
                return written
            works.append(written)
            break
    return max(works, key=lambda one: one.channels) if works else None


def _options(track: Stream, codec: str) -> Iterable[dict[str, str]]:
    """Options for the encoder, the best first."""
    if codec in _SAMPLE_FORMATS:
        short, long = _SAMPLE_FORMATS[codec]
        if _bits(track, codec) == 16:
            yield {"sample_fmt": short}
        else:
            yield {"sample_fmt": long, "bits_per_raw_sample": "24"}
    elif not codec.startswith(("pcm_", "adpcm_")):
        kbps = max(_KBPS_PER_CHANNEL * (track.channels or 1), -(-(track.bit_rate or 0) // 1000))
        if is_lossless(track):
            kbps = max(_KBPS_PER_CHANNEL * (track.channels or 1), _KBPS_MOST.get(codec, 0) // 2)
        kbps = min(kbps, _KBPS_MOST.get(codec, 256 * (track.channels or 1)))
        kbps = next((step for step in _KBPS_STEPS.get(codec, ()) if step >= kbps), kbps)
        yield {"b": f"{kbps}k"}
    yield {}


def _bits(track: Stream, codec: str) -> int | None:
    pcm = re.fullmatch(r"pcm_[su](\d+)(?:le|be)?(?:_planar)?", codec)
    if pcm:
        return int(pcm[1])
    if codec not in _SAMPLE_FORMATS:
        return None
    bits = track.bits
    if bits is None and track.sample_format is not None:
        bits = {"u8": 8, "u8p": 8, "s16": 16, "s16p": 16}.get(track.sample_format)
    return 16 if bits is not None and bits <= 16 else 24


def _trial(
    track: Stream,
    container: str,
    program: str,
    encoder: str,
    codec: str,
    options: Mapping[str, str],
    layout: str | None,
) -> _Written | None:
    """Encode a little noise into such a container and read back what it is; None if ffmpeg refuses."""
    channels, rate = track.channels or 1, track.sample_rate or 48_000
    noise = np.random.default_rng(0).standard_normal((round(_TRIAL_SECONDS * rate), channels)) * 0.1
    sound = ffmpeg.input("pipe:0", **raw_input_options(rate, channels, layout))
    with tempfile.TemporaryDirectory(prefix="cfork-") as folder:
        target = Path(folder) / "trial"
        graph = ffmpeg.output(
            sound["a:0"],
            "TRIAL",
            f=container,
            strict="experimental",
            **{"c:a": encoder, "metadata:s:a:0": "TAGS"},
            **{f"{name}:a": value for name, value in options.items()},
        )
        finished = process.run(
            process.command(program, graph, {"TRIAL": process.url(target), "TAGS": ["title=A", "language=fra"]}),
            stdin=noise.astype("<f4").tobytes(),
        )
        if finished.status != 0:
            return None
        try:
            tracks = probe(target).audio
        except CforkError:
            return None
        # AVI has no time stamps in which an encoder's start-up delay could be written down
        late = _lag(program, target, noise[:, 0]) if container == "avi" else 0
    if not tracks or not tracks[0].channels or not tracks[0].sample_rate:
        return None
    bits = _bits(track, codec)
    # floats and the codecs that take floats keep what is over full scale; players and encoders of integers do not
    clips = not codec.startswith(("pcm_f32", "pcm_f64"))
    loses = tuple(tag for tag in ("title", "language") if getattr(tracks[0], tag) is None)
    chosen = AudioCodec(encoder, dict(options), tracks[0].codec, bits, layout, clips, None, loses, late)
    return _Written(chosen, tracks[0].channels, tracks[0].layout, tracks[0].sample_rate)


def _lag(program: str, path: Path, wanted: np.ndarray) -> int:
    """By how many samples a file plays its first channel late, from the peak of the correlation."""
    film = ffmpeg.input("FILM", protocol_whitelist=process.PROTOCOLS)
    graph = ffmpeg.output(film["a:0"], "pipe:1", f="f32le", af="pan=mono|c0=c0", **{"c:a": "pcm_f32le"})
    heard = np.frombuffer(process.run(process.command(program, graph, {"FILM": process.url(path)})).output, "<f4")
    size = len(heard) + len(wanted)
    match = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)
    return int(match[: len(wanted)].argmax()) if len(heard) else 0


def raw_input_options(sample_rate: int, channels: int, layout: str | None) -> dict[str, str]:
    """ffmpeg's input options for our raw samples; a raw pipe forgets the layout, and 6 channels are not "5.1(side)"."""
    shape = {"ac": str(channels)} if layout is None else {"channel_layout": layout}
    return {"f": "f32le", "ar": str(sample_rate), **shape, "protocol_whitelist": process.PROTOCOLS}
