"""Remix, separate and look into films."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfork_cli.api.progress import Event, Progress, report_to
from cfork_cli.text import SPOKEN_ORDER, moment

if TYPE_CHECKING:
    import os

    from cfork_cli.api.separator import Separator
    from cfork_cli.flows.jobs import RemixJob
    from cfork_cli.flows.report import Result
    from cfork_cli.media.types import Media

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
    dialogue: Gain = 0.0,
    music: Gain = 0.0,
    effects: Gain = 0.0,
    output: Name | None = None,
    track: int | str | Sequence[int | str] = (),
    codec: str | None = None,
    bitrate: int | str | None = None,
    downmix: bool = False,
    keep_original: bool = False,
    sidecar: bool = False,
    title: str | None = None,
    default: bool = True,
    start: float | str | None = None,
    end: float | str | None = None,
    model: str = "cfork",
    device: str = "auto",
    precision: str = "auto",
    input_lufs: float | None = None,
    overwrite: bool = False,
    accept_damaged: bool = False,
    separator: Separator | None = None,
    progress: Callable[[Progress], object] | None = None,
    cancel: Event | None = None,
) -> Result:
    """Give a film new levels of dialogue, music and effects; see `cfork remix --help`.

    Args:
        input: a film or sound, never changed.
        dialogue, music, effects: gains in dB, from -inf (or "mute") to +24; 0 leaves a part as it is.
        output: its suffix says the kind of file; None is `movie.cfork.mkv` beside `movie.mkv`.
        track: numbers from 1, languages, or "all"; none is the track that a player would play.
        bitrate: bits a second, or text such as "320k".
        start, end: seconds or "h:mm:ss": only this piece of the film; see `Result.facts["piece"]` for where the
            picture really begins.
        overwrite: whether an output that exists is replaced.
        accept_damaged: whether what is there is taken, however much of the sound is missing; `Result.losses` tells.
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

    job = _job(
        input, (dialogue, music, effects), output, track, codec, bitrate, downmix=downmix, keep_original=keep_original,
        sidecar=sidecar, title=title, default=default, start=moment(start), end=moment(end),
        model=model if separator is None else separator.network.model, device=device, precision=precision,
        input_lufs=input_lufs, force=overwrite, accept_damaged=accept_damaged,
    )  # fmt: skip
    return run.remix(job, report=report_to(progress, cancel), loaded=None if separator is None else separator.network)


def plan(
    input: Name,
    *,
    dialogue: Gain = 0.0,
    music: Gain = 0.0,
    effects: Gain = 0.0,
    output: Name | None = None,
    track: int | str | Sequence[int | str] = (),
    codec: str | None = None,
    bitrate: int | str | None = None,
    downmix: bool = False,
    keep_original: bool = False,
    sidecar: bool = False,
    title: str | None = None,
    default: bool = True,
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

    job = _job(
        input, (dialogue, music, effects), output, track, codec, bitrate, downmix=downmix, keep_original=keep_original,
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
    mixture: bool = False,
    residual: str = "none",
    track: int | str | None = None,
    start: float | str | None = None,
    end: float | str | None = None,
    model: str = "cfork",
    device: str = "auto",
    precision: str = "auto",
    input_lufs: float | None = None,
    overwrite: bool = False,
    accept_damaged: bool = False,
    separator: Separator | None = None,
    progress: Callable[[Progress], object] | None = None,
    cancel: Event | None = None,
) -> Result:
    """Write dialogue, music and effects as sounds of their own; see `cfork separate --help`.

    For arrays in memory, see `Separator`.

    Args:
        output: a folder, or a file with a track for each stem, such as stems.mka.
        stems: "dialogue", "music", "effects"; none means all.
        residual: "none", "all", "file", or stems with commas: who gets what is missing from the sum.
        start, end, overwrite, accept_damaged, separator, progress, cancel: see `remix`.

    Raises:
        CforkError: whatever went wrong; none of the files exists then, or each is what it was before.
    """
    from cfork_cli.flows import run
    from cfork_cli.flows.jobs import SeparateJob

    job = SeparateJob(
        Path(input), Path(output), tuple(stems), format, bits, codec, template, mixture, residual,
        None if track is None else str(track),
        model if separator is None else separator.network.model, device, precision, input_lufs, overwrite,
        accept_damaged, start=moment(start), end=moment(end),
    )  # fmt: skip
    return run.separate(
        job, report=report_to(progress, cancel), loaded=None if separator is None else separator.network
    )


def _job(
    input: Name,
    gains: tuple[Gain, Gain, Gain],
    output: Name | None,
    track: int | str | Sequence[int | str],
    codec: str | None,
    bitrate: int | str | None,
    **more: Any,
) -> RemixJob:
    """Return the job of a remix, its arguments checked."""
    from cfork_cli.codecs.bit_rate import parse_bit_rate
    from cfork_cli.flows.jobs import RemixJob
    from cfork_cli.mix.gains import check_gain_db, parse_gain_db

    gains_db = {
        stem: parse_gain_db(gain) if isinstance(gain, str) else check_gain_db(float(gain))
        for stem, gain in zip(SPOKEN_ORDER, gains, strict=True)
    }
    tracks = tuple(track) if isinstance(track, Sequence) and not isinstance(track, str) else (track,)
    return RemixJob(
        Path(input), None if output is None else Path(output), gains_db, tuple(map(str, tracks)), codec,
        None if bitrate is None else parse_bit_rate(str(bitrate)), **more,
    )  # fmt: skip
