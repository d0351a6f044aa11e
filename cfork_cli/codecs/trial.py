"""Encode half a second of noise into a container and read it back, to see what becomes of sound there.

No table of versions could say that ac3 folds 7.1 to 5.1, that libopus refuses "5.1(side)", or by how much ffmpeg 5.1
lets Opus in Matroska sound too early.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np

from cfork_cli.codecs.codec import AudioCodec
from cfork_cli.errors import CforkError, InputError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import compile_graph, raw_input_options, url
from cfork_cli.ffmpeg.complaints import may_pass
from cfork_cli.ffmpeg.demuxers import GUARD
from cfork_cli.ffmpeg.remember import Passing, remembered
from cfork_cli.leftovers import TemporaryFolder
from cfork_cli.media.containers import UNTIMED, precise_options
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Stream

_TRIAL_SECONDS = 0.5
_TRIAL_START_SECONDS = 1
_LONGEST_START_UP_SECONDS = 0.3
_FLAGS = ("comment", "original", "hearing_impaired", "visual_impaired", "forced")
_LATE_SECONDS = 0.001
"""Matroska rounds time stamps to this."""

_SHIFTED = ("flv", "asf")
"""Muxers that have no time before zero, and move all streams until none is there."""

BACK_FOR_SIDE: Mapping[str, str] = {"5.1(side)": "5.1", "5.0(side)": "5.0", "quad(side)": "quad"}
"""Layouts that differ only in what the surround pair is called; the order of the channels is the same."""


@dataclass(frozen=True)
class Written:
    """The trial sound, as it was read back."""

    codec: AudioCodec
    channels: int
    layout: str | None
    sample_rate: int

    def loss(self, track: Stream) -> int:
        """Return what is lost of the track: 0 nothing, 1 the channels' names, 2 they have other names, 3 channels or
        the sample rate."""
        if self.channels != track.channels or self.sample_rate != track.sample_rate:
            return 3
        if self.channels <= 2 or track.layout is None or track.layout == self.layout:
            return 0
        if self.layout is None:
            return 1
        return 0 if _plain(self.layout) == _plain(track.layout) else 2


def _plain(layout: str) -> str:
    return BACK_FOR_SIDE.get(layout, layout)


@dataclass(frozen=True)
class _Setting:
    """Everything that a trial depends on, besides ffmpeg itself.

    Attributes:
        options: of the encoder, in order.
        layout: name under which the samples are handed over; None hands over only their number.
        bits: of integer samples; None for floats.
        raw_bits: of the floats that are handed over, 32 or 64.
    """

    container: str
    encoder: str
    options: tuple[tuple[str, str], ...]
    layout: str | None
    bits: int | None
    raw_bits: int
    channels: int
    sample_rate: int


def trial(
    track: Stream,
    container: str,
    encoder: str,
    options: Mapping[str, str],
    layout: str | None,
    bits: int | None,
    raw_bits: int,
) -> Written | None:
    """Encode a little noise into such a container and read back what it is; None if ffmpeg refuses.

    Equal trials are run once.
    """
    rate = track.sample_rate or 48_000
    found = _read_back(
        _Setting(container, encoder, tuple(options.items()), layout, bits, raw_bits, track.channels or 1, rate)
    )
    if found is None or not found.channels or not found.sample_rate:
        return None
    name = found.codec
    if bits == 32 and found.bits not in (None, 32):
        return None  # older encoders of FLAC quietly write 24 bits
    # floats and the codecs that take floats keep what is over full scale; players and encoders of integers do not
    clips = not name.startswith(("pcm_f32", "pcm_f64"))
    loses = tuple(tag for tag in ("title", "language") if getattr(found, tag) is None)
    flags = tuple(flag for flag in _FLAGS if flag not in found.disposition)
    early = _TRIAL_START_SECONDS - found.start_seconds
    delay = round(early * rate) if 0 < early < _LONGEST_START_UP_SECONDS else 0
    chosen = AudioCodec(
        encoder, dict(options), name, bits, layout, clips, None, loses, flags, raw_bits=raw_bits, delay=delay
    )
    return Written(chosen, found.channels, found.layout, found.sample_rate)


@remembered(512)
def _read_back(setting: _Setting) -> Stream | None:
    """Return the sound track that comes of a trial; None if there is none."""
    with TemporaryFolder() as folder:
        target = folder.path / "trial"
        if not _worked(_encode(setting, target, _noise(setting), start=_TRIAL_START_SECONDS), otherwise=None):
            return None
        try:
            tracks = probe(target).audio
        except InputError:
            return None
        except CforkError as error:
            raise Passing(None) from error
    return tracks[0] if tracks else None


def lateness(track: Stream, container: str, codec: AudioCodec) -> tuple[int, int]:
    """Return by how many samples such a file plays the encoder's output late (negative: early), and all its streams.

    Where a container has no time stamps, it is the encoder's start-up delay. Matroska has them, but ffmpeg 5.1 moves
    all streams by any encoder's delay, and has players take that of Opus off the sound once more; so the sound is
    compared with another track of the same file.
    """
    if container not in UNTIMED and container not in ("matroska", "webm", *_SHIFTED):
        return 0, 0
    return _lateness(
        _Setting(
            "matroska" if container == "webm" else container,
            codec.encoder,
            tuple(codec.options.items()),
            codec.layout,
            codec.bits,
            codec.raw_bits,
            track.channels or 1,
            track.sample_rate or 48_000,
        )
    )


@remembered(256)
def _lateness(setting: _Setting) -> tuple[int, int]:
    noise = _noise(setting)
    in_matroska = setting.container == "matroska"
    with TemporaryFolder() as folder:
        target = folder.path / "trial"
        if not _worked(_encode(setting, target, noise, reference=in_matroska), otherwise=(0, 0)):
            return 0, 0
        late, *reference = (_lag(found, noise[:, 0]) for found in _decoded(target, 2 if in_matroska else 1))
    if setting.container in _SHIFTED:
        return 0, max(0, late)
    shift = 0
    if in_matroska:
        shift = reference[0]
        late -= shift
        if abs(late) < _LATE_SECONDS * setting.sample_rate:
            late = 0
    return late, shift


def _noise(setting: _Setting) -> np.ndarray:
    """Return `[samples, channels]`."""
    shape = round(_TRIAL_SECONDS * setting.sample_rate), setting.channels
    return np.random.default_rng(0).standard_normal(shape) * 0.1


def _worked(finished: process.Finished, otherwise: object) -> bool:
    """Return whether ffmpeg did what was asked.

    Raises:
        Passing: it did not, for a reason that may be gone the next time; the answer is `otherwise`.
    """
    if finished.status != 0 and may_pass(finished.status, finished.log):
        raise Passing(otherwise)
    return finished.status == 0


def _encode(
    setting: _Setting, target: Path, noise: np.ndarray, *, reference: bool = False, start: int = 0
) -> process.Finished:
    """Write a trial.

    Args:
        reference: with the same sound a second time, as plain samples.
        start: seconds on the time line.
    """
    container, rate = setting.container, setting.sample_rate
    sound = ffmpeg.input("pipe:0", **raw_input_options(rate, setting.channels, setting.layout, setting.raw_bits))
    streams, more = [sound["a:0"]], {}
    if reference:
        streams.append(sound["a:0"])
        more = {"c:a:1": "pcm_s16le"}
    if container == "mxf":  # takes no sound without a picture
        picture = f"color=size=720x576:rate=25:duration={_TRIAL_SECONDS}"
        streams.insert(0, ffmpeg.input(picture, f="lavfi")["v:0"])
        more = {"c:v": "mpeg2video", "b:v": "5M"}
    options: dict[str, Any] = {"c:a:0": setting.encoder, "strict": "experimental", **more}
    options |= {"metadata:s:a:0": "TAGS", "disposition:a:0": "+".join(_FLAGS)}
    options |= precise_options(container, rate)
    if start:
        options |= {"filter:a:0": f"asetpts=PTS+{start}/TB"}
    if container in ("mpegts", "m2ts"):
        options |= {"mpegts_copyts": 1, "mpegts_m2ts_mode": int(container == "m2ts")}
    options |= {f"{name}:a:0": value for name, value in setting.options}
    graph = ffmpeg.output(*streams, "TRIAL", f="mpegts" if container == "m2ts" else container, **options).global_args(
        "-y"
    )
    values = {"TRIAL": url(target), "TAGS": ["title=A", "language=fra"]}
    data = noise.astype("<f8" if setting.raw_bits == 64 else "<f4").tobytes()
    return process.run(compile_graph(graph, values), stdin=data)


def _decoded(path: Path, tracks: int) -> list[np.ndarray]:
    """Return the first channel of the first tracks of a file, each on the file's time line."""
    film = ffmpeg.input("FILM", **GUARD)
    sounds = [path.with_name(f"decoded{number}") for number in range(tracks)]
    outputs = [
        ffmpeg.output(
            film[f"a:{number}"], str(sound), f="f32le",
            af="aresample=async=1:min_hard_comp=0.02:first_pts=0,pan=mono|c0=c0", **{"c:a": "pcm_f32le"},
        )
        for number, sound in enumerate(sounds)
    ]  # fmt: skip
    # without -copyts, zero would be the first time stamp of all
    graph = ffmpeg.merge_outputs(*outputs).global_args("-copyts")
    _worked(process.run(compile_graph(graph, {"FILM": url(path)})), otherwise=(0, 0))
    return [np.fromfile(sound, "<f4") if sound.exists() else np.zeros(0, np.float32) for sound in sounds]


def _lag(found: np.ndarray, wanted: np.ndarray) -> int:
    """Return by how many samples a sound comes late, from the peak of the correlation."""
    if not len(found):
        return 0
    size = len(found) + len(wanted)
    match = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(wanted, size)), size)
    peak = int(match.argmax())
    return peak if peak < len(found) else peak - size
