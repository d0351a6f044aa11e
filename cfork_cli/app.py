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
from cfork_cli.commands import info, separate
from cfork_cli.console import Console
from cfork_cli.dnr import dnr
from cfork_cli.errors import CforkError, Interrupted, OutputClosed, OutputError, UsageError
from cfork_cli.interrupt import interruptible
from cfork_cli.models import models
from cfork_cli.options import (
    Channels,
    Device,
    DeviceOption,
    Downmix,
    DryRun,
    Force,
    InputFile,
    InputFormat,
    InputLufs,
    Json,
    Layout,
    Model,
    Quiet,
    Rate,
    Split,
    Tracks,
    gain_option,
)
from cfork_cli.pipes import stdout_is_taken
from cfork_cli.training import train

app = typer.Typer(
    name="cfork",
    help="Three sliders for any film: dialogue, music, effects.",
    epilog="Exit codes: 0 done, 1 other failure, 2 wrong usage, 3 unusable input, 4 unusable output or disk full, "
    "5 damaged input, 6 ffmpeg failed, 7 model missing or damaged, 130 interrupted, 141 nobody reads the pipe.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


app.add_typer(models)
app.add_typer(dnr)


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
            metavar="FILE|-",
            show_default=False,
            help="The new film; its suffix says the kind; - is standard output. "
            "[default: beside the input, movie.cfork.mkv for movie.mkv]",
        ),
    ] = None,
    dialog: Annotated[str, gain_option("--dialog", "--dialogue", help="Gain of the voices, in dB.")] = "0",
    music: Annotated[str, gain_option("--music", help="Gain of the music, in dB.")] = "0",
    effects: Annotated[str, gain_option("--effects", "--sfx", help="Gain of the effects and ambience, in dB.")] = "0",
    track: Tracks = None,
    keep_original: Annotated[
        bool, typer.Option("--keep-original", help="Add the new track beside the old one, instead of replacing it.")
    ] = False,
    sidecar: Annotated[
        bool,
        typer.Option(
            "--sidecar", help="Leave the film alone: write only the sound, movie.eng.cfork.mka, for players to find."
        ),
    ] = False,
    title: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Title of the new track. [default: the old one, or the levels where both are there]",
            show_default=False,
        ),
    ] = None,
    default: Annotated[
        bool,
        typer.Option(
            "--default/--no-default",
            help="With --keep-original: whether players begin with the new track. [default: they do]",
            show_default=False,
        ),
    ] = True,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Codec of the new track, such as flac, aac or ac3. [default: that of the old one]",
            show_default=False,
        ),
    ] = None,
    bitrate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Bit rate of the new track, such as 320k. [default: at least the old one]",
            show_default=False,
        ),
    ] = None,
    downmix: Annotated[
        Downmix | None,
        typer.Option(help="Fold surround sound to stereo (ITU-R BS.775), without clipping.", show_default=False),
    ] = None,
    model: Model = "cfork",
    device: DeviceOption = Device.auto,
    input_lufs: InputLufs = None,
    input_format: InputFormat = None,
    rate: Rate = None,
    channels: Channels = None,
    layout: Layout = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What goes through the pipe: wav, matroska, flac, ..., or bare f32le, s16le, ... "
            "[default: matroska for a film, wav for sound]",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
    force_model: Annotated[
        bool, typer.Option("--force-model", help="Take a model whose stems do not have the film's level.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give a film new levels of dialogue, music and effects.

    The picture, the other tracks, subtitles, chapters and attachments are copied as they are. Gains are in decibels,
    from -inf (mute) to +24; 0 leaves a part exactly as it is. The input is never changed.

    Example: cfork remix movie.mkv --dialog +6 --music -10
    """
    from cfork_cli import pipes, piping, remixing
    from cfork_cli.codecs import parse_bit_rate
    from cfork_cli.mix import parse_gain_db

    output = output or pipes.natural_output(input)
    with Console(quiet=quiet, as_json=as_json, stdout_is_taken=pipes.is_stdout(output)) as console:
        job = remixing.RemixJob(
            input=input,
            output=output,
            gains_db={
                "music": parse_gain_db(music),
                "dialogue": parse_gain_db(dialog),
                "effects": parse_gain_db(effects),
            },
            tracks=tuple(track or ()),
            codec=codec,
            bit_rate=None if bitrate is None else parse_bit_rate(bitrate),
            downmix=downmix is not None,
            keep_original=keep_original,
            sidecar=sidecar,
            title=title,
            default=default,
            model=model,
            device=device.value,
            input_lufs=input_lufs,
            force=force,
            force_model=force_model,
        )
        options = piping.PipeOptions(pipes.raw_format(input_format, rate, channels, layout), output_format)
        piping.remix(job, options, console, dry_run=dry_run)


app.command()(separate)
app.command()(info)


@app.command(short_help="Score models on scenes whose stems are known.")
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
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|PATH",
            help="A model of `cfork models`, or a file of weights; again for another to compare. [default: cfork]",
            show_default=False,
        ),
    ] = None,
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
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score models on scenes whose stems are known, laid out as in Divide and Remaster (DnR).

    SI-SDR, SNR and their gains over the mixture, and the SNR of a remix; mean and median with 95 % intervals.

    Example: cfork evaluate dnr/tt --scenes 20 --model cfork --model mine.safetensors
    """
    from cfork_cli import scoring
    from cfork_cli.mix import parse_gain_db

    with Console(quiet=quiet, as_json=as_json) as console:
        job = scoring.ScoringJob(
            tree=tree,
            models=tuple(model or ["cfork"]),
            gains_db={
                "music": parse_gain_db(music),
                "dialogue": parse_gain_db(dialog),
                "effects": parse_gain_db(effects),
            },
            split=split.value if split else None,
            scenes=scenes,
            workers=workers,
            device=device.value,
            output=output,
            force=force,
        )
        scoring.evaluate(job, console)


app.command(short_help="Train a network; a run that was stopped goes on.")(train)


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
    console = Console(as_json="--json" in arguments, stdout_is_taken=stdout_is_taken(arguments))
    try:
        with interruptible():
            return _call(arguments)
    except CforkError as error:
        return _failed(console, error)
    except typer.TyperException as error:
        return _failed(console, _usage_error(error, arguments))
    except (KeyboardInterrupt, typer.Abort):
        nothing = "" if stdout_is_taken(arguments) else ": nothing was written"
        return _failed(console, Interrupted(f"interrupted{nothing}"))
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
    helpful = ["cfork", *_command_of(arguments), "--help"]
    return UsageError(f"{words[:1].lower()}{words[1:]}: see '{' '.join(helpful)}'")


def _command_of(arguments: list[str]) -> list[str]:
    """The command of a command line, and the command within it: as much as there is."""
    found: list[str] = []
    here: typer.Typer | None = app
    for word in arguments:
        if here is None:
            break
        commands = [info.name or getattr(info.callback, "__name__", "") for info in here.registered_commands]
        groups = {group.typer_instance.info.name: group.typer_instance for group in here.registered_groups
                  if group.typer_instance is not None}  # fmt: skip
        if word not in commands and word not in groups:
            break
        found.append(word)
        here = groups.get(word)
    return found


def _failed(console: Console, error: CforkError) -> int:
    if isinstance(error, OutputClosed) and not console.as_json:
        return error.exit_code  # as a well-behaved filter, which SIGPIPE ends without a word
    console.error(str(error), error.exit_code)
    return error.exit_code


if __name__ == "__main__":
    main()
