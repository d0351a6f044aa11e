"""The flow through pipes: what comes is heard, remixed or separated, and goes on at once, whatever its length.

`plan_remix` and `plan_stem` do every check that needs no heavy work and say what goes out; `run` does it. `remix` and
`separate` are what the commands call: they send files the usual way and pipes this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cfork_cli.codecs.bit_rate import with_bit_rate
from cfork_cli.codecs.choose import choose_codec, is_wide
from cfork_cli.codecs.pipe_format import check_format, pipe_format, takes_picture
from cfork_cli.console.console import Console
from cfork_cli.errors import UsageError
from cfork_cli.flows import early_torch
from cfork_cli.flows import remix as remixing
from cfork_cli.flows import separate as separation
from cfork_cli.flows import separator as pipeline
from cfork_cli.flows.pipe_jobs import PipePlan
from cfork_cli.flows.plans import RemixJob, json_gain, levels
from cfork_cli.flows.source import PipeOptions, Source, source_of
from cfork_cli.flows.stem_jobs import SeparateJob
from cfork_cli.flows.stem_names import stem_names
from cfork_cli.input.decode import decode
from cfork_cli.input.live import StreamDecoder
from cfork_cli.media import pipes, timeline, tracks
from cfork_cli.media.samples import Cuts
from cfork_cli.media.types import Media, Stream
from cfork_cli.mix.gains import weight
from cfork_cli.mix.limiter import PeakGuard
from cfork_cli.mix.mixdown import mixdown
from cfork_cli.output.pipe import FilmPipe, PipeSink, sound_sink
from cfork_cli.remux import fit
from cfork_cli.remux.plan import NewTrack
from cfork_cli.text import SPOKEN_ORDER
from model import STEMS

__all__ = ["PipeOptions", "PipePlan", "plan_remix", "plan_stem", "remix", "run", "separate"]


def remix(job: RemixJob, options: PipeOptions, console: Console, *, dry_run: bool = False) -> None:
    """`cfork remix`, wherever the film comes from and goes to.

    Raises:
        CforkError: whatever went wrong.
    """
    pipes.check_terminal(None if dry_run else job.output)
    if options.raw is not None and job.output is None:  # it is saved as a WAV, elsewhere, and that is remixed
        job = replace(job, output=job.input.with_name(f"{job.input.stem}.cfork{'.mka' if job.sidecar else '.wav'}"))
    if pipes.is_input_pipe(job.input):
        remixing.check_early(job)
    if not dry_run and any(job.gains_db.values()):
        early_torch.begin()
    with source_of(job.input, job.output, options, console) as source:
        if pipes.is_output_pipe(job.output):
            _carry_out(plan_remix(job, source, options, console), run, console, dry_run)
        else:
            plan = remixing.plan_remix(replace(job, input=source.path), console)
            _carry_out(plan, remixing.remix, console, dry_run)


def separate(job: SeparateJob, raw: pipes.RawFormat | None, console: Console, *, dry_run: bool = False) -> None:
    """`cfork separate`, wherever the film comes from and the stems go to.

    Raises:
        CforkError: whatever went wrong.
    """
    pipes.check_terminal(None if dry_run else job.output)
    if pipes.is_input_pipe(job.input):
        separation.check_early(job)
    if not dry_run:
        early_torch.begin()
    into_pipe = pipes.is_output_pipe(job.output)
    options = PipeOptions(raw, (job.format or "wav") if into_pipe else None)
    with source_of(job.input, job.output, options, console, sound_only=True) as source:
        if into_pipe:
            _carry_out(plan_stem(job, source, options, console), run, console, dry_run)
        else:
            plan = separation.plan_separate(replace(job, input=source.path), console)
            _carry_out(plan, separation.separate, console, dry_run)


def _carry_out(plan: Any, flow: Callable[[Any, Console], None], console: Console, dry_run: bool) -> None:
    if dry_run:
        console.end()
        console.say(*plan.describe())
        console.result(dry_run=True, **plan.facts())
    else:
        flow(plan, console)


def plan_remix(job: RemixJob, source: Source, options: PipeOptions, console: Console) -> PipePlan:
    """Check all that can be checked before the work.

    Raises:
        InputError, UsageError, FfmpegError, ModelError: see `cfork_cli.errors`.
    """
    if job.keep_original or job.sidecar or job.downmix:
        raise UsageError("a pipe carries the new sound alone: leave --keep-original, --sidecar and --downmix away")
    if not job.default:
        raise UsageError("a pipe carries the new sound alone: leave --no-default away")
    media, track = _track(source, ",".join(job.tracks) or None)
    stems = tuple(stem for stem in STEMS if job.gains_db[stem] != 0)
    _check(job, stems)
    warnings = pipeline.check_levels(job.model, job.force_model) if stems else ()
    picture = any(one.kind == "video" and not one.is_cover for one in media.streams)
    name = check_format(options.output_format) or ("matroska" if picture else "wav")
    form = film = None
    if picture and takes_picture(name):
        sound = track if job.bit_rate or job.codec else with_bit_rate(media, track)
        codec = choose_codec(sound, name, wanted=job.codec, bit_rate=job.bit_rate)
        film = fit.plan_film(media, [NewTrack(track, sound, codec, job.title)], name, suffix="")
    else:
        form = pipe_format(name, track, codec=job.codec, bit_rate=job.bit_rate)
    output = job.output or Path("-")
    gains = {stem: json_gain(job.gains_db[stem]) for stem in SPOKEN_ORDER}
    return _told(
        PipePlan(source, output, media, track, stems, tuple(job.gains_db[stem] for stem in stems), form, film, job,
                 {"gains_db": gains}, levels(job.gains_db), warnings), console,
    )  # fmt: skip


def plan_stem(job: SeparateJob, source: Source, options: PipeOptions, console: Console) -> PipePlan:
    """The same for one stem.

    Raises:
        InputError, UsageError, FfmpegError, ModelError: see `cfork_cli.errors`.
    """
    stems = stem_names(job.stems)
    if len(stems) != 1 or job.mixture or job.residual.strip().lower() != "none":
        raise UsageError("a pipe carries one sound: choose one --stem, and leave --mixture and --residual away")
    separation.check_template(job.template)
    media, track = _track(source, job.track)
    _check(job, stems)
    form = pipe_format(
        check_format(options.output_format) or "wav", track, codec=job.codec, bits=job.bits, is_stem=True
    )
    asked = {"stem": stems[0]}
    return _told(
        PipePlan(source, job.output, media, track, stems, None, form, None, job, asked, stems[0]), console
    )  # fmt: skip


def run(plan: PipePlan, console: Console) -> None:
    """Read, compute and write until the input ends.

    Raises:
        OutputClosed: nobody reads any more.
        CforkError: whatever else went wrong. What went out before stays out.
    """
    descriptor = pipes.open_output(plan.output)
    began = time.monotonic()
    bits = 64 if is_wide(plan.track) and not plan.computed else 32  # see `remixing`
    sound = plan.source.decoder(plan.media, plan.track, _begin(plan), bits=bits)
    with _sink(plan, descriptor) as sink, sound as blocks:
        separator = None
        if plan.computed:
            separator = pipeline.Separator.open(
                plan.job, plan.media, plan.track, console, mixes_back=plan.gains_db is not None and not plan.warnings,
                measure=blocks.lufs if isinstance(blocks, StreamDecoder) else None,
            )  # fmt: skip
        guard = PeakGuard(blocks.sample_rate) if _clips(plan) and plan.computed and plan.gains_db is not None else None
        console.stage("remix" if plan.gains_db is not None else "separate", plan.media.duration_seconds)
        cuts = Cuts()
        whole = _sound(plan, iter(blocks), separator, guard)
        for block in cuts.counted(whole) if _cuts(plan) else whole:
            sink.write(block)
            console.at(sink.samples / blocks.sample_rate)
        console.stage("finish")
    console.end()
    notes = (*blocks.notes, *pipeline.peak_notes(guard, blocks.sample_rate), *cuts.notes())
    pipeline.report(plan.facts(), notes, sink.samples / blocks.sample_rate, time.monotonic() - began, console,
                    f"{'to the pipe' if pipes.is_stdout(plan.output) else plan.output}: {plan.words}")  # fmt: skip


def _sound(
    plan: PipePlan, blocks: Iterator[np.ndarray], separator: pipeline.Separator | None, guard: PeakGuard | None
) -> Iterator[np.ndarray]:
    """What goes out: the remix, or the one stem."""
    if separator is None:
        return blocks
    weights = None if plan.gains_db is None else [weight(gain_db) for gain_db in plan.gains_db]
    pieces = separator.run(blocks, plan.computed, weights=weights, live=plan.source.head is not None)
    return (stems[0] for _, stems in pieces) if weights is None else mixdown(pieces, None, guard)


def _sink(plan: PipePlan, descriptor: int) -> PipeSink:
    if plan.film is not None:
        return FilmPipe(descriptor, plan.output, plan.film, _begin(plan) or 0)
    if plan.form is None:
        raise ValueError("a plan needs a film or a format")
    return sound_sink(descriptor, plan.output, plan.form, plan.track)


def _begin(plan: PipePlan) -> int | None:
    """Where the new track begins on the film's time line; None for sound alone, which begins with the film."""
    return None if plan.film is None else timeline.track_begin(plan.media, plan.track, plan.film.container)


def _clips(plan: PipePlan) -> bool:
    if plan.film is not None:
        return plan.film.codec.clips_over_full_scale
    return plan.form is not None and plan.form.clips_over_full_scale


def _cuts(plan: PipePlan) -> bool:
    return plan.film.codec.is_integer if plan.film is not None else plan.form is not None and plan.form.is_integer


def _told(plan: PipePlan, console: Console) -> PipePlan:
    for note in plan.notes:
        console.note(note)
    return plan


def _track(source: Source, asked: str | None) -> tuple[Media, Stream]:
    media = source.media
    track = tracks.one(media, asked)
    if source.head is None:
        decode(media, track)  # starts nothing, but refuses a track whose rate or channels nobody knows
    return media, track


def _check(job: pipeline.Asked, stems: tuple[str, ...]) -> None:
    pipeline.check_lufs(job.input_lufs)
    if stems:
        pipeline.check_model(job.model)
