"""The `cfork` command: parse, check, call, and turn every failure into one line and an exit code.

Nothing heavy is imported before a command needs it: `cfork --help` starts without torch.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cfork_cli import __version__
from cfork_cli.console import Console
from cfork_cli.errors import CforkError, Interrupted, OutputError, UsageError
from cfork_cli.interrupt import interruptible
from cfork_cli.options import (
    Device,
    DeviceOption,
    DryRun,
    Force,
    InputFile,
    InputLufs,
    Json,
    Model,
    Quiet,
    SoundFormat,
    Track,
    gain_option,
)

app = typer.Typer(
    name="cfork",
    help="Three sliders for any film: dialogue, music, effects.",
    epilog="Exit codes: 0 done, 1 other failure, 2 wrong usage, 3 unusable input, 4 unusable output or disk full, "
    "5 damaged input, 6 ffmpeg failed, 7 model missing or damaged, 130 interrupted.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def cfork(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Three sliders for any film: dialogue, music, effects."""
    if version:
        print(f"cfork {__version__}")
        raise typer.Exit


@app.command()
def remix(
    input: InputFile,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            show_default=False,
            help="The new film; its suffix says the kind. [default: beside the input, movie.cfork.mkv for movie.mkv]",
        ),
    ] = None,
    dialog: Annotated[str, gain_option("--dialog", "--dialogue", help="Gain of the voices, in dB.")] = "0",
    music: Annotated[str, gain_option("--music", help="Gain of the music, in dB.")] = "0",
    effects: Annotated[str, gain_option("--effects", "--sfx", help="Gain of the effects and ambience, in dB.")] = "0",
    track: Track = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Codec of the new track, such as flac, aac or ac3. [default: that of the old one]",
            show_default=False,
        ),
    ] = None,
    model: Model = "cfork",
    device: DeviceOption = Device.auto,
    input_lufs: InputLufs = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give a film new levels of dialogue, music and effects.

    The picture, the other tracks, subtitles, chapters and attachments are copied as they are. Gains are in decibels,
    from -inf (mute) to +24; 0 leaves a part exactly as it is. The input is never changed.

    Example: cfork remix movie.mkv --dialog +6 --music -10
    """
    from cfork_cli import pipeline
    from cfork_cli.mix import parse_gain_db

    with Console(quiet=quiet, as_json=as_json) as console:
        job = pipeline.RemixJob(
            input=input,
            output=output,
            gains_db={
                "music": parse_gain_db(music),
                "dialogue": parse_gain_db(dialog),
                "effects": parse_gain_db(effects),
            },
            track=track,
            codec=codec,
            model=model,
            device=device.value,
            input_lufs=input_lufs,
            force=force,
        )
        plan = pipeline.plan_remix(job, console)
        if dry_run:
            console.say(*plan.describe())
            console.result(dry_run=True, **plan.facts())
        else:
            pipeline.remix(plan, console)


@app.command()
def separate(
    input: InputFile,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder for the stems; made if missing.", show_default=False
        ),
    ],
    stem: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="dialogue, music or effects; give it again for another. [default: all three]",
            show_default=False,
        ),
    ] = None,
    format: Annotated[SoundFormat, typer.Option(help="Kind of the files.")] = SoundFormat.wav,
    bits: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Bits of a sample: 16, 24, or 32 (float, WAV only). [default: 32 in WAV, 24 in FLAC]",
            show_default=False,
        ),
    ] = None,
    track: Track = None,
    model: Model = "cfork",
    device: DeviceOption = Device.auto,
    input_lufs: InputLufs = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write dialogue, music and effects as sound files of their own.

    Example: cfork separate movie.mkv -o stems/
    """
    from cfork_cli import pipeline

    with Console(quiet=quiet, as_json=as_json) as console:
        job = pipeline.SeparateJob(
            input=input,
            folder=output,
            stems=tuple(stem or ()),
            format=format.value,
            bits=bits,
            track=track,
            model=model,
            device=device.value,
            input_lufs=input_lufs,
            force=force,
        )
        plan = pipeline.plan_separate(job, console)
        if dry_run:
            console.say(*plan.describe())
            console.result(dry_run=True, **plan.facts())
        else:
            pipeline.separate(plan, console)


@app.command()
def models(as_json: Json = False) -> None:
    """List the bundled models and their scores."""
    from cfork_cli import catalog

    with Console(as_json=as_json) as console:
        catalog.show_models(console)


@app.command(short_help="Score a model on scenes whose stems are known.")
def evaluate(
    tree: Annotated[
        Path,
        typer.Argument(
            metavar="TREE",
            help="Folder of scenes, each a folder with mix, music, speech and sfx.wav.",
            show_default=False,
        ),
    ],
    model: Model = "cfork",
    scenes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first N scenes.", show_default=False)
    ] = None,
    device: DeviceOption = Device.auto,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a model on scenes whose stems are known, laid out as in Divide and Remaster (DnR).

    Example: cfork evaluate dnr/tt --scenes 20
    """
    from cfork_cli import catalog

    with Console(quiet=quiet, as_json=as_json) as console:
        catalog.evaluate(tree, model, scenes, device.value, console)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Entry point of the `cfork` command; always ends the process with a documented exit code."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # stderr is for what concerns the user, one line each
    code = run(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:  # nobody reads; the interpreter would complain about it at the very end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; errors are printed, never raised.

    With `CFORK_DEBUG` set, what must be a fault of cfork itself is raised.
    """
    console = Console(as_json="--json" in arguments)
    try:
        with interruptible():
            return _call(arguments)
    except CforkError as error:
        return _failed(console, error)
    except typer.TyperException as error:
        return _failed(console, _usage_error(error, arguments))
    except (KeyboardInterrupt, typer.Abort):
        return _failed(console, Interrupted("interrupted: nothing was written"))
    except OSError as error:
        place = f" '{error.filename}'" if error.filename else ""
        return _failed(
            console, OutputError(f"cannot use{place} ({error.strerror or error}): is its disk there, with room?")
        )
    except Exception as error:
        if os.environ.get("CFORK_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}"
        return _failed(console, CforkError(f"cfork itself failed ({what}): report it; CFORK_DEBUG=1 shows where"))


def _call(arguments: list[str]) -> int:
    result = app(arguments or ["--help"], prog_name="cfork", standalone_mode=False)
    if result == Interrupted.exit_code:  # typer makes this of a KeyboardInterrupt
        raise KeyboardInterrupt
    return result if isinstance(result, int) else 0


def _usage_error(error: typer.TyperException, arguments: list[str]) -> UsageError:
    """The parser's complaint in our form, with the way to the right help."""
    words = error.format_message().rstrip(".")
    commands = [info.callback.__name__ for info in app.registered_commands if info.callback is not None]
    helpful = ["cfork", *(word for word in arguments[:1] if word in commands), "--help"]
    return UsageError(f"{words[:1].lower()}{words[1:]}: see '{' '.join(helpful)}'")


def _failed(console: Console, error: CforkError) -> int:
    console.error(str(error), error.exit_code)
    return error.exit_code


if __name__ == "__main__":
    main()
