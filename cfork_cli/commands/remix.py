"""`cfork remix`: its options and help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfork_cli.commands.options import (
    AcceptDamaged,
    Channels,
    Device,
    DeviceOption,
    Downmix,
    DryRun,
    Duration,
    End,
    Force,
    InputFormat,
    InputLufs,
    InputOrAddress,
    Json,
    Layout,
    Model,
    Precision,
    PrecisionOption,
    Quiet,
    Rate,
    Start,
    Tracks,
    gain_option,
    piece,
)
from cfork_cli.console.console import Console

if TYPE_CHECKING:
    from cfork_cli.flows.jobs import PipeOptions, RemixJob


def remix(
    input: InputOrAddress,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|-",
            show_default=False,
            help="The new film; its suffix says the kind; - is standard output. "
            "[default: beside the input, movie.cfork.mkv for movie.mkv]",
        ),
    ] = None,
    dialog: Annotated[str, gain_option("--dialog", "--dialogue", help="Gain of the voices, in dB.")] = "0",
    music: Annotated[str, gain_option("--music", help="Gain of the music, in dB.")] = "0",
    effects: Annotated[str, gain_option("--effects", "--sfx", help="Gain of the effects and ambience, in dB.")] = "0",
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
    title: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Title of the new track. [default: the old one, or the levels where both are there]",
            show_default=False,
        ),
    ] = None,
    default: Annotated[
        bool,
        typer.Option(
            "--default/--no-default",
            help="With --keep-original: whether players begin with the new track. [default: they do]",
            show_default=False,
        ),
    ] = True,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Codec of the new track, such as flac, aac or ac3. [default: that of the old one]",
            show_default=False,
        ),
    ] = None,
    bitrate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Bit rate of the new track, such as 320k. [default: at least the old one]",
            show_default=False,
        ),
    ] = None,
    downmix: Annotated[
        Downmix | None,
        typer.Option(help="Fold surround sound to stereo (ITU-R BS.775), without clipping.", show_default=False),
    ] = None,
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
        ),
    ] = None,
    force: Force = False,
    force_model: Annotated[
        bool, typer.Option("--force-model", help="Take a model whose stems do not have the film's level.")
    ] = False,
    accept_damaged: AcceptDamaged = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give a film new levels of dialogue, music and effects.

    The picture, the other tracks, subtitles, chapters and attachments are copied as they are. Gains are in decibels,
    from -inf (mute) to +24; 0 leaves a part exactly as it is. The input is never changed.

    Example: cfork remix movie.mkv --dialog +6 --music -10
    """
    from cfork_cli.codecs.bit_rate import parse_bit_rate
    from cfork_cli.flows import web
    from cfork_cli.flows.jobs import PipeOptions, RemixJob
    from cfork_cli.flows.remix import check_early
    from cfork_cli.flows.source import existing
    from cfork_cli.media import pipes
    from cfork_cli.mix.gains import parse_gains_db

    output = output or pipes.natural_output(Path(input))
    with Console(quiet=quiet, as_json=as_json, stdout_is_taken=pipes.is_stdout(output)) as console:
        job = RemixJob(
            input=Path(input),
            output=output,
            gains_db=parse_gains_db(music=music, dialogue=dialog, effects=effects),
            tracks=tuple(track or ()),
            codec=codec,
            bit_rate=None if bitrate is None else parse_bit_rate(bitrate),
            downmix=downmix is not None,
            keep_original=keep_original,
            sidecar=sidecar,
            title=title,
            default=default,
            model=model,
            device=device.value,
            precision=precision.value,
            input_lufs=input_lufs,
            force=force,
            accept_damaged=accept_damaged,
            force_model=force_model,
            **piece(start, end, duration),
        )
        options = PipeOptions(pipes.raw_format(input_format, rate, channels, layout), output_format)
        pipes.check_terminal(None if dry_run else job.output)
        if not web.is_address(input):
            _run(job, options, console, dry_run)
            return
        check_early(job)  # before the film is fetched
        with web.local(input, existing(job.output or Path()), console) as path:
            beside = Path.cwd() / f"{path.stem}.cfork{'.mka' if sidecar else path.suffix}"
            _run(replace(job, input=path, output=job.output or beside), options, console, dry_run)


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
