"""The `cfork` command: parse, check, call, and turn every failure into one line and an exit code.

Nothing heavy is imported before a command needs it: `cfork --help` starts without torch.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from typing import Annotated, NoReturn

import typer

from cfork_cli import __version__, early, signals
from cfork_cli.commands import guesses
from cfork_cli.commands.bench import bench
from cfork_cli.commands.dnr import dnr
from cfork_cli.commands.dub import dub
from cfork_cli.commands.evaluate import evaluate
from cfork_cli.commands.info import info
from cfork_cli.commands.models import models
from cfork_cli.commands.play import play
from cfork_cli.commands.plot import plot
from cfork_cli.commands.presets import presets
from cfork_cli.commands.remix import remix
from cfork_cli.commands.separate import separate
from cfork_cli.commands.train import train
from cfork_cli.commands.watch import watch
from cfork_cli.commands.whole_help import WholeHelp
from cfork_cli.console.console import Console
from cfork_cli.errors import (
    NO_MEMORY,
    CforkError,
    Interrupted,
    OutputClosed,
    OutputError,
    Told,
    UsageError,
    of_any,
    of_the_system,
)
from cfork_cli.flows import early_torch
from cfork_cli.signals import interruptible
from cfork_cli.text import printable

app = typer.Typer(
    name="cfork",
    cls=WholeHelp,
    help="Three sliders for any film: dialogue, music, effects.",
    epilog="Exit codes: 0 done, 1 other failure, 2 wrong usage, 3 unusable input, 4 unusable output or disk full, "
    "5 damaged input, 6 ffmpeg failed, 7 model missing or damaged, 130 interrupted (143 by SIGTERM, 129 by SIGHUP), "
    "141 pipe closed.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


app.add_typer(models)
app.add_typer(dnr)
app.add_typer(presets)


@app.callback(invoke_without_command=True)
def cfork(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Three sliders for any film: dialogue, music, effects."""
    if version:
        print(f"cfork {__version__}")
        raise typer.Exit


app.command()(remix)
app.command()(separate)
app.command()(watch)
app.command()(play)
app.command()(info)
app.command()(dub)
app.command()(plot)
app.command(short_help="Score models on scenes whose stems are known.")(evaluate)
app.command(short_help="Train a network, or resume a training.")(train)
app.command(short_help="Measure how fast cfork is here, and where the time goes.")(bench)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Entry point of the `cfork` command; always ends the process with a documented exit code."""
    early.listen()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # stderr is for what concerns the user, one line each
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the encoding does not have is no failure
    words = sys.argv[1:] if arguments is None else arguments
    code = _flushed(words, run(words))
    early.ignore()
    if (leftovers := sys.modules.get("cfork_cli.leftovers")) is not None:  # `--help` makes none, and need not know how
        leftovers.give_all_back()
    if early_torch.running() or "torch" in sys.modules:
        # To tear torch down takes half a second, and cannot be done while it is imported. Nothing is open any more.
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; errors are printed, never raised.

    With `CFORK_DEBUG` set, what must be a fault of cfork itself is raised. In the command, no signal is heard after
    this: what is left is the way out.
    """
    try:
        with interruptible():
            try:
                code, error = _outcome(arguments)
            except KeyboardInterrupt:  # in the midst of another failure
                code, error = signals.exit_code(), _interrupted(arguments)
            signals.over()
            if error is not None:
                _say(arguments, error, code)
            return code
    except KeyboardInterrupt:  # before anything began
        signals.over()
        _say(arguments, _interrupted(arguments), signals.exit_code())
        return signals.exit_code()


def _outcome(arguments: list[str]) -> tuple[int, CforkError | None]:
    """Run one command line; returns its exit code, and what went wrong."""
    error: CforkError
    try:
        return _call(arguments), None
    except Interrupted as interrupted:
        return signals.exit_code(), interrupted
    except CforkError as failed:
        error = failed
    except typer.TyperException as wrong:
        error = _usage_error(wrong, arguments)
    except (KeyboardInterrupt, typer.Abort):
        return signals.exit_code(), _interrupted(arguments)
    except OSError as failed:
        error = of_the_system(failed)
    except Exception as failed:
        error = of_any(failed)
        if str(error) != NO_MEMORY:
            error = CforkError(f"{error}; CFORK_DEBUG=1 shows where")
        if os.environ.get("CFORK_DEBUG"):
            raise
    return error.exit_code, error


def _interrupted(arguments: list[str]) -> CforkError:
    # what went through a pipe went for good
    told = "" if _stdout_is_taken(arguments) else f": {signals.what_was_written()}"
    return Interrupted(f"interrupted{told}")


def _flushed(arguments: list[str], code: int) -> int:
    """Hand on what is still buffered; returns the exit code, another one where a full disk takes nothing."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:  # the interpreter would complain about it at the very end
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if code == 0 and stream is sys.stdout and not isinstance(error, BrokenPipeError):
                failed = OutputError(f"standard output cannot be written ({error.strerror}): what was printed is lost")
                code = failed.exit_code
                _say([word for word in arguments if word != "--json"], failed, code)
    return code


def _call(arguments: list[str]) -> int:
    try:
        result = app(arguments or ["--help"], prog_name="cfork", standalone_mode=False)
    except typer.TyperException as error:  # of the parser: nothing was done yet
        meant = guesses.understood(arguments, _command_names(), error.format_message())
        if meant is None:
            raise
        return _call(meant)
    if result == Interrupted.exit_code:  # typer makes this of a KeyboardInterrupt
        raise KeyboardInterrupt
    return result if isinstance(result, int) else 0


def _usage_error(error: typer.TyperException, arguments: list[str]) -> UsageError:
    """The parser's complaint in our form, with the way to the right help."""
    better = guesses.answer(arguments, error.format_message())
    if better is not None:
        return UsageError(better)
    words = guesses.without_misleading(error.format_message()).rstrip(".")
    helpful = ["cfork", *_command_of(arguments), "--help"]
    return UsageError(f"{words[:1].lower()}{words[1:]}: see '{' '.join(helpful)}'")


def _command_names() -> list[str]:
    """The commands, and the groups of commands."""
    names = [info.name or getattr(info.callback, "__name__", "") for info in app.registered_commands]
    groups = [group.typer_instance.info.name for group in app.registered_groups if group.typer_instance is not None]
    return [name for name in (*names, *groups) if name]


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


def _say(arguments: list[str], error: CforkError, code: int) -> None:
    if isinstance(error, Told):
        return
    as_json = "--json" in arguments
    if as_json or not isinstance(error, OutputClosed):  # a well-behaved filter, which SIGPIPE ends, says no word
        console = Console(as_json=as_json, stdout_is_taken=_stdout_is_taken(arguments))
        try:
            console.error(str(error), code, **error.found)
        except Exception:  # memory so short that what draws the line cannot be imported
            with contextlib.suppress(OSError):
                os.write(2, f"cfork: {printable(str(error))}\n".encode("utf-8", "backslashreplace"))


def _stdout_is_taken(arguments: list[str]) -> bool:
    from cfork_cli.media.pipes import stdout_is_taken

    return stdout_is_taken(arguments)


if __name__ == "__main__":
    main()
