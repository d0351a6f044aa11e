"""`cfork info`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cfork_cli.commands import completion
from cfork_cli.commands.many import Exclude, Include, Recursive
from cfork_cli.commands.options import (
    Device,
    DeviceOption,
    Duration,
    End,
    Json,
    Model,
    Precision,
    PrecisionOption,
    Quiet,
    Start,
    Track,
    piece,
)
from cfork_cli.console.console import Console


def info(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Films or sound files; folders, patterns, @films.txt.",
            show_default=False,
            autocompletion=completion.films,
        ),
    ],
    no_loudness: Annotated[
        bool, typer.Option("--no-loudness", help="Show only what the headers say; decode nothing.")
    ] = False,
    separate: Annotated[
        bool,
        typer.Option(
            "--separate",
            help="Separate one track, and show how loud dialogue, music and effects are, how far speech lies over the "
            "rest, and how much of the sound is in no stem.",
        ),
    ] = False,
    track: Track = None,
    start: Start = None,
    end: End = None,
    duration: Duration = None,
    model: Model = "cfork",
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    recursive: Recursive = False,
    include: Include = None,
    exclude: Exclude = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show the tracks of a film, how loud they are, and what remix would do.

    Loudness is integrated, range (EBU R 128) and true peak, of every sound track. --track, --start, --end, --model and
    --device go with --separate. Of several films, one that fails stops no other; --json prints a line for each.

    Example: cfork info movie.mkv --separate
    """
    from cfork_cli.batch.find import find, is_many
    from cfork_cli.commands.info_table import show
    from cfork_cli.errors import CforkError, UsageError
    from cfork_cli.flows.checks import check_model
    from cfork_cli.flows.stem_levels import ListenJob

    listen = None
    if separate:
        check_model(model)
        listen = ListenJob(track, model=model, device=device.value, precision=precision.value,
                           **piece(start, end, duration))  # fmt: skip
    elif any(word is not None for word in (track, start, end, duration)):
        raise UsageError("--track, --start, --end and --duration choose what is separated: add --separate")
    with Console(quiet=quiet, as_json=as_json) as console:
        if not is_many(inputs):
            show(Path(inputs[0]), console, with_loudness=not no_loudness, listen=listen)
            return
        failed = False
        for one in find(inputs, recursive=recursive, include=include or (), exclude=exclude or (), repeated=True):
            try:
                show(one.path, console, with_loudness=not no_loudness, listen=listen)
            except CforkError as error:
                failed = True
                console.failed(f"{one.path}: {error}")
                console.result(input=str(one.path), error=str(error), exit_code=error.exit_code)
        if failed:
            raise typer.Exit(1)
