"""Options of a new sound track, which several commands share: its title, codec, bit rate, channels and loudness."""

from __future__ import annotations

from typing import Annotated

import typer

from cfork_cli.commands import completion
from cfork_cli.commands.options import Downmix

Title = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Title of the new track. [default: the old one, or the levels where both are there]",
        show_default=False,
    ),
]
Codec = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Codec of the new track, such as flac, aac or ac3. [default: that of the old one]",
        show_default=False,
        autocompletion=completion.codecs,
    ),
]
BitRate = Annotated[
    str | None,
    typer.Option(
        metavar="RATE",
        help="Bit rate of the new track, such as 320k. [default: at least the old one]",
        show_default=False,
    ),
]
Fold = Annotated[
    Downmix | None,
    typer.Option(help="Fold surround sound to stereo (ITU-R BS.775), without clipping.", show_default=False),
]
LoudnessGoalOption = Annotated[
    str | None,
    typer.Option(
        metavar="LUFS|keep|dialogue:LUFS",
        help="Loudness of the new track (BS.1770, EBU R 128), peaks held under -1 dBTP where something was raised: "
        "-16, -23, keep (as loud as before), or dialogue:-27, where the voices alone get that loudness.",
        show_default=False,
        autocompletion=completion.choices("-16", "-23", "-14", "keep"),
    ),
]
