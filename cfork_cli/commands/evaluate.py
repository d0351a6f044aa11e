"""`cfork evaluate`: its options and help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cfork_cli.commands.options import (
    Device,
    DeviceOption,
    Force,
    Json,
    Models,
    Precision,
    PrecisionOption,
    Quiet,
    Split,
    gain_option,
)
from cfork_cli.console.console import Console


def evaluate(
    tree: Annotated[
        Path,
        typer.Argument(
            metavar="TREE",
            help="Folder of scenes (each a folder with mix, music, speech and sfx.wav), of tr, cv and tt, or of "
            "special cases.",
            show_default=False,
        ),
    ],
    model: Models = None,
    split: Annotated[
        Split | None,
        typer.Option(help="Which part of a whole set. [default: tt]", show_default=False),
    ] = None,
    scenes: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Only the first N scenes, of each special case.", show_default=False),
    ] = None,
    dialog: Annotated[str, gain_option("--dialog", "--dialogue", help="Remix to score: gain of the voices.")] = "+6",
    music: Annotated[str, gain_option("--music", help="Remix to score: gain of the music.")] = "-6",
    effects: Annotated[str, gain_option("--effects", "--sfx", help="Remix to score: gain of the effects.")] = "-6",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write every figure of every scene to a .json or .csv file, or the tables to an .md file.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Processes of one thread each, for the CPU.")] = 1,
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score models on scenes whose stems are known, laid out as in Divide and Remaster (DnR).

    SI-SDR, SNR and their gains over the mixture, and the SNR of a remix; mean and median with 95 % intervals.

    Example: cfork evaluate dnr/tt --scenes 20 --model cfork --model mine.safetensors
    """
    from cfork_cli.mix.gains import parse_gains_db
    from cfork_cli.training import scoring

    with Console(quiet=quiet, as_json=as_json) as console:
        job = scoring.ScoringJob(
            tree=tree,
            models=tuple(model or ["cfork"]),
            gains_db=parse_gains_db(music=music, dialogue=dialog, effects=effects),
            split=split.value if split else None,
            scenes=scenes,
            workers=workers,
            device=device.value,
            precision=precision.value,
            output=output,
            force=force,
        )
        scoring.evaluate(job, console)
