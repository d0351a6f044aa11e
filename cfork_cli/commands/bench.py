"""`cfork bench`: its options and help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cfork_cli.commands.options import Device, Force, Json, Models, Precision, PrecisionOption, Quiet
from cfork_cli.console.console import Console


class Layout(StrEnum):
    """Layouts of films that are made on the spot."""

    mono = "mono"
    stereo = "stereo"
    surround = "5.1"


def bench(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A real film to measure with. [default: sound made on the spot, 48 kHz, always the same]",
            show_default=False,
        ),
    ] = None,
    model: Models = None,
    device: Annotated[
        list[Device] | None,
        typer.Option(
            metavar="<auto|cpu|cuda>",
            help="Where the network runs; again for another. [default: auto]",
            show_default=False,
        ),
    ] = None,
    layout: Annotated[
        list[Layout] | None,
        typer.Option(
            metavar="<mono|stereo|5.1>",
            help="Of the sound made on the spot; again for another. [default: stereo]",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        list[float] | None,
        typer.Option(
            metavar="S",
            help="Length, or how much of FILE from its start; again for another. [default: 30, or all of FILE]",
            show_default=False,
        ),
    ] = None,
    precision: PrecisionOption = Precision.auto,
    runs: Annotated[int, typer.Option(metavar="N", min=1, help="Rounds; figures are medians of them.")] = 3,
    brief: Annotated[
        bool, typer.Option("--brief", help="Only the whole command: no stages, and nothing to compare it with.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write every figure to a .json or .csv file, or the tables to an .md file.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure how fast cfork is on this machine, and where the time goes.

    Times the whole command and every stage of it, and compares with the whole file in one pass (as the authors of MRX
    do it), the network alone, and the time that its arithmetic takes.

    Example: cfork bench movie.mkv --seconds 60 --model cfork --model mrx
    """
    from cfork_cli.bench import run as flow

    with Console(quiet=quiet, as_json=as_json) as console:
        job = flow.BenchJob(
            input=file,
            models=tuple(model or ["cfork"]),
            devices=tuple(one.value for one in device or [Device.auto]),
            layouts=tuple(one.value for one in layout or []),
            seconds=tuple(seconds or []),
            precision=precision.value,
            runs=runs,
            brief=brief,
            output=output,
            force=force,
        )
        flow.bench(job, console)
