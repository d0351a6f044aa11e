"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cfork_cli.commands import completion


class Device(StrEnum):
    """Devices that the network can run on."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Precision(StrEnum):
    """Number formats that the network can compute in."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


class Split(StrEnum):
    """Parts of a set of scenes, as Divide and Remaster calls them."""

    tr = "tr"
    cv = "cv"
    tt = "tt"


class Downmix(StrEnum):
    """Layouts that surround sound can be folded to."""

    stereo = "stereo"


InputFile = Annotated[
    Path,
    typer.Argument(
        metavar="INPUT",
        help="The film or sound file; - is standard input.",
        show_default=False,
        autocompletion=completion.films,
    ),
]
Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="The film or sound file; - is standard input; or several, folders, patterns, @films.txt (one a line).",
        show_default=False,
        autocompletion=completion.films,
    ),
]
InputsOrAddress = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...|URL",
        help="The film or sound file; - is standard input; or several, folders, patterns, @films.txt (one a line); or "
        "the address of a video page, which yt-dlp fetches.",
        show_default=False,
        autocompletion=completion.films,
    ),
]
InputFormat = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The input is bare samples: f32le, s16le, ..., with --rate and --channels or --layout.",
        show_default=False,
        autocompletion=completion.bare_samples,
    ),
]
Rate = Annotated[int | None, typer.Option(metavar="HZ", help="Sample rate of bare samples.", show_default=False)]
Channels = Annotated[int | None, typer.Option(metavar="N", help="Channels of bare samples.", show_default=False)]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Layout of bare samples, such as 5.1.",
        show_default=False,
        autocompletion=completion.layouts,
    ),
]
Track = Annotated[
    str | None,
    typer.Option(
        metavar="N|LANGUAGE",
        help="Sound track: a number from 1, or a language such as fra. [default: the track a player would choose]",
        show_default=False,
        autocompletion=completion.track,
    ),
]
Tracks = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="N|LANGUAGE|all",
        help="Sound track: a number from 1, a language such as fra, several (1,3), or all. "
        "[default: the track a player would choose]",
        show_default=False,
        autocompletion=completion.tracks,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        metavar="NAME|PATH",
        help="A model of `cfork models`, or a file of weights.",
        autocompletion=completion.models,
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|PATH",
        help="A model of `cfork models`, or a file of weights; repeat to compare several. [default: cfork]",
        show_default=False,
        autocompletion=completion.models,
    ),
]
DeviceOption = Annotated[Device, typer.Option(help="Device for the network; auto takes a CUDA GPU if there is one.")]
PrecisionOption = Annotated[
    Precision, typer.Option(help="Number format of the network; auto takes bfloat16 where that is faster and safe.")
]
InputLufs = Annotated[
    float | None,
    typer.Option(
        metavar="LUFS",
        help="Integrated loudness of the track, if known: saves the pass that measures it.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace the output if it exists already.")]
AcceptDamaged = Annotated[
    bool,
    typer.Option(
        "--accept-damaged",
        help="Use what can be read of a film that is cut off or damaged, and report what is missing.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Keep finished pieces beside the output while it is made, and go on from them where a run with --resume "
        "was interrupted. The result is the same, bit for bit.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check input and output, print what would be done, write nothing.")
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object on stdout, errors too; progress as JSON lines on stderr.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def gain_option(*names: str, help: str) -> Any:
    """An option that takes decibels; None is 0, or what a preset says."""
    return typer.Option(
        *names, metavar="DB", help=f"{help} [default: 0]", show_default=False, autocompletion=completion.gains
    )


_PIECE = "Seconds or h:mm:ss from the film's start."
Start = Annotated[
    str | None,
    typer.Option("--start", "-ss", metavar="TIME", help=f"Begin here. {_PIECE} A copied picture begins at the "
                 "key frame before.", show_default=False),
]  # fmt: skip
End = Annotated[
    str | None, typer.Option("--end", "-to", metavar="TIME", help=f"End here. {_PIECE}", show_default=False)
]  # fmt: skip
Duration = Annotated[
    str | None,
    typer.Option("--duration", "-t", metavar="TIME", help="Length of the piece, instead of --end.",
                 show_default=False),
]  # fmt: skip


def film_output(text: str | None, input: Path) -> Path | None:
    """Return the film to write: in a folder, it gets the usual name.

    Raises:
        UsageError: it is neither a folder nor says what kind of file it is.
    """
    from cfork_cli.errors import UsageError
    from cfork_cli.media.pipes import is_input_pipe, is_output_pipe

    if text is None:
        return None
    path = Path(text)
    if is_output_pipe(path) or is_input_pipe(input):
        return path
    if text.endswith(("/", "\\")) or path.is_dir():
        return path / f"{input.stem}.cfork{input.suffix}"
    if not path.suffix and input.suffix:
        raise UsageError(
            f"'{text}' does not say what to write: -o {text}{input.suffix} is a film, -o {text}/ a folder for it"
        )
    return path


def piece(start: str | None, end: str | None, duration: str | None) -> dict[str, Any]:
    """Return the piece of a film that the options name, in seconds from its start.

    Raises:
        UsageError: one of them is no time, or both --end and --duration are given.
    """
    from cfork_cli.errors import UsageError
    from cfork_cli.text import parse_time

    if end is not None and duration is not None:
        raise UsageError("--end and --duration both say where the piece ends: give one of them")
    first = None if start is None else parse_time(start)
    last = None if end is None else parse_time(end)
    if duration is not None:
        last = (first or 0.0) + parse_time(duration)
    return {"start": first, "end": last}
