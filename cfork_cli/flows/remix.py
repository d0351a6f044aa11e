"""The flow, in one sentence: probe, decode, separate, mix, write.

`plan_remix` does every check that needs no heavy work and returns a plan; `remix` carries it out, streaming: ffmpeg
decodes and encodes in processes of their own while the network computes here.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cfork_cli.codecs.bit_rate import with_bit_rate
from cfork_cli.codecs.choose import choose_codec, is_wide
from cfork_cli.console.console import Console
from cfork_cli.errors import UsageError
from cfork_cli.flows.plans import RemixJob, RemixPlan, levels
from cfork_cli.flows.separator import Separator, check_levels, check_lufs, check_model, peak_notes, report
from cfork_cli.flows.sidecar import sidecar_paths
from cfork_cli.input.decode import Decoder, decode
from cfork_cli.media import timeline, tracks
from cfork_cli.media.containers import container_for
from cfork_cli.media.layouts import speakers
from cfork_cli.media.pipes import is_output_pipe
from cfork_cli.media.probe import probe
from cfork_cli.media.samples import Cuts
from cfork_cli.media.types import Media, Stream
from cfork_cli.mix.downmix import stereo_matrix
from cfork_cli.mix.limiter import PeakGuard
from cfork_cli.mix.mixdown import mixdown
from cfork_cli.output.destination import check_destination
from cfork_cli.output.film import FilmSink
from cfork_cli.output.sink import publish_together
from cfork_cli.remux import fit
from cfork_cli.remux.interleave import in_step
from cfork_cli.remux.plan import FilmPlan, NewTrack
from model import STEMS

__all__ = ["RemixJob", "RemixPlan", "plan_remix", "remix"]


def check_early(job: RemixJob) -> None:
    """Check what needs no look at the film: it may be hours of download that come through a pipe.

    Raises:
        OutputError, UsageError, ModelError: see `plan_remix`.
    """
    check_lufs(job.input_lufs)
    if job.output is not None and not is_output_pipe(job.output):
        check_destination(job.output, force=job.force)
    if any(job.gains_db.values()):
        check_model(job.model)
        check_levels(job.model, job.force_model)


def plan_remix(job: RemixJob, console: Console) -> RemixPlan:
    """Probe the film and check all that can be checked before the work.

    Raises:
        InputError, OutputError, UsageError, FfmpegError, ModelError: see `cfork_cli.errors`.
    """
    check_lufs(job.input_lufs)
    if job.sidecar and job.keep_original:
        raise UsageError("--sidecar leaves the film alone, so there is nothing for --keep-original: take one of them")
    if not job.default and not job.keep_original:
        raise UsageError("--no-default chooses between the old track and the new one: it goes with --keep-original")
    media = probe(job.input)
    chosen = tracks.select(media, job.tracks)
    paths = _paths(job, media, chosen)
    for path in paths:
        check_destination(path, source=media.path, force=job.force)
    stems = tuple(stem for stem in STEMS if job.gains_db[stem] != 0)
    warnings: tuple[str, ...] = ()
    if stems:
        check_model(job.model)
        warnings = check_levels(job.model, job.force_model)
    films = _films(job, media, chosen, paths[0])
    plan = RemixPlan(job, media, tuple(zip(paths, films, strict=True)), stems, warnings)
    for note in plan.notes:
        console.note(note)
    return plan


def _paths(job: RemixJob, media: Media, chosen: tuple[Stream, ...]) -> list[Path]:
    """The files to write."""
    if not job.sidecar:
        return [job.output or media.path.with_name(f"{media.path.stem}.cfork{media.path.suffix}")]
    if job.output is None:
        return sidecar_paths(media.path, chosen)
    if len(chosen) > 1 or job.output.suffix.lower() != ".mka":
        raise UsageError("--sidecar writes one .mka file for each track: leave -o away, or name one .mka for one track")
    return [job.output]


def _films(job: RemixJob, media: Media, chosen: tuple[Stream, ...], output: Path) -> list[FilmPlan]:
    """What each file will hold."""
    container = "matroska" if job.sidecar else container_for(output, media)
    beside = job.keep_original or job.sidecar
    title = job.title
    if title is None and beside:
        told = levels(job.gains_db, changed_only=True)
        title = told[0].upper() + told[1:]
    new = []
    for track in chosen:
        sound = track
        if job.downmix and _folding(track) is not None:
            sound = replace(track, channels=2, layout="stereo", bit_rate=None)
        elif job.bit_rate is None and job.codec is None:
            sound = with_bit_rate(media, track)
        codec = choose_codec(sound, container, wanted=job.codec, bit_rate=job.bit_rate)
        new.append(NewTrack(track, sound, codec, title, job.keep_original))
    if job.sidecar:
        return [fit.plan_sidecar(media, one) for one in new]
    default = None
    if job.keep_original and job.default:
        usual = media.default_audio()
        default = usual if usual in chosen else chosen[0]
    return [fit.plan_film(media, new, container, suffix=output.suffix, default=default)]


def _folding(track: Stream) -> np.ndarray | None:
    return stereo_matrix(track, speakers(track.layout))


def remix(plan: RemixPlan, console: Console) -> None:
    """Write the film, or the files beside it, with the new levels.

    Raises:
        CforkError: whatever went wrong; no output exists then, or each is what it was before.
    """
    job, media = plan.job, plan.media
    began = time.monotonic()
    separators: dict[int, Separator] = {}
    if plan.stems:
        separators = Separator.open_all(job, media, plan.tracks, console, mixes_back=not job.force_model)
    with contextlib.ExitStack() as stack:
        sinks = [
            stack.enter_context(
                FilmSink(media, film.track, path, plan=film, force=job.force, begin=[_begin(film, n) for n in film.new])
            )
            for path, film in plan.outputs
        ]
        voices = [
            _Voice.open(plan, sink, number, separators.get(new.source.index), stack)
            for sink in sinks
            for number, new in enumerate(sink.plan.new)
        ]
        lengths = [voice.blocks.track.duration_seconds or media.duration_seconds for voice in voices]
        console.stage("remix", max((one for one in lengths if one), default=None))
        for place, block in in_step([(one.sound, one.blocks.sample_rate, one.blocks.begin) for one in voices]):
            voices[place].write(block)
            console.at(min(voice.seconds for voice in voices))
        console.stage("finish")
        publish_together(sinks)
    console.end()
    notes = tuple(dict.fromkeys(note for voice in voices for note in voice.notes()))
    seconds = sum(voice.seconds for voice in voices)
    report(plan.facts(), notes, seconds, time.monotonic() - began, console, f"{plan.names}: {levels(job.gains_db)}")


def _begin(film: FilmPlan, new: NewTrack) -> int:
    """Where a new track begins on the time line. A file of its own begins with the film: players line up the files."""
    if film.alone:
        return timeline.film_begin(film.media, new.source.sample_rate or 0)
    return timeline.track_begin(film.media, new.source, film.container)


@dataclass
class _Voice:
    """One track on its way: where it comes from, what is done to it, where it goes."""

    blocks: Decoder
    sound: Iterator[np.ndarray]
    guard: PeakGuard | None
    sink: FilmSink
    number: int
    cuts: Cuts
    is_only_folded: bool = False
    seconds: float = 0.0

    @classmethod
    def open(
        cls, plan: RemixPlan, sink: FilmSink, number: int, separator: Separator | None, stack: contextlib.ExitStack
    ) -> _Voice:
        """Make ready; nothing is decoded before the sound is asked for."""
        new = sink.plan.new[number]
        # what no float can tell exactly passes only where nothing is computed
        blocks = stack.enter_context(
            decode(
                plan.media,
                new.source,
                begin=_begin(sink.plan, new),
                bits=64 if separator is None and is_wide(new.source) else 32,
            )
        )
        matrix = None if new.delivered.channels == new.source.channels else _folding(new.source)
        sound: Iterator[np.ndarray] = iter(blocks)
        guard = None
        if separator is not None or matrix is not None:
            guard = PeakGuard(blocks.sample_rate) if new.codec.clips_over_full_scale else None
            if separator is not None:
                pieces = separator.run(sound, plan.stems, weights=plan.weights)
            else:
                pieces = ((block, np.zeros((0, *block.shape))) for block in sound)
            sound = mixdown(pieces, matrix, guard)
        cuts = Cuts()
        if new.codec.is_integer:
            sound = cuts.counted(sound)
        return cls(blocks, sound, guard, sink, number, cuts, is_only_folded=separator is None)

    def write(self, block: np.ndarray) -> None:
        """A block into the sink."""
        self.sink.write(block, self.number)
        self.seconds += block.shape[1] / self.blocks.sample_rate

    def notes(self) -> list[str]:
        """After the end, what the user should know."""
        peaks = peak_notes(self.guard, self.blocks.sample_rate, is_only_folded=self.is_only_folded)
        return [*self.blocks.notes, *peaks, *self.cuts.notes()]
