"""`cfork info`."""

from __future__ import annotations

from typing import Annotated

import typer

from cfork_cli.commands.options import InputFile, Json, Quiet
from cfork_cli.console.console import Console


def info(
    input: InputFile,
    no_loudness: Annotated[
        bool, typer.Option("--no-loudness", help="Show only what the headers say; decode nothing.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show the tracks of a film, how loud they are, and what remix would do.

    Loudness is integrated, range (EBU R 128) and true peak, of every sound track.

    Example: cfork info movie.mkv
    """
    from cfork_cli.commands.info_table import show

    with Console(quiet=quiet, as_json=as_json) as console:
        show(input, console, with_loudness=not no_loudness)
