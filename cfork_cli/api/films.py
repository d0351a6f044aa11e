"""Remix, separate and look into films."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfork_cli.api.progress import Event, Progress, report_to
from cfork_cli.text import SPOKEN_ORDER, moment

if TYPE_CHECKING:
    from cfork_cli.api.separator import Separator
    from cfork_cli.flows.jobs import RemixJob
    from cfork_cli.flows.report import Result
    from cfork_cli.media.types import Media
    from cfork_cli.presets.preset import Preset

    Name = str | os.PathLike[str]

Gain = float | str
"""dB as a number, or "mute", or any text that `--dialog` takes."""


@dataclass(frozen=True)
class Plan:
    """The plan of a remix; nothing has been written.

    Attributes:
        lines: in words.
        facts: as JSON can hold it.
        notes: what the user should know: what cannot come along, another codec than before.
    """

    lines: tuple[str, ...]
    facts: dict[str, Any]
    notes: tuple[str, ...]


def probe(input: Name) -> Media:
    """Return what is in a media file: its streams, tags, length.

    Raises:
        InputError: it is missing, or nothing that ffmpeg can read. FfmpegError: ffprobe and PyAV are missing.
    """
    from cfork_cli.media.probe import probe as look

    return look(Path(input))


def remix(
    input: Name,
    *,
    dialogue: Gain | None = None,
    music: Gain | None = None,
    effects: Gain | None = None,
    preset: Name | None = None,
    dialogue_fx: str | None = None,
    music_fx: str | None = None,
    effects_fx: str | None = None,
    dialogue_reverb: str | None = None,
    music_reverb: str | None = None,
    effects_reverb: str | None = None,
    speech_boost: float | str | None = None,
    duck: str | Sequence[str] | None = None,
    night: bool | None = None,
    output: Name | None = None,
    track: int | str | Sequence[int | str] = (),
    codec: str | None = None,
    bitrate: int | str | None = None,
    downmix: bool = False,
    keep_original: bool = False,
    sidecar: bool = False,
    title: str | None = None,
    default: bool = True,
    loudness: float | str | None = None,
    start: float | str | None = None,
    end: float | str | None = None,
    model: str = "cfork",
    device: str = "auto",
    precision: str = "auto",
    input_lufs: float | None = None,
    overwrite: bool = False,
    accept_damaged: bool = False,
    resume: bool = False,
    separator: Separator | None = None,
    progress: Callable[[Progress], object] | None = None,
    cancel: Event | None = None,
) -> Result:
    """Give a film new levels of dialogue, music and effects; see `cfork remix --help`.

    Args:
        input: a film or sound, never changed.
        dialogue, music, effects: gains in dB, from -inf (or "mute") to +24; 0 leaves a part as it is; None does too, or
            takes the gain of the preset.
        preset: name of a preset, or a file whose name ends in .toml; all that is not None wins over it.
        dialogue_fx, music_fx, effects_fx: chains of ffmpeg's audio filters, such as "highpass=f=90,acompressor"; "none"
            for those of the preset.
        dialogue_reverb, music_reverb, effects_reverb: "room", "hall:-9", or a file with an impulse response.
        speech_boost: how many LU the voice is to stand over the rest, or "auto"; "off" for that of the preset.
        duck: what steps back while somebody speaks: "music:6", or several; "none" for those of the preset.
        night: whether music and effects are turned down where they are louder than the film as a whole.
        output: its suffix says the kind of file; None is `movie.cfork.mkv` beside `movie.mkv`.
        track: numbers from 1, languages, or "all"; none is the track that a player would play.
        bitrate: bits a second, or text such as "320k".
        loudness: integrated loudness of the new track, such as -16, or "keep", or "dialogue:-27"; None leaves it.
        start, end: seconds or "h:mm:ss": only this piece of the film; see `Result.facts["piece"]` for where the
            picture really begins.
        overwrite: whether an output that exists is replaced.
        accept_damaged: whether what is there is taken, however much of the sound is missing; `Result.losses` tells.
        resume: whether finished pieces are kept beside the output while it is made, and found again by the next call
            after an interruption; the result is the same, bit for bit.
        separator: a network that was loaded before, for many films; `model`, `device` and `precision` are its own then.
        progress: called in this thread, several times a second.
        cancel: once it is set, the work ends with `Interrupted`, and nothing is left behind; until the stage "finish",
            in which files get their names.

    Returns:
        What was written, with notes and speed.

    Raises:
        CforkError: whatever went wrong; no output exists then, or each is what it was before (of several files that are
            replaced by `overwrite`, some may be new). Whatever `progress` raises comes through.
    """
    from cfork_cli.flows import run

    made = settings(
        preset, (dialogue, music, effects), (dialogue_fx, music_fx, effects_fx),
        (dialogue_reverb, music_reverb, effects_reverb), speech_boost, duck, night, loudness, codec, bitrate,
    )  # fmt: skip
    job = job_of(
        input, made, preset, output, track, downmix=downmix, keep_original=keep_original,
        sidecar=sidecar, title=title, default=default, start=moment(start), end=moment(end),
        model=model if separator is None else separator.network.model, device=device, precision=precision,
        input_lufs=input_lufs, force=overwrite, accept_damaged=accept_damaged, resume=resume,
    )  # fmt: skip
    return run.remix(job, report=report_to(progress, cancel), loaded=None if separator is None else separator.network)


def plan(
    input: Name,
    *,
    dialogue: Gain | None = None,
    music: Gain | None = None,
    effects: Gain | None = None,
    preset: Name | None = None,
    dialogue_fx: str | None = None,
    music_fx: str | None = None,
    effects_fx: str | None = None,
    dialogue_reverb: str | None = None,
    music_reverb: str | None = None,
    effects_reverb: str | None = None,
    speech_boost: float | str | None = None,
    duck: str | Sequence[str] | None = None,
    night: bool | None = None,
    output: Name | None = None,
    track: int | str | Sequence[int | str] = (),
    codec: str | None = None,
    bitrate: int | str | None = None,
    downmix: bool = False,
    keep_original: bool = False,
    sidecar: bool = False,
    title: str | None = None,
    default: bool = True,
    loudness: float | str | None = None,
    start: float | str | None = None,
    end: float | str | None = None,
    model: str = "cfork",
    overwrite: bool = False,
    accept_damaged: bool = False,
) -> Plan:
    """Do every check of a remix and return what it would do; see `remix`.

    Raises:
        CforkError: what `remix` would raise before its work.
    """
    from cfork_cli.flows import run
    from cfork_cli.flows.jobs import PipeOptions

    made = settings(
        preset, (dialogue, music, effects), (dialogue_fx, music_fx, effects_fx),
        (dialogue_reverb, music_reverb, effects_reverb), speech_boost, duck, night, loudness, codec, bitrate,
    )  # fmt: skip
    job = job_of(
        input, made, preset, output, track, downmix=downmix, keep_original=keep_original,
        sidecar=sidecar, title=title, default=default, start=moment(start), end=moment(end), model=model,
        force=overwrite, accept_damaged=accept_damaged,
    )  # fmt: skip
    with run.planned_remix(job, PipeOptions(), report_to(None, None)) as planned:
        return Plan(tuple(planned.describe()), planned.facts(), planned.notes)


def separate(
    input: Name,
    output: Name,
    *,
    stems: Sequence[str] = (),
    format: str | None = None,
    bits: int | None = None,
    codec: str | None = None,
    template: str = "{stem}",
    purpose: str | None = None,
    mixture: bool = False,
    residual: str = "none",
    preset: Name | None = None,
    dialogue_fx: str | None = None,
    music_fx: str | None = None,
    effects_fx: str | None = None,
    dialogue_reverb: str | None = None,
    music_reverb: str | None = None,
    effects_reverb: str | None = None,
    speech_boost: float | str | None = None,
    duck: str | Sequence[str] | None = None,
    night: bool | None = None,
    track: int | str | None = None,
    start: float | str | None = None,
    end: float | str | None = None,
    model: str = "cfork",
    device: str = "auto",
    precision: str = "auto",
    input_lufs: float | None = None,
    overwrite: bool = False,
    accept_damaged: bool = False,
    resume: bool = False,
    separator: Separator | None = None,
    progress: Callable[[Progress], object] | None = None,
    cancel: Event | None = None,
) -> Result:
    """Write dialogue, music and effects as sounds of their own; see `cfork separate --help`.

    For arrays in memory, see `Separator`.

    Args:
        output: a folder, or a file with a track for each stem, such as stems.mka.
        stems: "dialogue", "music", "effects"; none means all.
        purpose: "asr" writes what speech recognisers take: mono, 16 kHz, the dialogue unless other stems are named.
        residual: "none", "all", "file", or stems with commas: who gets what is missing from the sum.
        preset, dialogue_fx, ..., night, start, end, overwrite, accept_damaged, resume, separator, progress, cancel: see
            `remix`; gains and loudness of a preset are left out.

    Raises:
        CforkError: whatever went wrong; none of the files exists then, or each is what it was before.
    """
    from cfork_cli.flows import run
    from cfork_cli.flows.jobs import SeparateJob

    made = settings(
        preset, (None, None, None), (dialogue_fx, music_fx, effects_fx),
        (dialogue_reverb, music_reverb, effects_reverb), speech_boost, duck, night,
    )  # fmt: skip
    job = SeparateJob(
        Path(input), Path(output), tuple(stems), format, bits, codec, template, mixture, residual,
        None if track is None else str(track),
        model if separator is None else separator.network.model, device, precision, input_lufs, overwrite,
        accept_damaged, start=moment(start), end=moment(end), purpose=purpose, processing=made.processing,
        preset=None if preset is None else os.fspath(preset), resume=resume,
    )  # fmt: skip
    return run.separate(
        job, report=report_to(progress, cancel), loaded=None if separator is None else separator.network
    )


def settings(
    preset: Name | None,
    gains: Sequence[Gain | None],
    filters: Sequence[str | None],
    reverbs: Sequence[str | None],
    speech_boost: float | str | None,
    duck: str | Sequence[str] | None,
    night: bool | None,
    loudness: float | str | None = None,
    codec: str | None = None,
    bitrate: int | str | None = None,
) -> Preset:
    """Return a preset with what was said in place of its own.

    Args:
        gains, filters, reverbs: of dialogue, music and effects.

    Raises:
        UsageError: there is no such preset, or a value makes no sense.
    """
    from cfork_cli.mix.gains import check_gain_db, parse_gain_db
    from cfork_cli.presets.preset import Preset
    from cfork_cli.presets.store import load

    def gain_db(gain: Gain | None) -> float | None:
        return parse_gain_db(gain) if isinstance(gain, str) else None if gain is None else check_gain_db(float(gain))

    base = Preset("") if preset is None else load(os.fspath(preset))
    return base.changed(
        gains_db={stem: gain_db(gain) for stem, gain in zip(SPOKEN_ORDER, gains, strict=True)},
        filters=dict(zip(SPOKEN_ORDER, filters, strict=True)), reverbs=dict(zip(SPOKEN_ORDER, reverbs, strict=True)),
        speech_boost=speech_boost, duck=[duck] if isinstance(duck, str) else duck, night=night,
        loudness=None if loudness is None else str(loudness), codec=codec,
        bitrate=None if bitrate is None else str(bitrate),
    )  # fmt: skip


def job_of(
    input: Name,
    made: Preset,
    preset: Name | None,
    output: Name | None,
    track: int | str | Sequence[int | str],
    **more: Any,
) -> RemixJob:
    """Return the job of a remix, its arguments checked."""
    from cfork_cli.codecs.bit_rate import parse_bit_rate
    from cfork_cli.flows.jobs import RemixJob
    from cfork_cli.mix.normalize import parse_loudness

    tracks = tuple(track) if isinstance(track, Sequence) and not isinstance(track, str) else (track,)
    return RemixJob(
        Path(input), None if output is None else Path(output), made.all_gains_db, tuple(map(str, tracks)), made.codec,
        None if made.bitrate is None else parse_bit_rate(made.bitrate), loudness=parse_loudness(made.loudness),
        processing=made.processing, preset=None if preset is None else os.fspath(preset), **more,
    )  # fmt: skip
