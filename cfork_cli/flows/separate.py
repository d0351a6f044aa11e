"""The flow of `cfork separate`: probe, decode, separate, make the stems add up, write.

`plan_separate` does every check that needs no heavy work and returns a plan; `separate` carries it out.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from cfork_cli.codecs.stem_format import StemFormat, check_words, stem_format
from cfork_cli.console.console import Console
from cfork_cli.errors import UsageError
from cfork_cli.flows import separator as pipeline
from cfork_cli.flows.stem_jobs import SeparateJob, SeparatePlan
from cfork_cli.flows.stem_names import MIXTURE, RESIDUAL, file_names, residual_takers, stem_names
from cfork_cli.input.decode import decode
from cfork_cli.media import tracks
from cfork_cli.media.containers import muxer_named, sound_only
from cfork_cli.media.pipes import is_output_pipe
from cfork_cli.media.probe import probe
from cfork_cli.media.samples import over_full_scale
from cfork_cli.media.types import Media, Stream
from cfork_cli.mix.residual import settle
from cfork_cli.output.destination import check_destination
from cfork_cli.output.film import FilmSink
from cfork_cli.output.sink import Sink
from cfork_cli.output.sound_file import SoundFileSink
from cfork_cli.output.stem_files import StemFiles, check_folder
from cfork_cli.remux import fit
from cfork_cli.remux.plan import NewTrack

__all__ = ["SeparateJob", "SeparatePlan", "add_up", "plan_separate", "separate"]

_ONE_TRACK = {"wav", "w64", "flac", "mp3", "mp2", "adts", "ac3", "eac3", "aiff", "caf", "opus", "au", "wv", "tta"}
"""Containers that hold one sound."""


def check_early(job: SeparateJob) -> None:
    """Check what needs no look at the film: it may be hours of download that come through a pipe.

    Raises:
        OutputError, UsageError, ModelError: see `plan_separate`.
    """
    residual_takers(job.residual, stem_names(job.stems))
    pipeline.check_lufs(job.input_lufs)
    if not is_output_pipe(job.output):
        check_words(_format_word(job), job.bits, job.codec)
        if _is_file(job.output):
            check_destination(job.output, force=job.force)
        else:
            check_folder(job.output)
    pipeline.check_model(job.model)


def check_template(template: str) -> None:
    """Refuse names for files where there is one output.

    Raises:
        UsageError: they were given.
    """
    if template != SeparateJob.template:
        raise UsageError("--template names the files in a folder: give a folder with -o, or leave --template away")


def plan_separate(job: SeparateJob, console: Console) -> SeparatePlan:
    """Probe the film and check all that can be checked before the work.

    Raises:
        InputError, OutputError, UsageError, FfmpegError, ModelError: see `cfork_cli.errors`.
    """
    stems = stem_names(job.stems)
    takers = residual_takers(job.residual, stems)
    sounds = (*([MIXTURE] if job.mixture else []), *stems, *([RESIDUAL] if RESIDUAL in takers else []))
    word = _format_word(job)
    check_words(word, job.bits, job.codec)
    if _is_file(job.output):
        check_template(job.template)
    pipeline.check_lufs(job.input_lufs)
    media = probe(job.input)
    track = tracks.one(media, job.track)
    decode(media, track)  # starts nothing, but refuses a track whose rate or channels nobody knows
    files = _files(job, media, track, sounds, word)
    pipeline.check_model(job.model)
    form = stem_format(track, word, bits=job.bits, codec=job.codec)
    film = None
    if _is_file(job.output) and form.container not in _ONE_TRACK and form.codec is not None:
        picture = not sound_only(form.container, job.output.suffix)
        new = [NewTrack(track, track, form.codec, sound.capitalize()) for sound in sounds]
        film = fit.plan_sounds(media, new, form.container, suffix=job.output.suffix, picture=picture)
    elif _is_file(job.output) and len(sounds) > 1:
        raise UsageError(
            f"a '{job.output.suffix}' file holds one sound, not {', '.join(sounds)}: "
            "give a folder with -o, a file such as stems.mka, or one --stem"
        )
    plan = SeparatePlan(job, media, track, stems, sounds, takers, form, files, film)
    for note in plan.notes:
        console.note(note)
    return plan


def separate(plan: SeparatePlan, console: Console) -> None:
    """Write the stems.

    Raises:
        CforkError: whatever went wrong; none of the files exists then, or each is what it was before.
    """
    job, track = plan.job, plan.track
    began = time.monotonic()
    separator = pipeline.Separator.open(job, plan.media, track, console, mixes_back=False)
    cut, samples = 0, 0
    with decode(plan.media, track) as blocks:
        with _written(plan) as (write, written_notes):
            console.stage("separate", track.duration_seconds or plan.media.duration_seconds)
            for mixture, stems in separator.run(iter(blocks), plan.computed):
                sounds = add_up(mixture, stems, plan)
                cut += over_full_scale(mixture if plan.takers else sounds)
                write(sounds)
                samples += mixture.shape[-1]
                console.at(samples / blocks.sample_rate)
            console.stage("finish")
    console.end()
    notes = [*blocks.notes, *written_notes()]
    # Where stems add up they were cut before they were written, else a sink without ffmpeg tells by itself.
    if cut and plan.form.clips_over_full_scale and (plan.form.subtype is None or plan.takers):
        notes.append(f"{cut} samples were over full scale and were cut: use float32 WAV")
    seconds = samples / blocks.sample_rate
    pipeline.report(plan.facts(), tuple(notes), seconds, time.monotonic() - began, console, _names(plan))


def add_up(mixture: np.ndarray, stems: np.ndarray, plan: SeparatePlan) -> np.ndarray:
    """Everything that is written, `[sounds, channels, samples]`, the stems summing to the mixture if that was asked.

    Args:
        mixture: `[channels, samples]`.
        stems: those that were computed, `[stems, channels, samples]`.
    """
    if plan.takers:
        from model.streaming.consistency import share_residual

        if plan.takers == (RESIDUAL,):
            stems = np.concatenate((stems, np.zeros_like(mixture)[None]))
            places = [len(stems) - 1]
        else:
            places = [plan.computed.index(taker) for taker in plan.takers]
            stems = share_residual(mixture, stems, among=places)
        stems = settle(mixture, stems, places, plan.form.bits)
    return np.concatenate((mixture[None], stems)) if MIXTURE in plan.sounds else stems


@contextlib.contextmanager
def _written(plan: SeparatePlan) -> Iterator[tuple[Callable[[np.ndarray], None], Callable[[], Iterable[str]]]]:
    """Open what is written: a function that takes all sounds, and one that tells notes after the end."""
    job, track = plan.job, plan.track
    if plan.film is not None:
        with FilmSink(plan.media, track, job.output, plan=plan.film, force=job.force) as film:

            def write(sounds: np.ndarray) -> None:
                for number, sound in enumerate(sounds):
                    film.write(sound, number)

            yield write, tuple
        return

    def open_sink(sound: str, path: Path) -> Sink:
        form = plan.form
        if form.codec is not None:
            new = NewTrack(track, track, form.codec, sound.capitalize())
            alone = fit.plan_sounds(plan.media, [new], form.container, suffix=path.suffix, picture=False)
            return FilmSink(plan.media, track, path, plan=alone, force=job.force)
        return SoundFileSink(
            path, sample_rate=track.sample_rate or 0, channels=track.channels or 0, subtype=form.subtype or "float32",
            layout=track.layout, source=plan.media.path, force=job.force,
        )  # fmt: skip

    with StemFiles(plan.files, open_sink) as files:
        yield files.write, lambda: () if plan.form.codec is not None else files.notes


def _files(job: SeparateJob, media: Media, track: Stream, sounds: tuple[str, ...], word: str) -> dict[str, Path]:
    """Where each sound goes, after a look whether it can."""
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
    if _is_file(plan.job.output):
        return str(plan.job.output)
    return f"{', '.join(path.name for path in plan.files.values())} in {plan.job.output}"


def _is_file(output: Path) -> bool:
    """Whether an output is a file by its name, rather than a folder."""
    return muxer_named(output.suffix) is not None and not output.is_dir()


def _format_word(job: SeparateJob) -> str:
    """The kind of file, as the user said it: with --format, or by the suffix of -o."""
    asked = job.format.lower().removeprefix(".") if job.format else None
    if not _is_file(job.output):
        return asked or "wav"
    suffix = job.output.suffix.lower().removeprefix(".")
    if asked is not None and asked != suffix:
        raise UsageError(f"'{job.output}' is no {asked} file: leave --format away, or give a folder with -o")
    return suffix
