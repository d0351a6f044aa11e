"""Remix a film, or a stream of sound: checks before the work, and the way into the one loop.

`plan_remix` does every check that needs no heavy work and returns a plan; `remix` carries it out.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from pathlib import Path

from cfork_cli.codecs.bit_rate import with_bit_rate
from cfork_cli.codecs.choose import choose_codec, is_wide
from cfork_cli.codecs.pipe_format import check_format, pipe_format, takes_picture
from cfork_cli.errors import UsageError
from cfork_cli.flows.checks import check_levels, check_lufs, check_model
from cfork_cli.flows.jobs import PipeOptions, RemixJob
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.plans import PipeTarget, RemixPlan, levels
from cfork_cli.flows.render import Lane, losses, render
from cfork_cli.flows.report import Report, Result
from cfork_cli.flows.separator import TrackSeparator
from cfork_cli.flows.sidecar import sidecar_paths
from cfork_cli.flows.source import Source
from cfork_cli.input.live import StreamDecoder
from cfork_cli.media import pipes, timeline, tracks
from cfork_cli.media.containers import container_for
from cfork_cli.media.layouts import speakers
from cfork_cli.media.types import Media, Stream
from cfork_cli.mix.downmix import stereo_matrix
from cfork_cli.mix.mixer import GainMixer
from cfork_cli.output.destination import check_destination
from cfork_cli.output.film import FilmSink
from cfork_cli.output.pipe import FilmPipe, sound_sink
from cfork_cli.output.sink import Sink
from cfork_cli.remux import fit
from cfork_cli.remux.plan import FilmPlan, NewTrack
from model.stems import STEMS


def check_early(job: RemixJob) -> None:
    """Check what needs no look at the film: it may be hours of download that come through a pipe.

    Raises:
        OutputError, UsageError, ModelError: see `plan_remix`.
    """
    _check_words(job)
    if job.output is not None and not pipes.is_output_pipe(job.output):
        check_destination(job.output, force=job.force)
    _check_network(job)


def _check_words(job: RemixJob) -> None:
    """Refuse options that make no sense, alone or together."""
    check_lufs(job.input_lufs)
    if pipes.is_output_pipe(job.output):
        if job.keep_original or job.sidecar or job.downmix:
            raise UsageError("a pipe carries the new sound alone: leave --keep-original, --sidecar and --downmix away")
        if not job.default:
            raise UsageError("a pipe carries the new sound alone: leave --no-default away")
    if job.sidecar and not (job.start is None and job.end is None):
        raise UsageError("players play a sidecar beside the whole film: leave --start and --end away, or --sidecar")
    if job.sidecar and job.keep_original:
        raise UsageError("--sidecar leaves the film alone, so there is nothing for --keep-original: take one of them")
    if not job.default and not job.keep_original:
        raise UsageError("--no-default chooses between the old track and the new one: it goes with --keep-original")


def _check_network(job: RemixJob) -> tuple[str, ...]:
    """Find the model, if one is needed, and return the warnings about it."""
    if not any(job.gains_db.values()):
        return ()
    check_model(job.model)
    return check_levels(job.model, job.force_model)


def plan_remix(job: RemixJob, source: Source | None = None, options: PipeOptions | None = None) -> RemixPlan:
    """Probe the film and check all that can be checked before the work.

    Args:
        source: what is read, from `source_of`; None is the job's input, a file.

    Raises:
        InputError, OutputError, UsageError, FfmpegError, ModelError: see `cfork_cli.errors`.
    """
    source = source or Source(job.input)
    _check_words(job)
    if pipes.is_output_pipe(job.output):
        return _plan_pipe(job, source, options or PipeOptions())
    media = source.media
    chosen = tracks.select(media, job.tracks)
    paths = _paths(job, media, chosen)
    for path in paths:
        check_destination(path, source=media.path, force=job.force)
    warnings = _check_network(job)
    films = _films(job, source, media, chosen, paths[0])
    outputs = tuple(zip(paths, films, strict=True))
    remixed = tuple(media.audio_track(new.source.number) for film in films for new in film.new)
    return RemixPlan(job, source, media, remixed, GainMixer(job.gains_db, STEMS), outputs, warnings=warnings)


def _plan_pipe(job: RemixJob, source: Source, options: PipeOptions) -> RemixPlan:
    """Plan for one track that goes into a pipe, alone or with the rest of the film."""
    media = source.media
    track = source.track(media, ",".join(job.tracks) or None)
    warnings = _check_network(job)
    picture = media.picture is not None
    name = check_format(options.output_format) or ("matroska" if picture else "wav")
    film = None
    if picture and takes_picture(name):
        sound = track if job.bit_rate or job.codec else with_bit_rate(media, track)
        codec = choose_codec(sound, name, wanted=job.codec, bit_rate=job.bit_rate)
        written = source.written(media)
        source_track = written.audio_track(track.number)
        new = NewTrack(source_track, sound, codec, job.title, changed=any(job.gains_db.values()))
        film = fit.plan_film(written, [new], name, suffix="")
        target = PipeTarget(job.output or Path("-"), film, None)
    else:
        stored = pipe_format(name, track, codec=job.codec, bit_rate=job.bit_rate)
        target = PipeTarget(job.output or Path("-"), None, stored)
    return RemixPlan(job, source, media, (track,), GainMixer(job.gains_db, STEMS), pipe=target, warnings=warnings)


def _paths(job: RemixJob, media: Media, chosen: tuple[Stream, ...]) -> list[Path]:
    """Return the files to write."""
    if not job.sidecar:
        return [job.output or media.path.with_name(f"{media.path.stem}.cfork{media.path.suffix}")]
    if job.output is None:
        return sidecar_paths(media.path, chosen)
    if len(chosen) > 1 or job.output.suffix.lower() != ".mka":
        raise UsageError("--sidecar writes one .mka file for each track: leave -o away, or name one .mka for one track")
    return [job.output]


def _films(job: RemixJob, source: Source, media: Media, chosen: tuple[Stream, ...], output: Path) -> list[FilmPlan]:
    """Return what each file will hold."""
    media = source.written(media)
    chosen = tuple(media.audio_track(track.number) for track in chosen)
    container = "matroska" if job.sidecar else container_for(output, media)
    beside = job.keep_original or job.sidecar
    title = job.title
    if title is None and beside:
        words = levels(job.gains_db, changed_only=True)
        title = words[0].upper() + words[1:]
    new = []
    for track in chosen:
        sound = track
        if job.downmix and stereo_matrix(track, speakers(track.layout)) is not None:
            sound = replace(track, channels=2, layout="stereo", bit_rate=None)
        elif job.bit_rate is None and job.codec is None:
            sound = with_bit_rate(media, track)
        codec = choose_codec(sound, container, wanted=job.codec, bit_rate=job.bit_rate)
        changed = any(job.gains_db.values()) or sound.channels != track.channels
        new.append(NewTrack(track, sound, codec, title, job.keep_original, changed))
    if job.sidecar:
        return [fit.plan_sidecar(media, one) for one in new]
    default = None
    if job.keep_original and job.default:
        usual = media.default_audio()
        default = usual if usual in chosen else chosen[0]
    return [fit.plan_film(media, new, container, suffix=output.suffix, default=default)]


def remix(plan: RemixPlan, report: Report, *, loaded: LoadedNetwork | None = None) -> Result:
    """Write the film, the files beside it, or the pipe, with the new levels.

    Args:
        loaded: a network that was loaded before.

    Raises:
        OutputClosed: nobody reads the pipe any more.
        CforkError: whatever went wrong; no output exists then, or each is what it was before. What went into a pipe
            before stays there.
    """
    began = time.monotonic()
    if plan.pipe:
        return _into_pipe(plan, plan.pipe, report, loaded, began)
    job, media = plan.job, plan.media
    separators: dict[int, TrackSeparator] = {}
    if plan.mixer.stems:
        mixes_back = not job.force_model
        separators = TrackSeparator.open_all(
            job, media, plan.tracks, report, loaded=loaded, mixes_back=mixes_back, span=plan.source.span
        )  # fmt: skip
    with contextlib.ExitStack() as stack:
        sinks = [
            stack.enter_context(
                FilmSink(
                    film.media,
                    film.track,
                    path,
                    plan=film,
                    force=job.force,
                    begin=[_begin(plan.source, film, new) for new in film.new],
                )
            )
            for path, film in plan.outputs
        ]
        lanes = [
            _lane(plan, film, number, sink, separators.get(new.source.index), stack)
            for sink, (_, film) in zip(sinks, plan.outputs, strict=True)
            for number, new in enumerate(film.new)
        ]
        lengths = [plan.source.seconds(media, track) for track in plan.tracks]
        total = max((one for one in lengths if one), default=None)
        notes = render(lanes, sinks, report, stage="remix", total=total)
    seconds = sum(lane.seconds for lane in lanes)
    done = f"{plan.names}: {levels(job.gains_db)}"
    paths = tuple(path for path, _ in plan.outputs)
    return Result(paths, plan.facts(), notes, seconds, time.monotonic() - began, done, losses(lanes))


def _into_pipe(
    plan: RemixPlan, target: PipeTarget, report: Report, loaded: LoadedNetwork | None, began: float
) -> Result:
    descriptor = pipes.open_output(target.path)
    job, track = plan.job, plan.tracks[0]
    begin = None if target.film is None else _begin(plan.source, target.film, target.film.new[0])
    sink: Sink
    if target.film is not None:
        sink = FilmPipe(descriptor, target.path, target.film, begin or 0)
    elif target.format is not None:
        sink = sound_sink(descriptor, target.path, target.format, track)
    else:
        raise ValueError("a pipe needs a film or a format")
    needs_stems = bool(plan.mixer.stems)
    # what no 32-bit float can hold exactly passes only where nothing is computed
    bits = 64 if is_wide(track) and not needs_stems else 32
    with sink, plan.source.decoder(plan.media, track, begin, bits=bits) as blocks:
        separator = None
        if needs_stems:
            measure = blocks.lufs if isinstance(blocks, StreamDecoder) else None
            separator = TrackSeparator.open(
                job, plan.media, track, report, loaded=loaded, mixes_back=not plan.warnings, measure=measure,
                span=plan.source.span,
            )  # fmt: skip
        lane = Lane(
            blocks, plan.mixer, [(sink, 0)], separator, guarded=target.clips_over_full_scale and needs_stems,
            counted=target.is_integer, live=plan.source.head is not None,
        )  # fmt: skip
        notes = render([lane], [sink], report, stage="remix", total=plan.source.seconds(plan.media))
    name = "to the pipe" if pipes.is_stdout(target.path) else target.path
    done = f"{name}: {levels(job.gains_db)}"
    return Result((), plan.facts(), notes, lane.seconds, time.monotonic() - began, done, losses([lane]))


def _begin(source: Source, film: FilmPlan, new: NewTrack) -> int:
    """Return where a new track begins on the time line: a file of its own with the film, since players line up both."""
    rate = new.source.sample_rate or 0
    if film.alone:
        return source.begin(film.media, rate, timeline.film_begin(film.media, rate))
    return source.begin(film.media, rate, timeline.track_begin(film.media, new.source, film.container))


def _lane(
    plan: RemixPlan,
    film: FilmPlan,
    number: int,
    sink: Sink,
    separator: TrackSeparator | None,
    stack: contextlib.ExitStack,
) -> Lane:
    """Make one track of one film ready."""
    new = film.new[number]
    begin = _begin(plan.source, film, new)
    track = plan.media.audio_track(new.source.number)
    # what no 32-bit float can hold exactly passes only where nothing is computed
    bits = 64 if separator is None and is_wide(new.source) else 32
    blocks = stack.enter_context(plan.source.decoder(plan.media, track, begin, bits=bits))
    is_folded = new.delivered.channels != new.source.channels
    matrix = stereo_matrix(new.source, speakers(new.source.layout)) if is_folded else None
    guarded = new.codec.clips_over_full_scale and (separator is not None or matrix is not None)
    return Lane(
        blocks, plan.mixer, [(sink, number)], separator, matrix, guarded=guarded,
        counted=new.codec.is_integer, begin=begin,
    )  # fmt: skip
