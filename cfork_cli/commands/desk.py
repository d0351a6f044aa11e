"""Options of the mixing desk, which several commands share: presets, effects, levels that follow the voice."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cfork_cli.commands import completion
from cfork_cli.commands.options import gain_option


def _filters(stem: str, of: str) -> Any:
    return typer.Option(
        f"--{stem}-fx",
        metavar="CHAIN",
        help=f"ffmpeg's audio filters for {of}, such as highpass=f=90,acompressor; none removes those of a preset.",
        show_default=False,
    )


def _reverb(stem: str, of: str) -> Any:
    return typer.Option(
        f"--{stem}-reverb",
        metavar="ROOM[:DB]",
        help=f"Reverb for {of}: room, hall, or a file with an impulse response; DB is its level over the dry sound. "
        "[default level: -12]",
        show_default=False,
        autocompletion=completion.choices("room", "hall"),
    )


PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME|FILE.toml",
        help="Start from these settings, see `cfork presets`; other options override them.",
        show_default=False,
        autocompletion=completion.presets,
    ),
]
DialogGain = Annotated[str | None, gain_option("--dialog", "--dialogue", help="Gain of the voices, in dB.")]
MusicGain = Annotated[str | None, gain_option("--music", help="Gain of the music, in dB.")]
EffectsGain = Annotated[str | None, gain_option("--effects", "--sfx", help="Gain of the effects and ambience, in dB.")]
DialogFilters = Annotated[str | None, _filters("dialog", "the voices")]
MusicFilters = Annotated[str | None, _filters("music", "the music")]
EffectsFilters = Annotated[str | None, _filters("effects", "effects and ambience")]
DialogReverb = Annotated[str | None, _reverb("dialog", "the voices")]
MusicReverb = Annotated[str | None, _reverb("music", "the music")]
EffectsReverb = Annotated[str | None, _reverb("effects", "effects and ambience")]
SpeechBoost = Annotated[
    str | None,
    typer.Option(
        "--speech-boost",
        metavar="auto[:LU]|off",
        help="Raise the voice, slowly and only where it needs it, to this many LU over the rest. [auto: 7 LU]",
        show_default=False,
        autocompletion=completion.choices("auto", "off"),
    ),
]
Duck = Annotated[
    list[str] | None,
    typer.Option(
        "--duck",
        metavar="STEM[:DB]|none",
        help="Lower music or effects by so many dB while somebody speaks, as in music:6; may be repeated.",
        show_default=False,
        autocompletion=completion.choices("music", "effects", "none"),
    ),
]
Night = Annotated[
    bool | None,
    typer.Option(
        "--night/--no-night",
        help="Turn down music and effects where they are louder than the film as a whole; the voice stays.",
        show_default=False,
    ),
]
