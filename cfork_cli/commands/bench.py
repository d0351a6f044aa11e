"""`cfork bench`: its options and help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cfork_cli.commands.options import Device, Force, Json, Models, Precision, PrecisionOption, Quiet
from cfork_cli.console.console import Console


class Layout(StrEnum):
    """Layouts of films that are generated."""

    mono = "mono"
    stereo = "stereo"
    surround = "5.1"


def bench(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A real film to measure with. [default: generated sound, 48 kHz, always the same]",
            show_default=False,
        ),
    ] = None,
    model: Models = None,
    device: Annotated[
        list[Device] | None,
        typer.Option(
            metavar="<auto|cpu|cuda>",
            help="Device for the network; repeat for several. [default: auto]",
            show_default=False,
        ),
    ] = None,
    layout: Annotated[
        list[Layout] | None,
        typer.Option(
            metavar="<mono|stereo|5.1>",
            help="Layout of the generated sound; repeat for several. [default: stereo]",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        list[float] | None,
        typer.Option(
            metavar="S",
            help="Length of the sound, or of the beginning of FILE; repeat for several. [default: 30, or all of FILE]",
            show_default=False,
        ),
    ] = None,
    precision: PrecisionOption = Precision.auto,
    runs: Annotated[int, typer.Option(metavar="N", min=1, help="Runs of everything; figures are their medians.")] = 3,
    brief: Annotated[
        bool, typer.Option("--brief", help="Measure the whole command only: no stages, no comparison.")
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

    Times the whole command and each of its stages, and compares with the whole file in one pass (as the authors of MRX
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
