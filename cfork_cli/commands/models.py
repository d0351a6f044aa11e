"""`cfork models`: list, pull, look at, verify, convert and package the networks' weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from cfork_cli import bounded
from cfork_cli.commands import completion
from cfork_cli.commands.options import Force, Json, Quiet
from cfork_cli.commands.whole_help import WholeHelp
from cfork_cli.console.console import Console
from cfork_cli.errors import InputError, Interrupted, OutputError, UsageError, translated
from cfork_cli.text import megabytes

models = typer.Typer(name="models", cls=WholeHelp, invoke_without_command=True, rich_markup_mode=None)

MOST_CARD_BYTES = bounded.MIB
"""Of a model's card: ours has 6,000."""

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|PATH",
        help="A model, or a file of weights.",
        show_default=False,
        autocompletion=completion.all_models,
    ),
]


@models.callback()
def list_or_more(context: typer.Context, as_json: Json = False) -> None:
    """List the models; or pull, examine, verify, convert or package one.

    Without a command: list.
    """
    if context.invoked_subcommand is None:
        show_list(as_json)
    elif as_json:
        raise UsageError(f"--json goes after the command: cfork models {context.invoked_subcommand} --json")


@models.command("list")
def show_list(as_json: Json = False) -> None:
    """List the models: bundled, pulled, and available."""
    with Console(as_json=as_json) as console, translated():
        from cfork_cli.commands.catalog import show_models

        show_models(console)


@models.command(short_help="Download a model and check it.")
def pull(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|URL",
            help="A model of the list, or the address of a file of weights.",
            show_default=False,
            autocompletion=completion.models_to_pull,
        ),
    ],
    mirror: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL",
            envvar="CFORK_MODELS_URL",
            help="Address of a folder with the authors' files. [default: their repository on GitHub]",
            show_default=False,
        ),
    ] = None,
    called: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Local name of a model behind an address.", show_default=False),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Checksum of the file behind an address.", show_default=False),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, max=86400, help="Give up after this many seconds without data.")
    ] = 30.0,
    force: Annotated[bool, typer.Option("--force", "-f", help="Download it again even if it is there.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Download a model into the cache and check it; an interrupted download is resumed.

    The cache is the platform's own folder, or that of CFORK_CACHE. Proxies are taken from https_proxy and no_proxy.

    Example: cfork models pull mrx
    """
    from model.hub import pull as puller

    if sha256 is not None and (len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef")):
        raise UsageError(f"{sha256!r} is no sha256: it has 64 digits from 0 to f")
    if "://" not in name and (called is not None or sha256 is not None):
        raise UsageError(f"--name and --sha256 are for addresses, not for the model {name!r}")
    with Console(quiet=quiet, as_json=as_json) as console, translated():
        wanted = puller.find(name, mirror=mirror, name=called, sha256=sha256)
        if wanted is None:
            from model.hub.weights import resolve

            console.say(f"{name} is bundled: there is nothing to pull")
            console.result(name=name, path=str(resolve(name)), state="bundled", fresh=False)
            return
        progress = _Download(console)
        try:
            done = puller.pull(wanted, force=force, progress=progress.at, note=console.note, timeout=timeout)
        except KeyboardInterrupt as interrupt:
            raise Interrupted("interrupted: the downloaded part is kept; pull again to resume") from interrupt
        except OSError as error:
            raise OutputError(
                f"the cache cannot take the model ('{error.filename or wanted.path}': {error.strerror or error}): "
                "make room or free the way, or name another folder with CFORK_CACHE"
            ) from error
        console.end()
        size = done.path.stat().st_size
        what = "is here" if done.fresh else "was here already"
        console.say(f"{wanted.name} {what}, checked: {done.path} ({megabytes(size)})")
        if wanted.sha256 is None and done.fresh:
            console.note(f"there is no published checksum to compare this file with; its sha256 is {done.sha256}")
        console.result(
            name=wanted.name, path=str(done.path), state="in cache", bytes=size, sha256=done.sha256, fresh=done.fresh
        )


@models.command(short_help="Show details of a model.")
def info(name: Name, as_json: Json = False) -> None:
    """Show details of a model: network, size, checksum, scores, data, license.

    Example: cfork models info mrx
    """
    with Console(as_json=as_json) as console, translated():
        from cfork_cli.commands.catalog import show_facts
        from model.hub.examine import examine

        show_facts(examine(name), console)


@models.command(short_help="Check a model and try it.")
def verify(name: Name, as_json: Json = False, quiet: Quiet = False) -> None:
    """Check a model: its checksum, its numbers, and a short separation.

    Example: cfork models verify cfork
    """
    with Console(quiet=quiet, as_json=as_json) as console, translated():
        from model.hub.examine import verify as run

        checks: dict[str, str] = {}
        for check in run(name):
            checks[check.what] = check.found
            console.say(f"{check.what}: {check.found}")
        console.say("ok")
        console.result(model=name, ok=True, checks=checks)


@models.command()
def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="A model, or a file of weights.",
            show_default=False,
            autocompletion=completion.models,
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="New file: .safetensors, or .pth for a plain state dict.", show_default=False
        ),
    ],
    half: Annotated[bool, typer.Option("--half", help="Store matrices in 16 bits: half the size.")] = False,
    card: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON object that is added to the model's card.", show_default=False),
    ] = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a model in another format, and print how much its stems change.

    Example: cfork models convert mrx mrx.safetensors --half
    """
    with Console(quiet=quiet, as_json=as_json) as console, translated():
        words = _read_card(card)
        if out.suffix not in (".safetensors", ".pth", ".pt"):
            raise UsageError(f"'{out}' must end in .safetensors or .pth")
        from cfork_cli.output.destination import check_destination
        from model.hub.weights import resolve

        check_destination(out, source=resolve(source), force=force, option="")
        from model.hub.convert import convert as run

        try:
            done = run(source, out, half=half, card=words)
        except OSError as error:
            raise OutputError(f"'{out}' cannot be written ({error.strerror or error}): choose another place") from error
        for note in done.notes:
            console.note(note)
        sizes = f"{megabytes(done.bytes_before)} -> {megabytes(done.bytes_after)}"
        how_much = f"{done.difference:.2g} ({done.difference_db:.0f} dB)" if done.difference else "none"
        console.say(f"wrote {out}: {sizes}, largest difference of a stem: {how_much}")
        console.result(
            input=str(done.source), output=str(out), bytes_before=done.bytes_before, bytes_after=done.bytes_after,
            difference=done.difference, notes=list(done.notes),
            difference_db=done.difference_db if math.isfinite(done.difference_db) else "-inf",
        )  # fmt: skip


@models.command(short_help="Make a model of a training run.")
def package(
    state: Annotated[
        Path, typer.Argument(metavar="STATE", help="best.pt or state.pt of a run of cfork train.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New file: .safetensors.", show_default=False)],
    card: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="JSON object for the model's card: data, license, hours, scores.", show_default=False
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="Arguments of the network that training leaves open, as a JSON object.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the averaged network of a training run as a model, in half precision, for --model ./OUT.

    Steps, minutes and seed of the training are added to the card.

    Example: cfork models package runs/mine/best.pt mine.safetensors
    """  # fmt: skip
    with Console(quiet=quiet, as_json=as_json) as console, translated("packaging", instead={OutputError: InputError}):
        words, arguments = _read_card(card), _read_object("--config", config)
        if out.suffix != ".safetensors":
            raise UsageError(f"'{out}' must end in .safetensors")
        if not state.is_file():
            raise InputError(f"'{state}' is no file: give best.pt or state.pt of a run of cfork train")
        from cfork_cli.output.destination import check_destination

        check_destination(out, source=state, force=force, option="")
        from model.train.package import package as run

        try:
            size = run(state, out, words, arguments)
        except (RuntimeError, TypeError) as error:
            why = str(error).splitlines()[-1].strip()
            raise UsageError(f"'{state}' does not fit the network of {config or 'its own run'} ({why})") from error
        except OSError as error:
            raise OutputError(f"'{out}' cannot be written ({error.strerror or error}): choose another place") from error
        console.say(f"wrote {out}: {megabytes(size)}")
        console.result(state=str(state), output=str(out), bytes=size)


class _Download:
    """Shows the bytes that were received; the stage begins with the first of them."""

    def __init__(self, console: Console) -> None:
        self._console, self._begun = console, False

    def at(self, done: int, total: int | None) -> None:
        if not self._begun:
            self._console.stage("pull", total, is_bytes=True)
            self._begun = True
        self._console.at(done)


def _read_object(option: str, text: str | None) -> dict[str, Any]:
    """Read a JSON object that the user typed; nothing is an empty one."""
    example = '{"residual": [0, 0, 1]}'
    try:
        words = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{option} is not JSON ({error}): give one object, such as '{example}'") from error
    if not isinstance(words, dict):
        raise UsageError(f"{option} is no JSON object: give one, such as '{example}'")
    return words


def _read_card(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        words = json.loads(bounded.read_text(path, MOST_CARD_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"the card '{path}' cannot be read ({why}): give a file with one JSON object") from error
    if not isinstance(words, dict):
        raise InputError(f"the card '{path}' is no JSON object: give a file with one")
    return words
