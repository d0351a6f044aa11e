"""`cfork plot`: its options and help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cfork_cli.commands import completion
from cfork_cli.commands.options import (
    Device,
    DeviceOption,
    Duration,
    End,
    Force,
    InputFile,
    Json,
    Model,
    Precision,
    PrecisionOption,
    Quiet,
    Start,
    Track,
    gain_option,
    piece,
)
from cfork_cli.console.console import Console


def plot(
    input: InputFile,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The picture: .png, .svg or .pdf. [default: movie.sound.png beside movie.mkv]",
            show_default=False,
        ),
    ] = None,
    dialog: Annotated[str, gain_option("--dialog", "--dialogue", help="Gain of the voices in the remix.")] = "0",
    music: Annotated[str, gain_option("--music", help="Gain of the music in the remix.")] = "0",
    effects: Annotated[str, gain_option("--effects", "--sfx", help="Gain of the effects in the remix.")] = "0",
    theme: Annotated[
        str,
        typer.Option(
            metavar="light|dark", help="Colours of the picture.", autocompletion=completion.choices("light", "dark")
        ),
    ] = "light",
    track: Track = None,
    start: Start = None,
    end: End = None,
    duration: Duration = None,
    model: Model = "cfork",
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw a film's sound: loudness of the stems, where somebody speaks, spectrograms before and after.

    With gains, the second spectrogram is that of the remix; without, that of the dialogue. Needs matplotlib:
    pip install 'cfork[plot]'.

    Example: cfork plot movie.mkv --dialog +6 --music -10 -o film.png
    """
    from cfork_cli.commands.finish import show
    from cfork_cli.flows.plot import PlotJob
    from cfork_cli.flows.plot import plot as flow
    from cfork_cli.flows.stem_levels import ListenJob
    from cfork_cli.mix.gains import parse_gains_db

    with Console(quiet=quiet, as_json=as_json) as console:
        listen = ListenJob(track, model=model, device=device.value, precision=precision.value,
                           **piece(start, end, duration))  # fmt: skip
        gains = parse_gains_db(music=music, dialogue=dialog, effects=effects)
        show(flow(PlotJob(input, output, listen, gains, theme.strip().lower(), force), console), console)
