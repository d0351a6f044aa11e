"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Device(StrEnum):
    """Where the network runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class SoundFormat(StrEnum):
    """Files that `separate` writes."""

    wav = "wav"
    flac = "flac"


InputFile = Annotated[Path, typer.Argument(metavar="INPUT", help="The film or sound file.", show_default=False)]
Track = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Sound track, counted from 1. [default: the track a player would choose]", show_default=False
    ),
]
Model = Annotated[str, typer.Option(metavar="NAME|PATH", help="A bundled model, or a file of weights.")]
DeviceOption = Annotated[Device, typer.Option(help="Where the network runs; auto takes a CUDA GPU if there is one.")]
InputLufs = Annotated[
    float | None,
    typer.Option(
        metavar="LUFS",
        help="Integrated loudness of the track, if known: saves the pass that measures it.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace the output if it exists already.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check input and output, say what would be done, write nothing.")
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object on stdout, errors too; progress as JSON lines on stderr.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]


def gain_option(*names: str, help: str) -> Any:
    """An option that takes decibels."""
    return typer.Option(*names, metavar="DB", help=help)
