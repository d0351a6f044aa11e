"""`cfork play`."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import typer

from cfork_cli.commands import completion
from cfork_cli.commands.options import (
    Device,
    DeviceOption,
    InputLufs,
    Model,
    Precision,
    PrecisionOption,
    Quiet,
    Track,
)
from cfork_cli.console.console import Console


def play(
    input: Annotated[
        str,
        typer.Argument(
            metavar="INPUT|URL",
            help="The film or sound file; or the address of a video page, which yt-dlp fetches.",
            show_default=False,
            autocompletion=completion.films,
        ),
    ],
    open_browser: Annotated[
        bool, typer.Option("--open/--no-browser", help="Open the page in the browser, or only print its address.")
    ] = True,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port on this computer; 0 takes any that is free.")
    ] = 0,
    track: Track = None,
    cache_size: Annotated[
        str,
        typer.Option(metavar="SIZE", help="Space for separated sound of all films, to be found again; 0 keeps none."),
    ] = "2GB",
    model: Model = "cfork",
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    input_lufs: InputLufs = None,
    quiet: Quiet = False,
) -> None:
    """Play a film in the browser, with sliders for dialogue, music and effects.

    What is heard is separated just ahead of the playhead. The page can write the film with its levels, as `cfork remix`
    does. It is served on this computer alone, and the command ends when the page is closed.

    Example: cfork play movie.mkv
    """
    from cfork_cli.flows import early_torch, web
    from cfork_cli.flows.checks import check_lufs
    from cfork_cli.media.probe import probe
    from cfork_cli.player.server import Server
    from cfork_cli.player.session import PlayOptions, Session
    from cfork_cli.text import parse_size

    with Console(quiet=quiet) as console:
        early_torch.begin()
        check_lufs(input_lufs)
        is_address = web.is_address(input)
        options = PlayOptions(
            track=track, model=model, device=device.value, precision=precision.value, input_lufs=input_lufs,
            cache_bytes=parse_size(cache_size), export_folder=Path.cwd() if is_address else None,
        )  # fmt: skip
        with ExitStack() as stack:
            path = stack.enter_context(web.local(input, Path(tempfile.gettempdir()), console))
            session = stack.enter_context(Session(probe(path), options))
            server = stack.enter_context(Server(session, port))
            for warning in session.warnings:
                console.note(warning)
            with suppress(KeyboardInterrupt):  # the usual way to end it
                console.say("It ends when the page is closed, or with Ctrl-C.")
                if open_browser and not _opened(server.url):
                    console.note("no browser could be opened: open the address by hand")
                # Nothing is imported in this thread from here on: an interrupt in the middle of an import can leave its
                # lock held, and the thread that imports torch would wait for it for ever.
                console.out(server.url)
                server.wait()


def _opened(url: str) -> bool:
    """Open the address in the user's browser; return whether there is one."""
    import webbrowser

    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
