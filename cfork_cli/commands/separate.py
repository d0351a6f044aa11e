"""`cfork separate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cfork_cli.commands import completion
from cfork_cli.commands.desk import (
    DialogFilters,
    DialogReverb,
    Duck,
    EffectsFilters,
    EffectsReverb,
    MusicFilters,
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
    Inputs,
    Json,
    Layout,
    Model,
    Precision,
    PrecisionOption,
    Quiet,
    Rate,
    Resume,
    Start,
    Track,
    piece,
)
from cfork_cli.console.console import Console


def separate(
    inputs: Inputs,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR|FILE|-",
            help="Folder for the stems, made if missing; or one file with a track for each, such as stems.mka, or "
            "stems.mkv with the film's picture; or - for a pipe. [default: movie.stems beside movie.mkv]",
            show_default=False,
        ),
    ] = None,
    stem: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="dialogue, music or effects; may be repeated. [default: all three]",
            show_default=False,
            autocompletion=completion.stems,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Kind of the files: wav, flac, mka, opus, mp3, m4a, alac, ogg, ... [default: wav]",
            show_default=False,
            autocompletion=completion.stem_formats,
        ),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Bits of a sample: 16, 24, or 32 (float). [default: 32 in WAV, 24 elsewhere]",
            show_default=False,
            autocompletion=completion.choices("16", "24", "32"),
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Codec, instead of the usual one of that kind of file.",
            show_default=False,
            autocompletion=completion.codecs,
        ),
    ] = None,
    purpose: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="PURPOSE",
            help="asr: the dialogue (or --stem) as speech recognisers take it: WAV, mono, 16 kHz, 16 bits, with the "
            "film's times.",
            show_default=False,
            autocompletion=completion.choices("asr"),
        ),
    ] = None,
    template: Annotated[
        str,
        typer.Option(metavar="TEXT", help="File names in the folder, with {stem}, {name}, {track}, {language}."),
    ] = "{stem}",
    mixture: Annotated[bool, typer.Option("--mixture", help="Write the film's own sound too, first.")] = False,
    residual: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            help="What to do with sound that was assigned to no stem, so that all add up to the film exactly: add to "
            "stems (music,effects), to all, write a file of its own (file), or none.",
            autocompletion=completion.residuals,
        ),
    ] = "none",
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
    track: Track = None,
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
    recursive: Recursive = False,
    include: Include = None,
    exclude: Exclude = None,
    jobs: JobsOrWorkers = None,
    engine: EngineOption = EngineName.here,
    address: Address = None,
    force: Force = False,
    accept_damaged: AcceptDamaged = False,
    resume: Resume = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write dialogue, music and effects as sounds of their own.

    Effects and what follows the voice are applied to the stems; gains and loudness of a preset are not.

    Of several films, a folder, a pattern, or a list (@films.txt), each gets a folder of its own (docs/folders.md).

    Example: cfork separate movie.mkv -o stems/ --residual music,effects
    """

    from cfork_cli.api.films import settings
    from cfork_cli.batch.film import Film
    from cfork_cli.batch.find import is_many
    from cfork_cli.commands.finish import run_or_describe
    from cfork_cli.flows import run as flow
    from cfork_cli.flows.jobs import PipeOptions, SeparateJob
    from cfork_cli.flows.separate import check_settings
    from cfork_cli.media import pipes

    input, many, asked = Path(inputs[0]), is_many(inputs), output
    if many:
        output = Path("films.stems")  # each film gets its own
    output = output or (Path("-") if pipes.is_input_pipe(input) else input.with_name(f"{input.stem}.stems"))
    with Console(quiet=quiet, as_json=as_json, stdout_is_taken=pipes.is_stdout(output)) as console:
        check_engine(engine, address, inputs, output)
        made = settings(
            preset, (None, None, None), (dialog_fx, music_fx, effects_fx),
            (dialog_reverb, music_reverb, effects_reverb), speech_boost, duck or None, night,
        )  # fmt: skip
        job = SeparateJob(
            input=input,
            output=output,
            stems=tuple(stem or ()),
            format=format,
            bits=bits,
            codec=codec,
            template=template,
            mixture=mixture,
            residual=residual,
            track=track,
            model=model,
            device=device.value,
            precision=precision.value,
            input_lufs=input_lufs,
            force=force,
            purpose=purpose,
            processing=made.processing,
            preset=preset,
            accept_damaged=accept_damaged,
            resume=resume,
            **piece(start, end, duration),
        )
        options = PipeOptions(pipes.raw_format(input_format, rate, channels, layout))
        if many:
            check_alone(input_format=input_format, rate=rate, channels=channels, layout=layout)
            folder = None if asked is None else str(asked)
            found = films_of(inputs, folder, recursive=recursive, include=include, exclude=exclude)
            check_settings(job)
            places = [one.path.parent if asked is None else one.target(asked) for one in found]
            films = [
                Film(replace(job, input=one.path, output=place / f"{one.path.stem}.stems"))
                for one, place in zip(found, places, strict=True)
            ]
            run_many(films, console, jobs=jobs, dry_run=dry_run, engine=engine, address=address)
            return
        if engine is EngineName.ray:
            run_many([Film(job)], console, jobs=jobs, dry_run=dry_run, engine=engine, address=address)
            return
        pipes.check_terminal(None if dry_run else job.output)
        run_or_describe(
            console,
            dry_run,
            lambda: flow.planned_separation(job, options, console),
            lambda: flow.separate(job, options, console),
        )
