"""`cfork presets`: list, show and save settings with a name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cfork_cli.commands import completion
from cfork_cli.commands.desk import (
    DialogFilters,
    DialogGain,
    DialogReverb,
    Duck,
    EffectsFilters,
    EffectsGain,
    EffectsReverb,
    MusicFilters,
    MusicGain,
    MusicReverb,
    Night,
    PresetName,
    SpeechBoost,
)
from cfork_cli.commands.options import Force, Json, Quiet
from cfork_cli.commands.whole_help import WholeHelp
from cfork_cli.console.console import Console
from cfork_cli.errors import UsageError

presets = typer.Typer(name="presets", cls=WholeHelp, invoke_without_command=True, rich_markup_mode=None)


@presets.callback()
def list_or_more(context: typer.Context, as_json: Json = False) -> None:
    """List the presets; show or save one; print where your own are kept.

    Without a command: list.
    """
    if context.invoked_subcommand is None:
        show_list(as_json)
    elif as_json:
        raise UsageError(f"--json goes after the command: cfork presets {context.invoked_subcommand} --json")


@presets.command("list")
def show_list(as_json: Json = False) -> None:
    """List the presets: those of cfork, and your own."""
    from rich.table import Table

    from cfork_cli.flows.plans import levels, treatment
    from cfork_cli.presets import store

    with Console(as_json=as_json) as console:
        found, broken = [], []
        for name in store.names():
            try:
                found.append(store.load(name))
            except UsageError as error:
                broken.append(str(error))
        table = Table("preset", "what it does", "whose")
        for preset in found:
            gains = [levels(preset.all_gains_db, changed_only=True)] if any(preset.gains_db.values()) else []
            does = preset.about or ", ".join([*gains, *treatment(preset.processing)]) or preset.label
            table.add_row(preset.name, does, "cfork's" if preset.is_built_in else "yours")
        console.table(table)
        for note in broken:
            console.note(note)
        console.result(presets=[preset.facts() for preset in found], notes=broken)


@presets.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE.toml", help="A preset.", show_default=False, autocompletion=completion.presets
        ),
    ],
    as_json: Json = False,
) -> None:
    """Print a preset as TOML, to look at, or as a start for your own.

    Example: cfork presets show night > mine.toml
    """
    from cfork_cli.presets import store
    from cfork_cli.presets.preset import write

    with Console(as_json=as_json) as console:
        preset = store.load(name)
        if not as_json:
            console.out(write(preset).rstrip())
        console.result(**preset.facts())


@presets.command()
def save(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the preset.", show_default=False)],
    dialog: DialogGain = None,
    music: MusicGain = None,
    effects: EffectsGain = None,
    preset: PresetName = None,
    dialog_fx: DialogFilters = None,
    music_fx: MusicFilters = None,
    effects_fx: EffectsFilters = None,
    dialog_reverb: DialogReverb = None,
    music_reverb: MusicReverb = None,
    effects_reverb: EffectsReverb = None,
    speech_boost: SpeechBoost = None,
    duck: Duck = None,
    night: Night = None,
    loudness: Annotated[
        str | None,
        typer.Option(metavar="LUFS|keep|dialogue:LUFS", help="Loudness of the new track.", show_default=False),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Codec of the new track.",
            show_default=False,
            autocompletion=completion.codecs,
        ),
    ] = None,
    bitrate: Annotated[
        str | None, typer.Option(metavar="RATE", help="Bit rate of the new track.", show_default=False)
    ] = None,
    label: Annotated[str, typer.Option(metavar="TEXT", help="Its name for people.", show_default=False)] = "",
    about: Annotated[str, typer.Option(metavar="TEXT", help="A sentence about it.", show_default=False)] = "",
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Save options of `cfork remix` under a name.

    With --preset, its settings are saved too, unless an option overrides them.

    Example: cfork presets save quiet --dialog +3 --music -8 --night
    """
    from dataclasses import replace

    from cfork_cli.api.films import settings
    from cfork_cli.codecs.bit_rate import parse_bit_rate
    from cfork_cli.flows.mixing import check_early
    from cfork_cli.mix.normalize import parse_loudness
    from cfork_cli.presets import store

    with Console(quiet=quiet, as_json=as_json) as console:
        made = settings(
            preset, (dialog, music, effects), (dialog_fx, music_fx, effects_fx),
            (dialog_reverb, music_reverb, effects_reverb), speech_boost, duck or None, night, loudness, codec, bitrate,
        )  # fmt: skip
        parse_loudness(made.loudness)
        if made.bitrate is not None:
            parse_bit_rate(made.bitrate)
        check_early(made.processing)
        made = replace(made, name=name, label=label or name, about=about)
        path = store.save(made, force=force)
        console.say(f"saved {path}: cfork remix movie.mkv --preset {name}")
        console.result(**{**made.facts(), "home": str(path)})


@presets.command()
def path(as_json: Json = False) -> None:
    """Print the folder of your own presets; every file NAME.toml in it is one."""
    from cfork_cli.presets import store

    with Console(as_json=as_json) as console:
        folder: Path = store.folder()
        if not as_json:
            console.out(str(folder))
        console.result(path=str(folder))
