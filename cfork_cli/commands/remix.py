"""`cfork remix`: its options and help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfork_cli.commands import completion
from cfork_cli.commands.desk import (
    DialogFilters,
    DialogGain,
    DialogReverb,
    Duck,
    EffectsFilters,
    EffectsGain,
    EffectsReverb,
    MusicFilters,
    MusicGain,
    MusicReverb,
    Night,
    PresetName,
    SpeechBoost,
)
from cfork_cli.commands.many import (
    Address,
    EngineName,
    EngineOption,
    Exclude,
    Include,
    JobsOrWorkers,
    Recursive,
    check_alone,
    check_engine,
    check_left_over,
    films_of,
    run_many,
)
from cfork_cli.commands.options import (
    AcceptDamaged,
    Channels,
    Device,
    DeviceOption,
    DryRun,
    Duration,
    End,
    Force,
    InputFormat,
    InputLufs,
    InputsOrAddress,
    Json,
    Layout,
    Model,
    Precision,
    PrecisionOption,
    Quiet,
    Rate,
    Resume,
    Start,
    Tracks,
    film_output,
    piece,
)
from cfork_cli.commands.sound import BitRate, Codec, Fold, LoudnessGoalOption, Title
from cfork_cli.console.console import Console

if TYPE_CHECKING:
    from cfork_cli.batch.film import Film, InPlace
    from cfork_cli.batch.find import Found
    from cfork_cli.flows.jobs import PipeOptions, RemixJob


def remix(
    inputs: InputsOrAddress,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|DIR|-",
            show_default=False,
            help="The new film; its suffix sets the kind of file; or a folder for one or many; - is standard output. "
            "[default: beside the input, movie.cfork.mkv for movie.mkv]",
        ),
    ] = None,
    dialog: DialogGain = None,
    music: MusicGain = None,
    effects: EffectsGain = None,
    preset: PresetName = None,
    dialog_fx: DialogFilters = None,
    music_fx: MusicFilters = None,
    effects_fx: EffectsFilters = None,
    dialog_reverb: DialogReverb = None,
    music_reverb: MusicReverb = None,
    effects_reverb: EffectsReverb = None,
    speech_boost: SpeechBoost = None,
    duck: Duck = None,
    night: Night = None,
    track: Tracks = None,
    keep_original: Annotated[
        bool, typer.Option("--keep-original", help="Add the new track beside the old one, instead of replacing it.")
    ] = False,
    sidecar: Annotated[
        bool,
        typer.Option(
            "--sidecar", help="Leave the film alone: write only the sound, movie.eng.cfork.mka, for players to find."
        ),
    ] = False,
    title: Title = None,
    default: Annotated[
        bool,
        typer.Option(
            "--default/--no-default",
            help="With --keep-original: whether players begin with the new track. [default: they do]",
            show_default=False,
        ),
    ] = True,
    codec: Codec = None,
    bitrate: BitRate = None,
    downmix: Fold = None,
    loudness: LoudnessGoalOption = None,
    start: Start = None,
    end: End = None,
    duration: Duration = None,
    model: Model = "cfork",
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    input_lufs: InputLufs = None,
    input_format: InputFormat = None,
    rate: Rate = None,
    channels: Channels = None,
    layout: Layout = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Format of the sound in the pipe: wav, matroska, flac, ..., or bare f32le, s16le, ... "
            "[default: matroska for a film, wav for sound]",
            show_default=False,
            autocompletion=completion.choices("matroska", "wav", "flac", "f32le", "s16le"),
        ),
    ] = None,
    recursive: Recursive = False,
    include: Include = None,
    exclude: Exclude = None,
    jobs: JobsOrWorkers = None,
    engine: EngineOption = EngineName.here,
    address: Address = None,
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place",
            help="Let the new film take the old one's name, once it is complete and was read back; the old one stays "
            "as movie.mkv.bak.",
        ),
    ] = False,
    no_backup: Annotated[bool, typer.Option("--no-backup", help="With --in-place: do not keep the old film.")] = False,
    force: Force = False,
    force_model: Annotated[
        bool, typer.Option("--force-model", help="Take a model whose stems do not have the film's level.")
    ] = False,
    accept_damaged: AcceptDamaged = False,
    resume: Resume = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give a film new levels of dialogue, music and effects.

    The picture, the other tracks, subtitles, chapters and attachments are copied as they are. Gains are in decibels,
    from -inf (mute) to +24; 0 leaves a part exactly as it is. The input is never changed, unless with --in-place.

    Of several films, a folder, a pattern, or a list (@films.txt), each is done by itself: one that fails stops no
    other, what is done is not done again, and the same command goes on after an interruption (docs/folders.md).

    Example: cfork remix movie.mkv --dialog +6 --music -10

    Example: cfork remix films/ -r --dialog +6 -o louder/

    Example: cfork remix movie.mkv --speech-boost auto --duck music:4 --dialog-fx highpass=f=90,acompressor
    """
    from cfork_cli.api.films import job_of, settings
    from cfork_cli.batch.film import Film, InPlace
    from cfork_cli.batch.find import is_many
    from cfork_cli.errors import UsageError
    from cfork_cli.flows import web
    from cfork_cli.flows.jobs import PipeOptions
    from cfork_cli.flows.remix import check_early
    from cfork_cli.flows.source import existing
    from cfork_cli.media import pipes
    from cfork_cli.output.stem_folder import in_folder

    input, many = inputs[0], in_place or is_many(inputs)
    source, folder = Path(input), None
    if many:
        target = None
    elif web.is_address(input):  # what the film will be called is not known yet
        folder = Path(output) if output and (output.endswith(("/", "\\")) or Path(output).is_dir()) else None
        target = Path(output) if output and folder is None else None
    else:
        target = film_output(output, source) or pipes.natural_output(source)
    with (
        Console(quiet=quiet, as_json=as_json, stdout_is_taken=pipes.is_stdout(target)) as console,
        in_folder(None if many else output, keep=not dry_run),
    ):
        effects_asked = (preset, dialog_fx, music_fx, effects_fx, dialog_reverb, music_reverb, effects_reverb)
        others = (output, codec, bitrate, downmix, loudness, title, start, end, duration, input_format)
        words = (dialog, music, effects, *effects_asked, speech_boost, duck or None, night, *others)
        asked = keep_original or sidecar or any(word is not None for word in words)
        check_left_over(inputs)
        check_engine(engine, address, inputs, target)
        if no_backup and not in_place:
            raise UsageError("--no-backup goes with --in-place")
        if not asked and (many or not pipes.is_input_pipe(source)):
            raise UsageError("nothing to change: give new levels, such as --dialog +6 --music -10")
        made = settings(
            preset, (dialog, music, effects), (dialog_fx, music_fx, effects_fx),
            (dialog_reverb, music_reverb, effects_reverb), speech_boost, duck or None, night, loudness, codec, bitrate,
        )  # fmt: skip
        job = job_of(
            source, made, preset, target, track or (), downmix=downmix is not None, keep_original=keep_original,
            sidecar=sidecar, title=title, default=default, model=model, device=device.value, precision=precision.value,
            input_lufs=input_lufs, force=force, accept_damaged=accept_damaged, force_model=force_model, resume=resume,
            **piece(start, end, duration),
        )  # fmt: skip
        options = PipeOptions(pipes.raw_format(input_format, rate, channels, layout), output_format)
        if many:
            asked_of_pipes = {"input_format": input_format, "rate": rate, "channels": channels, "layout": layout}
            check_alone(**asked_of_pipes, output_format=output_format)
            found = films_of(inputs, output, recursive=recursive, include=include, exclude=exclude)
            kept = InPlace(backup=not no_backup) if in_place else None
            _check_many(job, output, kept)
            check_early(replace(job, output=None))
            films = [film_of(job, one, None if output is None else one.target(Path(output)), kept) for one in found]
            run_many(films, console, jobs=jobs, dry_run=dry_run, engine=engine, address=address)
            return
        pipes.check_terminal(None if dry_run else job.output)
        if engine is EngineName.ray:
            check_early(replace(job, output=None))
            run_many([Film(job)], console, jobs=jobs, dry_run=dry_run, engine=engine, address=address)
            return
        if not web.is_address(input):
            _run(job, options, console, dry_run)
            return
        check_early(job)  # before the film is fetched
        with web.local(input, existing(job.output or folder or Path()), console) as path:
            beside = (folder or Path.cwd()) / f"{path.stem}.cfork{'.mka' if sidecar else path.suffix}"
            _run(replace(job, input=path, output=job.output or beside), options, console, dry_run)


def _check_many(job: RemixJob, output: str | None, in_place: InPlace | None) -> None:
    """Refuse options that make no sense for many films, or for films that are replaced.

    Raises:
        UsageError: one was given.
    """
    from cfork_cli.errors import UsageError

    if job.sidecar and (output is not None or in_place is not None):
        raise UsageError("--sidecar writes beside the films: leave -o and --in-place away")
    if in_place is not None and output is not None:
        raise UsageError("--in-place replaces the film, so there is nothing for -o: take one of them")
    if in_place is not None and job.resume:
        raise UsageError("--resume keeps pieces beside a new film: leave it or --in-place away")
    if in_place is not None and not (job.start is None and job.end is None):
        raise UsageError(
            "--in-place would leave a piece of the film and no more: leave --start and --end away, or give -o"
        )


def film_of(job: RemixJob, found: Found, folder: Path | None, in_place: InPlace | None) -> Film:
    """Return a film to do: in a folder, or beside the old one, it gets the usual name."""
    from cfork_cli.batch.film import Film
    from cfork_cli.output.destination import beside

    output = None if folder is None else beside(folder / found.path.name, f".cfork{found.path.suffix}")
    return Film(replace(job, input=found.path, output=output), in_place)


def _run(job: RemixJob, options: PipeOptions, console: Console, dry_run: bool) -> None:
    """Carry the job out, or describe it."""
    from cfork_cli.commands.finish import run_or_describe
    from cfork_cli.flows import run as flow

    run_or_describe(
        console,
        dry_run,
        lambda: flow.planned_remix(job, options, console),
        lambda: flow.remix(job, options, console),
    )
