"""`cfork dub`: its options and help."""

from __future__ import annotations

from typing import Annotated

import typer

from cfork_cli.commands import completion
from cfork_cli.commands.options import (
    Device,
    DeviceOption,
    DryRun,
    Force,
    InputFile,
    InputLufs,
    Json,
    Model,
    Precision,
    PrecisionOption,
    Quiet,
    Track,
    film_output,
)
from cfork_cli.console.console import Console


def dub(
    input: InputFile,
    voice: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VOICE...",
            help="Sound files with the new voices: one for the whole film, or several, each with the time at which it "
            "begins, as in line.wav@1:02.5.",
            show_default=False,
            autocompletion=completion.films,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|DIR",
            help="The new film; or an .mka file for the new track alone. [default: movie.cfork.mkv beside movie.mkv]",
            show_default=False,
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            metavar="LANGUAGE",
            help="Language of the new track, such as spa or Spanish.",
            show_default=False,
            autocompletion=completion.languages,
        ),
    ] = None,
    me: Annotated[
        bool, typer.Option("--me", help="No voices: add a track of music and effects alone, for dubbing elsewhere.")
    ] = False,
    offset: Annotated[
        str, typer.Option(metavar="TIME", help="Delay of all voices, in seconds; negative, as in -0.5, begins earlier.")
    ] = "0",
    level: Annotated[
        float, typer.Option(metavar="DB", help="Level of the voices over the loudness of the old dialogue.")
    ] = 0.0,
    title: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Title of the new track. [default: Dub, or Music and effects]", show_default=False
        ),
    ] = None,
    default: Annotated[
        bool, typer.Option("--default/--no-default", help="Whether players begin with the new track.")
    ] = False,
    track: Track = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Codec of the new track. [default: that of the old one]",
            show_default=False,
            autocompletion=completion.codecs,
        ),
    ] = None,
    bitrate: Annotated[
        str | None, typer.Option(metavar="RATE", help="Bit rate of the new track, such as 320k.", show_default=False)
    ] = None,
    model: Model = "cfork",
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    input_lufs: InputLufs = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add a track with other voices: the film's music and effects, and the voices where its dialogue was.

    The voices get the loudness of the old dialogue; the old track stays as it is, and everything else too.

    Example: cfork dub movie.mkv voice.wav --language spa
    """
    from cfork_cli.commands.finish import run_or_describe
    from cfork_cli.errors import UsageError
    from cfork_cli.flows import dub as flow
    from cfork_cli.flows import run
    from cfork_cli.flows.jobs import PipeOptions
    from cfork_cli.text import parse_time

    if me and voice:
        raise UsageError("--me is the track without voices: leave the voices away, or --me")
    if me and (level or offset != "0"):
        raise UsageError("--offset and --level are for voices: leave them away, or --me")
    moved = -parse_time(offset[1:]) if offset.startswith("-") else parse_time(offset.removeprefix("+"))
    target = film_output(output, input)
    with Console(quiet=quiet, as_json=as_json) as console:
        film = flow.film_job(
            input, target, language=language, title=title, default=default, track=track, codec=codec, bitrate=bitrate,
            model=model, device=device.value, precision=precision.value, input_lufs=input_lufs, force=force,
            with_voices=not me,
        )  # fmt: skip
        if me:
            run_or_describe(
                console, dry_run, lambda: run.planned_remix(film, PipeOptions(), console),
                lambda: run.remix(film, PipeOptions(), console),
            )  # fmt: skip
            return
        voices = [flow.parse_voice(one) for one in voice or ()]
        job = flow.DubJob(film, tuple((path, at + moved) for path, at in voices), level)
        run_or_describe(console, dry_run, lambda: flow.planned_dub(job, console), lambda: flow.dub(job, console))
