"""Separate a film into stems: checks before the work, and the way into the one loop.

`plan_separate` does every check that needs no heavy work and returns a plan; `separate` carries it out.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cfork_cli.codecs.pipe_format import check_format, pipe_format
from cfork_cli.codecs.stem_format import StemFormat, check_words, stem_format
from cfork_cli.errors import UsageError
from cfork_cli.flows import mixing
from cfork_cli.flows.checks import check_lufs, check_model
from cfork_cli.flows.jobs import PipeOptions, SeparateJob
from cfork_cli.flows.kept import kept_beside
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.plans import PipeTarget, SeparatePlan
from cfork_cli.flows.render import Lane, losses, render
from cfork_cli.flows.report import Report, Result
from cfork_cli.flows.separator import TrackSeparator
from cfork_cli.flows.source import Source
from cfork_cli.flows.stem_names import MIXTURE, RESIDUAL, file_names, residual_takers, stem_names
from cfork_cli.input.live import StreamDecoder
from cfork_cli.media import pipes
from cfork_cli.media.containers import muxer_named, sound_only
from cfork_cli.media.layouts import speakers
from cfork_cli.media.timeline import film_begin
from cfork_cli.media.types import Media, Stream
from cfork_cli.mix.downmix import stereo_matrix
from cfork_cli.mix.mixer import Mixer, StemMixer
from cfork_cli.output.destination import check_destination
from cfork_cli.output.film import FilmSink
from cfork_cli.output.pipe import sound_sink
from cfork_cli.output.sink import Sink
from cfork_cli.output.sound_file import SoundFileSink
from cfork_cli.output.speech_sink import SPEECH_RATE, SpeechSink, mono_fold
from cfork_cli.output.stem_folder import check_folder, made_folder
from cfork_cli.remux import fit
from cfork_cli.remux.plan import NewTrack

_ONE_TRACK = {"wav", "w64", "flac", "mp3", "mp2", "adts", "ac3", "eac3", "aiff", "caf", "opus", "au", "wv", "tta"}
"""Containers that hold one sound."""

_NO_FOLDERS = {".zip", ".tar", ".gz", ".tgz", ".rar", ".7z", ".srt", ".txt", ".json", ".png", ".jpg", ".pdf"}
"""Suffixes of files that we do not write; nobody calls a folder so."""


def check_early(job: SeparateJob) -> None:
    """Check what needs no look at the film: it may be hours of download that come through a pipe.

    Raises:
        OutputError, UsageError, ModelError: see `plan_separate`.
    """
    check_settings(job)
    if not pipes.is_output_pipe(job.output):
        if _is_file(job.output):
            check_destination(job.output, force=job.force)
        else:
            check_folder(job.output)


def check_settings(job: SeparateJob) -> None:
    """Check what needs neither a look at the film nor at the place of the output.

    Raises:
        UsageError, ModelError: see `plan_separate`.
    """
    job = _for_purpose(job)
    _check_words(job)
    mixing.check_early(job.processing)
    check_model(job.model)


def _check_words(job: SeparateJob) -> None:
    """Refuse options that make no sense, alone or together."""
    stems = stem_names(job.stems)
    residual_takers(job.residual, stems)
    into_pipe = pipes.is_output_pipe(job.output)
    if into_pipe and job.resume:
        raise UsageError("what went into a pipe cannot be resumed: write files with -o, or leave --resume away")
    if into_pipe and (len(stems) != 1 or job.mixture or job.residual.strip().lower() != "none"):
        raise UsageError("a pipe carries one sound: choose one --stem, and leave --mixture and --residual away")
    if not into_pipe:
        check_words(_format_word(job), job.bits, job.codec)
    if job.output.suffix.lower() in _NO_FOLDERS and not job.output.is_dir():
        raise UsageError(
            f"'{job.output}' is neither a folder nor sound: give a folder such as {job.output.stem}/, or stems.mka"
        )
    if (into_pipe or _is_file(job.output)) and job.template != SeparateJob.template:
        raise UsageError("--template names the files in a folder: give a folder with -o, or leave --template away")
    check_lufs(job.input_lufs)


def _for_purpose(job: SeparateJob) -> SeparateJob:
    """Return the job with what its purpose means.

    Raises:
        UsageError: there is no such purpose, or other options contradict it.
    """
    if job.purpose is None:
        return job
    if job.purpose.strip().lower() != "asr":
        raise UsageError(f"'{job.purpose}' is no purpose that we know: give --for asr, or leave it away")
    word = job.format.lower().removeprefix(".") if job.format else None
    if word not in (None, "wav") or job.bits not in (None, 16) or job.codec is not None:
        raise UsageError("--for asr writes WAV files of 16 bits: leave --format, --bits and --codec away")
    if job.residual.strip().lower() != "none":
        raise UsageError("--for asr changes rate and channels, so nothing adds up to the film: leave --residual away")
    into_pipe = pipes.is_output_pipe(job.output)
    if not into_pipe and _is_file(job.output) and job.output.suffix.lower() != ".wav":
        raise UsageError(f"--for asr writes WAV files: give -o {job.output.with_suffix('.wav').name}, or a folder")
    stems = job.stems or ("dialogue",)
    if into_pipe:
        return replace(job, stems=stems, format="wav", codec="pcm_s16le", purpose="asr")
    return replace(job, stems=stems, format=None, bits=16, purpose="asr")


def plan_separate(job: SeparateJob, source: Source | None = None, options: PipeOptions | None = None) -> SeparatePlan:
    """Probe the film and check all that can be checked before the work.

    Args:
        source: what is read, from `source_of`; None is the job's input, a file.

    Raises:
        InputError, OutputError, UsageError, FfmpegError, ModelError: see `cfork_cli.errors`.
    """
    source = source or Source(job.input)
    job = _for_purpose(job)
    _check_words(job)
    stems = stem_names(job.stems)
    media = source.media
    track = source.track(media, job.track)
    mixing.check_processing(job.processing, [track])
    written = source.written(media)
    copied = written.audio_track(track.number)
    if pipes.is_output_pipe(job.output):
        check_model(job.model)
        name = check_format(options.output_format if options else None) or "wav"
        stored = pipe_format(name, _written_track(job, track), codec=job.codec, bits=job.bits, is_stem=True)
        return SeparatePlan(job, source, media, track, stems, stems, pipe=PipeTarget(job.output, None, stored))
    takers = residual_takers(job.residual, stems)
    sounds = (*([MIXTURE] if job.mixture else []), *stems, *([RESIDUAL] if RESIDUAL in takers else []))
    word = _format_word(job)
    files = _files(job, media, track, sounds, word)
    check_model(job.model)
    form = stem_format(track, word, bits=job.bits, codec=job.codec)
    film = None
    if _is_file(job.output) and form.container not in _ONE_TRACK and form.codec is not None:
        picture = takes_film(job)
        new = [NewTrack(copied, track, form.codec, sound.capitalize()) for sound in sounds]
        film = fit.plan_sounds(written, new, form.container, suffix=job.output.suffix, picture=picture)
    elif _is_file(job.output) and len(sounds) > 1:
        raise UsageError(
            f"a '{job.output.suffix}' file holds one sound, not {', '.join(sounds)}: "
            "give a folder with -o, a file such as stems.mka, or one --stem"
        )
    return SeparatePlan(job, source, media, track, stems, sounds, takers, form, files, film)


def separate(plan: SeparatePlan, report: Report, *, loaded: LoadedNetwork | None = None) -> Result:
    """Write the stems.

    Args:
        loaded: a network that was loaded before.

    Raises:
        OutputClosed: nobody reads the pipe any more.
        CforkError: whatever went wrong; none of the files exists then, or each is what it was before.
    """
    began = time.monotonic()
    if plan.pipe:
        return _into_pipe(plan, plan.pipe, report, loaded, began)
    separator = TrackSeparator.open(
        plan.job, plan.media, plan.track, report, loaded=loaded, mixes_back=False, span=plan.source.span
    )  # fmt: skip
    total = plan.source.seconds(plan.media, plan.track)
    with contextlib.ExitStack() as stack:
        if plan.job.resume:
            needed = separator.kept_bytes(len(mixer_of(plan).stems), total or 0.0)
            pieces = stack.enter_context(kept_beside(plan.job.output, needed, report, separator.pieces))
            separator = replace(separator, pieces=pieces)
        blocks = stack.enter_context(plan.source.decoder(plan.media, plan.track))
        sinks, targets = _sinks(plan, stack)
        lane = Lane(blocks, mixer_of(plan, separator.lufs), targets, separator)
        notes = render([lane], sinks, report, stage="separate", total=total)
    if plan.film is None and plan.format is not None and plan.format.codec is None:
        notes = (*notes, *(note for sink in sinks for note in sink.notes))  # films said theirs before
    return Result(plan.paths, plan.facts(), notes, lane.seconds, time.monotonic() - began, _names(plan), losses([lane]))


def _into_pipe(
    plan: SeparatePlan, target: PipeTarget, report: Report, loaded: LoadedNetwork | None, began: float
) -> Result:
    descriptor = pipes.open_output(target.path)
    if target.format is None:
        raise ValueError("a stem needs a format")
    sink: Sink = sound_sink(descriptor, target.path, target.format, _written_track(plan.job, plan.track))
    if plan.job.purpose:
        sink = _for_speech(sink, plan.track)
    with sink, plan.source.decoder(plan.media, plan.track) as blocks:
        measure = blocks.lufs if isinstance(blocks, StreamDecoder) else None
        separator = TrackSeparator.open(
            plan.job, plan.media, plan.track, report, loaded=loaded, mixes_back=False, measure=measure,
            span=plan.source.span,
        )  # fmt: skip
        live = plan.source.head is not None
        mixer = mixing.stem_mixer(plan.job.processing, StemMixer(plan.stems), plan.track, separator.lufs)
        lane = Lane(blocks, mixer, [(sink, 0)], separator, counted=target.is_integer, live=live)
        notes = render([lane], [sink], report, stage="separate", total=plan.source.seconds(plan.media))
    done = f"{'to the pipe' if pipes.is_stdout(target.path) else target.path}: {plan.stems[0]}"
    return Result((), plan.facts(), notes, lane.seconds, time.monotonic() - began, done, losses([lane]))


def mixer_of(plan: SeparatePlan, lufs: float = -math.inf) -> Mixer:
    """Return the mixer that makes the sounds of a plan, the stems summing to the mixture if that was asked.

    Args:
        lufs: integrated loudness of the track, -inf where it is not known.
    """
    form = plan.format
    takers = [len(plan.stems) if taker == RESIDUAL else plan.stems.index(taker) for taker in plan.takers]
    # Where stems add up they are cut before they are written; else a sink without ffmpeg counts by itself.
    counts = form is not None and form.clips_over_full_scale and (form.subtype is None or bool(takers))
    processing, with_mixture = plan.job.processing, MIXTURE in plan.sounds
    # behind effects no stem has the samples any more that would add up
    bits = None if form is None or processing else form.bits
    inner = StemMixer(
        plan.stems, mixture=with_mixture, takers=takers, bits=bits, cuts=counts, share=_share
    )  # fmt: skip
    return mixing.stem_mixer(processing, inner, plan.track, lufs, first=int(with_mixture), cuts=counts)


def _share(mixture: np.ndarray, stems: np.ndarray, takers: Sequence[int]) -> np.ndarray:
    from model.streaming.consistency import share_residual

    return share_residual(mixture, stems, among=takers)


def _sinks(plan: SeparatePlan, stack: contextlib.ExitStack) -> tuple[list[Sink], list[tuple[Sink, int]]]:
    """Open what is written to: the sinks, and the sink and track of each sound."""
    job, track = plan.job, plan.track
    if plan.film is not None:
        rate = track.sample_rate or 0
        begins = plan.source.begin(plan.film.media, rate, film_begin(plan.film.media, rate))
        film = stack.enter_context(
            FilmSink(
                plan.film.media, track, job.output, plan=plan.film, force=job.force, begin=[begins] * len(plan.sounds)
            )
        )
        return [film], [(film, number) for number in range(len(plan.sounds))]
    files = plan.files or {}
    if not _is_file(job.output):
        stack.enter_context(made_folder(job.output))
    sinks: list[Sink] = [stack.enter_context(_sink(plan, sound, path)) for sound, path in files.items()]
    return sinks, [(sink, 0) for sink in sinks]


def _sink(plan: SeparatePlan, sound: str, path: Path) -> Sink:
    """Open the file of one sound."""
    job, track, form = plan.job, plan.track, plan.format
    if form is not None and form.codec is not None:
        film = plan.source.written(plan.media)
        new = NewTrack(film.audio_track(track.number), track, form.codec, sound.capitalize())
        alone = fit.plan_sounds(film, [new], form.container, suffix=path.suffix, picture=False)
        return FilmSink(film, track, path, plan=alone, force=job.force)
    written = _written_track(job, track)
    sink = SoundFileSink(
        path, sample_rate=written.sample_rate or 0, channels=written.channels or 0,
        subtype=(form.subtype if form else None) or "float32", layout=written.layout, source=plan.media.path,
        force=job.force,
    )  # fmt: skip
    try:
        return _for_speech(sink, track) if job.purpose else sink
    except BaseException:
        sink.abort()
        raise


def _written_track(job: SeparateJob, track: Stream) -> Stream:
    """Return a track as its stems are written."""
    return replace(track, sample_rate=SPEECH_RATE, channels=1, layout="mono") if job.purpose else track


def _for_speech(sink: Sink, track: Stream) -> Sink:
    """Let a sink take a track of any rate and channels, for speech recognisers."""
    stereo = stereo_matrix(track, speakers(track.layout))
    return SpeechSink(sink, track.sample_rate or 0, mono_fold(track.channels or 1, stereo))


def _files(job: SeparateJob, media: Media, track: Stream, sounds: tuple[str, ...], word: str) -> dict[str, Path]:
    """Return where each sound goes, after a look whether it can."""
    if _is_file(job.output):
        check_destination(job.output, source=media.path, force=job.force)
        return dict.fromkeys(sounds, job.output)
    values = {"name": media.path.stem, "track": str(track.number + 1), "language": track.language or "und"}
    names = file_names(job.template, sounds, StemFormat.suffix_of(word), values)
    check_folder(job.output)
    files = {sound: job.output / name for sound, name in names.items()}
    if job.output.exists():
        for path in files.values():
            check_destination(path, source=media.path, force=job.force)
    return files


def _names(plan: SeparatePlan) -> str:
    """Return what was written, for people."""
    if _is_file(plan.job.output):
        return str(plan.job.output)
    return f"{', '.join(path.name for path in plan.paths)} in {plan.job.output}"


def takes_film(job: SeparateJob) -> bool:
    """Return whether the stems go into a file that takes the film's picture along."""
    container = None if pipes.is_output_pipe(job.output) else muxer_named(job.output.suffix)
    if container is None or job.output.is_dir() or container in _ONE_TRACK:
        return False
    return not sound_only(container, job.output.suffix)


def _is_file(output: Path) -> bool:
    """Return whether an output is a file by its name, rather than a folder."""
    return muxer_named(output.suffix) is not None and not output.is_dir()


def _format_word(job: SeparateJob) -> str:
    """Return the kind of file, as the user said it: with --format, or by the suffix of -o."""
    asked = job.format.lower().removeprefix(".") if job.format else None
    if not _is_file(job.output):
        return asked or "wav"
    suffix = job.output.suffix.lower().removeprefix(".")
    if asked is not None and asked != suffix:
        raise UsageError(f"'{job.output}' is no {asked} file: leave --format away, or give a folder with -o")
    return suffix
