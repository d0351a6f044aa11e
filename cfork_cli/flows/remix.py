"""Remix a film, or a stream of sound: checks before the work, and the way into the one loop.

`plan_remix` does every check that needs no heavy work and returns a plan; `remix` carries it out.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from cfork_cli.codecs.bit_rate import with_bit_rate
from cfork_cli.codecs.choose import choose_codec, is_wide
from cfork_cli.codecs.pipe_format import check_format, pipe_format, takes_picture
from cfork_cli.errors import UsageError
from cfork_cli.flows.checks import check_levels, check_lufs, check_model
from cfork_cli.flows.jobs import PipeOptions, RemixJob
from cfork_cli.flows.kept import kept_beside
from cfork_cli.flows.levelled import Levelled, LevelledTrack, render_levelled
from cfork_cli.flows.mixing import check_early as check_early_processing
from cfork_cli.flows.mixing import check_processing, remix_mixer, remix_stems
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.plans import PipeTarget, RemixPlan, all_words
from cfork_cli.flows.render import Lane, losses, render
from cfork_cli.flows.report import Report, Result
from cfork_cli.flows.separator import TrackSeparator, elsewhere
from cfork_cli.flows.sidecar import sidecar_paths
from cfork_cli.flows.source import Source, existing
from cfork_cli.input.live import StreamDecoder
from cfork_cli.input.loudness import Loudness, integrated_lufs, measure
from cfork_cli.media import pipes, timeline, tracks
from cfork_cli.media.containers import container_for, sound_container
from cfork_cli.media.layouts import speakers
from cfork_cli.media.types import Media, Stream
from cfork_cli.mix.downmix import stereo_matrix
from cfork_cli.mix.loudness import channel_weights
from cfork_cli.mix.normalize import LoudnessGoal
from cfork_cli.output.destination import beside, check_destination
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
    check_early_processing(job.processing)
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
        if job.resume:
            raise UsageError("what went into a pipe cannot be resumed: write a file with -o, or leave --resume away")
    if job.loudness is not None and job.loudness.of_dialogue and job.gains_db["dialogue"] == -math.inf:
        raise UsageError("the dialogue is muted, so it has no loudness to go by: give --loudness another goal")
    if job.sidecar and not (job.start is None and job.end is None):
        raise UsageError("players play a sidecar beside the whole film: leave --start and --end away, or --sidecar")
    if job.sidecar and job.keep_original:
        raise UsageError("--sidecar leaves the film alone, so there is nothing for --keep-original: take one of them")
    if not job.default and not job.keep_original:
        raise UsageError("--no-default chooses between the old track and the new one: it goes with --keep-original")


def _check_network(job: RemixJob) -> tuple[str, ...]:
    """Find the model, if one is needed, and return the warnings about it."""
    if not job.changes:
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
    warnings = (*_check_network(job), *tracks.left_out(media, job.tracks))
    films = _films(job, source, media, chosen, paths[0])
    outputs = tuple(zip(paths, films, strict=True))
    remixed = tuple(media.audio_track(new.source.number) for film in films for new in film.new)
    check_processing(job.processing, remixed)
    return RemixPlan(job, source, media, remixed, remix_stems(job), outputs, warnings=warnings)


def _plan_pipe(job: RemixJob, source: Source, options: PipeOptions) -> RemixPlan:
    """Plan for one track that goes into a pipe, alone or with the rest of the film."""
    if job.loudness is not None and source.head is not None:
        raise UsageError(
            "the loudness of a stream is known only at its end, so it cannot be changed on the way: write a file "
            "with -o, or leave --loudness away"
        )
    media = source.media
    track = source.track(media, ",".join(job.tracks) or None)
    check_processing(job.processing, [track])
    warnings = _check_network(job)
    picture = media.picture is not None
    name = check_format(options.output_format) or ("matroska" if picture else "wav")
    film = None
    if picture and takes_picture(name):
        sound = track if job.bit_rate or job.codec else with_bit_rate(media, track)
        codec = choose_codec(sound, name, wanted=job.codec, bit_rate=job.bit_rate)
        written = source.written(media)
        source_track = written.audio_track(track.number)
        new = NewTrack(source_track, sound, codec, job.title, changed=job.changes_loudness)
        film = fit.plan_film(written, [new], name, suffix="")
        target = PipeTarget(job.output or Path("-"), film, None)
    else:
        stored = pipe_format(name, track, codec=job.codec, bit_rate=job.bit_rate)
        target = PipeTarget(job.output or Path("-"), None, stored)
    return RemixPlan(job, source, media, (track,), remix_stems(job), pipe=target, warnings=warnings)


def _paths(job: RemixJob, media: Media, chosen: tuple[Stream, ...]) -> list[Path]:
    """Return the files to write."""
    if not job.sidecar:
        return [job.output or beside(media.path, f".cfork{media.path.suffix}")]
    if job.output is None:
        return sidecar_paths(media.path, chosen)
    if len(chosen) > 1 or job.output.suffix.lower() != ".mka":
        raise UsageError("--sidecar writes one .mka file for each track: leave -o away, or name one .mka for one track")
    return [job.output]


def _films(job: RemixJob, source: Source, media: Media, chosen: tuple[Stream, ...], output: Path) -> list[FilmPlan]:
    """Return what each file will hold."""
    read = chosen
    media = source.written(media)
    chosen = tuple(media.audio_track(track.number) for track in chosen)
    container = "matroska" if job.sidecar else container_for(output, media)
    is_beside = job.keep_original or job.sidecar
    title = job.title
    if title is None and is_beside:
        words = all_words(job, changed_only=True)
        title = words[0].upper() + words[1:]
    new = []
    for whole, track in zip(read, chosen, strict=True):
        # a piece of a track that changes on the way is read with the layout and the rate that the whole begins with
        track = replace(track, channels=whole.channels, layout=whole.layout, sample_rate=whole.sample_rate)
        sound = track
        if job.downmix and stereo_matrix(track, speakers(track.layout)) is not None:
            sound = replace(track, channels=2, layout="stereo", bit_rate=None)
        elif job.bit_rate is None and job.codec is None:
            sound = with_bit_rate(media, track)
        codec = choose_codec(sound, sound_container(container, output.suffix), wanted=job.codec, bit_rate=job.bit_rate)
        changed = job.changes_loudness or sound.channels != track.channels
        new.append(NewTrack(track, sound, codec, title, job.keep_original, changed, job.language))
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
    job = plan.job
    lengths = [plan.source.seconds(plan.media, track) for track in plan.tracks]
    total = max((one for one in lengths if one), default=None)
    facts, heard = plan.facts(), ""
    with contextlib.ExitStack() as stack:
        lanes = open_lanes(plan, report, stack, loaded=loaded)
        if plan.goal is not None:
            found = _levelled_files(plan, plan.goal, lanes, report, total)
            notes, seconds, heard = found.notes, found.seconds, found.words
            facts["loudness"] = {"goal": str(plan.goal), "tracks": list(found.facts)}
        else:
            sinks, targets = open_sinks(plan, stack)
            lanes = [replace(lane, targets=[target]) for lane, target in zip(lanes, targets, strict=True)]
            notes = render(lanes, sinks, report, stage="remix", total=total)
            seconds = sum(lane.seconds for lane in lanes)
    done = f"{plan.names}: {all_words(job)}{heard}"
    paths = tuple(path for path, _ in plan.outputs)
    return Result(paths, facts, notes, seconds, time.monotonic() - began, done, losses(lanes))


def open_lanes(
    plan: RemixPlan, report: Report, stack: contextlib.ExitStack, *, loaded: LoadedNetwork | None = None
) -> list[Lane]:
    """Load the network, if one is needed, and make every new track ready; where they go is said later."""
    separators: dict[int, TrackSeparator] = {}
    if plan.job.changes:
        mixes_back = not plan.job.force_model
        separators = TrackSeparator.open_all(
            plan.job, plan.media, plan.tracks, report, loaded=loaded, mixes_back=mixes_back, span=plan.source.span
        )  # fmt: skip
        separators = _with_pieces(plan, separators, report, stack)
    return [
        _lane(plan, film, number, separators.get(new.source.index), stack)
        for _, film in plan.outputs
        for number, new in enumerate(film.new)
    ]


def _with_pieces(
    plan: RemixPlan, separators: dict[int, TrackSeparator], report: Report, stack: contextlib.ExitStack
) -> dict[int, TrackSeparator]:
    """Let finished pieces be kept beside the first output, if that is wanted."""
    if not plan.job.resume or not plan.outputs:
        return separators
    needed, goal = 0, plan.goal
    sounds = len(STEMS) if plan.job.processing or (goal is not None and goal.of_dialogue) else 1
    for new in (new for _, film in plan.outputs for new in film.new):
        track = plan.media.audio_track(new.source.number)
        seconds = plan.source.seconds(plan.media, track) or 0.0
        needed += separators[new.source.index].kept_bytes(sounds, seconds)
    pieces = stack.enter_context(kept_beside(plan.outputs[0][0], needed, report, elsewhere.get()))
    return {index: replace(separator, pieces=pieces) for index, separator in separators.items()}


def open_sinks(plan: RemixPlan, stack: contextlib.ExitStack) -> tuple[list[Sink], list[tuple[Sink, int]]]:
    """Open the films to write, and return them with the film and track of each lane."""
    sinks: list[Sink] = []
    targets: list[tuple[Sink, int]] = []
    for path, film in plan.outputs:
        begin = [_begin(plan.source, film, new) for new in film.new]
        sink = FilmSink(film.media, film.track, path, plan=film, force=plan.job.force, begin=begin)
        sinks.append(stack.enter_context(sink))
        targets += [(sink, number) for number in range(len(film.new))]
    return sinks, targets


def _levelled_files(
    plan: RemixPlan, goal: LoudnessGoal, lanes: list[Lane], report: Report, total: float | None
) -> Levelled:
    """Write the films at a loudness."""
    news = [new for _, film in plan.outputs for new in film.new]
    voices = [
        _voice(plan, goal, lane, new.delivered, report, clips=new.codec.clips_over_full_scale)
        for lane, new in zip(lanes, news, strict=True)
    ]

    def measured(sink: Sink, number: int, progress: Callable[[float], None]) -> Loudness:
        if not isinstance(sink, FilmSink):
            raise TypeError("only films can be measured again")
        return measure(*sink.written(number), progress, true_peak=True)

    return render_levelled(
        voices, goal, partial(open_sinks, plan), measured, report, raises=_raises(plan.job),
        beside=existing(plan.outputs[0][0]), total=total,
    )  # fmt: skip


def _voice(
    plan: RemixPlan, goal: LoudnessGoal, lane: Lane, delivered: Stream, report: Report, *, clips: bool
) -> LevelledTrack:
    """Make a track ready to be brought to a loudness."""
    track, before = plan.media.audio_track(delivered.number), math.nan
    seconds = plan.source.seconds(plan.media, track)
    if goal.keeps:
        report.stage("measure", seconds)
        before = integrated_lufs(
            plan.media, track, report.at, span=plan.source.span, accept_damaged=plan.job.accept_damaged
        )
    weights = channel_weights(speakers(delivered.layout), delivered.channels or 0)
    return LevelledTrack(lane, weights, clips, before, seconds, 10 ** (plan.job.gains_db["dialogue"] / 20))


def _raises(job: RemixJob) -> bool:
    """Return whether the levels make anything louder."""
    return any(gain_db > 0 for gain_db in job.gains_db.values()) or bool(job.processing)


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
    needs_stems = job.changes
    # what no 32-bit float can hold exactly passes only where nothing is computed
    bits = 64 if is_wide(track) and not needs_stems and plan.goal is None else 32
    facts, heard = plan.facts(), ""
    with sink, plan.source.decoder(plan.media, track, begin, bits=bits) as blocks:
        separator = None
        if needs_stems:
            measure = blocks.lufs if isinstance(blocks, StreamDecoder) else None
            separator = TrackSeparator.open(
                job, plan.media, track, report, loaded=loaded, mixes_back=not plan.warnings, measure=measure,
                span=plan.source.span,
            )  # fmt: skip
        mixer = remix_mixer(job, track, -math.inf if separator is None else separator.lufs)
        lane = Lane(
            blocks, mixer, [(sink, 0)], separator, guarded=target.clips_over_full_scale and needs_stems,
            counted=target.is_integer, live=plan.source.head is not None,
        )  # fmt: skip
        total = plan.source.seconds(plan.media, track)
        if plan.goal is not None:
            voice = _voice(plan, plan.goal, lane, track, report, clips=target.clips_over_full_scale)
            found = render_levelled(
                [voice], plan.goal, lambda _: ([sink], [(sink, 0)]), None, report, raises=_raises(job), beside=None,
                total=total,
            )  # fmt: skip
            notes, seconds, heard = found.notes, found.seconds, found.words
            facts["loudness"] = {"goal": str(plan.goal), "tracks": list(found.facts)}
        else:
            notes, seconds = render([lane], [sink], report, stage="remix", total=total), lane.seconds
    name = "to the pipe" if pipes.is_stdout(target.path) else target.path
    done = f"{name}: {all_words(job)}{heard}"
    return Result((), facts, notes, seconds, time.monotonic() - began, done, losses([lane]))


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
    separator: TrackSeparator | None,
    stack: contextlib.ExitStack,
) -> Lane:
    """Make one track of one film ready; where it goes is said later."""
    new = film.new[number]
    begin = _begin(plan.source, film, new)
    track = plan.media.audio_track(new.source.number)
    # what no 32-bit float can hold exactly passes only where nothing is computed
    bits = 64 if separator is None and is_wide(new.source) and plan.goal is None else 32
    blocks = stack.enter_context(plan.source.decoder(plan.media, track, begin, bits=bits))
    is_folded = new.delivered.channels != new.source.channels
    matrix = stereo_matrix(new.source, speakers(new.source.layout)) if is_folded else None
    guarded = new.codec.clips_over_full_scale and (separator is not None or matrix is not None)
    mixer = remix_mixer(plan.job, track, -math.inf if separator is None else separator.lufs)
    return Lane(
        blocks, mixer, [], separator, matrix, guarded=guarded,
        counted=new.codec.is_integer, begin=begin,
    )  # fmt: skip
