"""Dub a film: its music and effects, and other voices at the loudness that the old dialogue had.

The first pass takes the dialogue out, measures it, and keeps what is left in a temporary file; the second lays the
voices over that, at the dialogue's loudness, and encodes.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cfork_cli.codecs.bit_rate import parse_bit_rate
from cfork_cli.errors import UsageError
from cfork_cli.flows.jobs import PipeOptions, RemixJob
from cfork_cli.flows.levelled import spool_folder
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.plans import RemixPlan
from cfork_cli.flows.remix import open_lanes, open_sinks
from cfork_cli.flows.render import Lane, render
from cfork_cli.flows.report import Report, Result, cancellable
from cfork_cli.flows.run import planned_remix
from cfork_cli.flows.source import existing
from cfork_cli.input.spooled import SpooledBlocks
from cfork_cli.input.voices import Voice, VoiceTrack, placed
from cfork_cli.media import pipes, timeline, tracks
from cfork_cli.media.languages import parse_language
from cfork_cli.media.layouts import speakers
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Stream
from cfork_cli.mix.downmix import stereo_matrix
from cfork_cli.mix.loudness import LoudnessMeter, channel_weights, integrated_lufs
from cfork_cli.mix.normalize import TRUE_PEAK_DBTP, TappedMixer
from cfork_cli.mix.overlay import OverlayMixer
from cfork_cli.output.meter_sink import SpoolSink
from cfork_cli.text import clock, parse_time
from model.stems import STEMS

WITHOUT_DIALOGUE = {"music": 0.0, "dialogue": -math.inf, "effects": 0.0}


@dataclass(frozen=True)
class DubJob:
    """A dub.

    Attributes:
        film: the remix without dialogue: where it goes, its language, title and codec.
        voices: sound files, and where each begins, in seconds from the film's start.
        level_db: of the voices over the old dialogue's loudness.
    """

    film: RemixJob
    voices: tuple[tuple[Path, float], ...]
    level_db: float = 0.0


def film_job(
    input: Path,
    output: Path | None,
    *,
    with_voices: bool,
    language: str | None = None,
    title: str | None = None,
    default: bool = False,
    track: str | None = None,
    codec: str | None = None,
    bitrate: str | None = None,
    **network: Any,
) -> RemixJob:
    """Return the remix that a dub begins with: no dialogue, in a track beside the old one, or in an .mka file.

    Args:
        network: model, device, precision, input_lufs, and force.

    Raises:
        UsageError: language or bit rate make no sense.
    """
    alone = output is not None and output.suffix.lower() == ".mka"
    return RemixJob(
        input=input, output=output, gains_db=WITHOUT_DIALOGUE, tracks=() if track is None else (track,), codec=codec,
        bit_rate=None if bitrate is None else parse_bit_rate(bitrate), keep_original=not alone, sidecar=alone,
        title=title or ("Dub" if with_voices else "Music and effects"), default=default or alone,
        language=None if language is None else parse_language(language), **network,
    )  # fmt: skip


def parse_voice(text: str) -> tuple[Path, float]:
    """Read a voice and where it begins: "voice.wav", or "line.wav@1:02.5".

    Raises:
        UsageError: what stands after the @ is no time.

    >>> parse_voice("line.wav@1:02.5")[1]
    62.5
    """
    name, at, moment = text.rpartition("@")
    if not at or Path(text).exists():
        return Path(text), 0.0
    return Path(name), parse_time(moment)


def dub(job: DubJob, report: Report | None = None, *, loaded: LoadedNetwork | None = None) -> Result:
    """Plan and carry out a dub.

    Raises:
        CforkError: whatever went wrong; no output exists then, or it is what it was before.
    """
    listener = cancellable(report)
    with planned_dub(job, listener, only_plan=False) as plan:
        return _dubbed(job, plan, listener, loaded)


@contextlib.contextmanager
def planned_dub(job: DubJob, report: Report, *, only_plan: bool = True) -> Any:
    """Plan a dub, all that can be checked before the work being checked; see `run.planned_remix`."""
    if pipes.is_output_pipe(job.film.output):
        raise UsageError("a dub keeps the old track beside the new one: write a file with -o, such as movie.mkv")
    if not job.voices:
        raise UsageError("a dub needs a voice: name a sound file, or give --me for music and effects alone")
    for path, _ in job.voices:
        tracks.one(probe(path), None)  # before the work
    with planned_remix(job.film, PipeOptions(), report, only_plan=only_plan) as plan:
        if len(plan.tracks) > 1:
            raise UsageError("one track is dubbed at a time: give --track its number")
        yield plan


def _dubbed(job: DubJob, plan: RemixPlan, report: Report, loaded: LoadedNetwork | None) -> Result:
    began = time.monotonic()
    track = plan.outputs[0][1].new[0].delivered
    rate, channels = track.sample_rate or 0, track.channels or 0
    seconds = plan.source.seconds(plan.media, plan.tracks[0])
    weights = channel_weights(speakers(track.layout), channels)
    meter = LoudnessMeter(rate, weights)
    with contextlib.ExitStack() as stack:
        (lane,) = open_lanes(plan, report, stack, loaded=loaded)
        begin = timeline.film_begin(plan.media, rate) - lane.begin
        voices = [_voice(path, round(at * rate) + begin, track) for path, at in job.voices]
        folder = stack.enter_context(
            spool_folder(4 * channels * rate * (seconds or 0), existing(plan.outputs[0][0]), report)
        )
        spool = stack.enter_context(SpoolSink(folder / "music-and-effects.f32", LoudnessMeter(rate, weights)))
        first = replace(
            lane, mixer=TappedMixer(lane.mixer, 1.0, STEMS, meter.push), targets=[(spool, 0)], guarded=False,
            counted=False,
        )  # fmt: skip
        notes = render([first], [spool], report, stage="remix", total=seconds)
        before, now = integrated_lufs(meter.powers()), _loudness(voices, rate, weights, report)
        found = math.isfinite(before) and math.isfinite(now)
        gain_db = (before - now if found else 0.0) + job.level_db
        stream = _track_of(voices, rate, channels)
        second = Lane(
            SpooledBlocks(spool.path, channels, rate), OverlayMixer(stream.take, gain_db), [], guarded=True,
            counted=lane.counted, begin=lane.begin, ceiling_dbtp=TRUE_PEAK_DBTP,
        )  # fmt: skip
        sinks, second.targets = open_sinks(plan, stack)
        notes += render([second], sinks, report, stage="encode", total=seconds)
        if not found:
            notes += ("there is no dialogue in the film, or no voice in the files: the voices keep their own level",)
        notes += _cut_notes(voices, rate, spool.samples)
    facts = plan.facts() | {
        "new_language": job.film.language, "voices": [str(path) for path, _ in job.voices],
        "dialogue_lufs": _figure(before), "voice_lufs": _figure(now), "voice_gain_db": _figure(gain_db),
    }  # fmt: skip
    where = f"at {now + gain_db:.1f} LUFS" if math.isfinite(now) else "of silence"
    done = f"{plan.names}: music and effects, and voices {where}"
    return Result((plan.outputs[0][0],), facts, notes, second.seconds, time.monotonic() - began, done)


def _voice(path: Path, begin: int, film: Stream) -> Voice:
    """Make a voice ready for the channels of a film."""
    media = probe(path)
    track = tracks.one(media, None)
    fold = stereo_matrix(track, speakers(track.layout))
    return Voice(media, track, begin, placed(track, speakers(film.layout), film.channels or 0, fold))


def _track_of(voices: Sequence[Voice], rate: int, channels: int) -> VoiceTrack:
    from model.streaming.resample import resample

    return VoiceTrack(voices, rate, channels, resample)


def _loudness(voices: Sequence[Voice], rate: int, weights: Any, report: Report) -> float:
    """Measure all voices together, in LUFS: where several files meet, their sum counts."""
    report.stage("measure")
    meter, stream = LoudnessMeter(rate, weights), _track_of(voices, rate, len(weights))
    while not stream.ended:
        meter.push(stream.take(rate))
        report.at(0.0)
    return integrated_lufs(meter.powers())


def _cut_notes(voices: Sequence[Voice], rate: int, samples: int) -> tuple[str, ...]:
    """Return notes about voices that are longer than the film's sound, or begin before it."""
    notes = []
    for voice in voices:
        length = voice.track.duration_seconds or voice.media.duration_seconds or 0.0
        over = voice.begin / rate + length - samples / rate
        if over > 0.1:
            notes.append(f"'{voice.path}' goes on for {clock(over)} after the film's sound ends: that is left out")
        if voice.begin < 0:
            notes.append(f"'{voice.path}' begins before the film's sound: {-voice.begin / rate:.2f} s are left out")
    return tuple(notes)


def _figure(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None
